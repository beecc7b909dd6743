"""The same work in PyTorch, in a separate process: python -m experiments.benchmarks.pytorch loop 10 MLP-784-100-10 20

For each line on standard input, the process runs the steps and prints their seconds. It is separate, as for PyTorch's
users, because the threads and memory allocators of JAX and PyTorch would interfere in one process.
"""

import subprocess
import sys
import time

from pathjax.experiments.benchmarks.paired import Timed

BATCH, LEARNING_RATE, MOMENTUM = 64, 0.01, 0.9
NUM_EXAMPLES, NUM_CLASSES = 4096, 10


def in_process(way: str, num_members: int, network: str, steps: int) -> Timed:
    """Starts PyTorch's process, which times `steps` steps by "loop" (member by member) or "vmap" (`torch.func`)."""
    arguments = [way, str(num_members), network, str(steps)]
    command = [sys.executable, "-m", "pathjax.experiments.benchmarks.pytorch", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds() -> float:
        assert process.stdin and process.stdout
        process.stdin.write("run\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"PyTorch ended with status {process.wait()}: {' '.join(command)}")
        return float(answer)

    return Timed(seconds, steps, process.kill)


def main(way: str, num_members: str, network: str, steps: str) -> None:
    """Times the steps once for each line of standard input."""
    import torch

    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False  # the setting above covers only matrix products
    make = {"loop": member_by_member, "vmap": with_vmap}[way]
    run = make(torch, int(num_members), network, int(steps))
    for _ in sys.stdin:
        run()  # untimed, as for the other programs
        _synchronize(torch)
        start = time.perf_counter()
        run()
        _synchronize(torch)
        print(time.perf_counter() - start, flush=True)


def member_by_member(torch, num_members: int, network: str, steps: int):
    """Returns a loop over members, each with its own optimizer: the straightforward program."""
    batches, device = _batches(torch, network, steps), _device(torch)
    models = [_model(torch, network).to(device) for _ in range(num_members)]
    optimizers = [torch.optim.SGD(m.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM) for m in models]
    loss_fn = torch.nn.functional.cross_entropy

    def run():
        records = []
        for inputs, labels in batches:
            losses = []
            for model, optimizer in zip(models, optimizers, strict=True):
                optimizer.zero_grad()
                loss = loss_fn(model(inputs), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            with torch.no_grad():
                distances = [_distance(torch, model, models[0]) for model in models]
            records.append((torch.stack(losses), torch.stack(distances)))
        return records

    return run


def with_vmap(torch, num_members: int, network: str, steps: int):
    """Returns a program with `torch.func.vmap` over stacked parameters, updated in place."""
    batches, device = _batches(torch, network, steps), _device(torch)
    models = [_model(torch, network).to(device) for _ in range(num_members)]
    stacked, _ = torch.func.stack_module_state(models)
    params = {name: value.detach() for name, value in stacked.items()}
    momentum = {name: torch.zeros_like(value) for name, value in params.items()}
    skeleton = _model(torch, network).to("meta")

    def loss_fn(params, inputs, labels):
        return torch.nn.functional.cross_entropy(torch.func.functional_call(skeleton, params, (inputs,)), labels)

    gradient = torch.func.vmap(torch.func.grad_and_value(loss_fn), in_dims=(0, None, None))

    def run():
        records = []
        for inputs, labels in batches:
            gradients, losses = gradient(params, inputs, labels)
            for name, value in params.items():
                momentum[name].mul_(MOMENTUM).add_(gradients[name])
                value.add_(momentum[name], alpha=-LEARNING_RATE)
            squares = [((value - value[:1]) ** 2).flatten(1).sum(1) for value in params.values()]
            records.append((losses, torch.stack(squares).sum(0).sqrt()))
        return records

    return run


def _batches(torch, network, steps):
    """Gathers the batches in advance, which favors PyTorch slightly."""
    torch.manual_seed(0)
    shape = (784,) if network.startswith("MLP") else (3, 32, 32)
    inputs, labels = torch.rand(NUM_EXAMPLES, *shape), torch.randint(0, NUM_CLASSES, (NUM_EXAMPLES,))
    rows = torch.randint(0, NUM_EXAMPLES, (steps, BATCH))
    device = _device(torch)
    return [(inputs[row].to(device), labels[row].to(device)) for row in rows]


def _model(torch, network):
    kind, *numbers = network.split("-")
    sizes, nn, layers = [int(number) for number in numbers], torch.nn, []
    if kind == "MLP":
        for fan_in, width in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(fan_in, width), nn.ReLU()]
        return nn.Sequential(*layers[:-1])
    for channels, width in zip([3, *sizes], sizes, strict=False):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(sizes[-1], NUM_CLASSES))


def _distance(torch, model, baseline):
    pairs = zip(model.parameters(), baseline.parameters(), strict=True)
    return torch.stack([((a - b) ** 2).sum() for a, b in pairs]).sum().sqrt()


def _device(torch):
    return "cuda" if torch.cuda.is_available() else "cpu"


def _synchronize(torch):
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main(*sys.argv[1:])
