"""Learning coefficients of several networks along training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pathjax
from pathjax.data import load_dataset
from pathjax.models import MLP
from pathjax.reporting.tables import aligned, interval, number
from pathjax.sampling import Sampling, learning_coefficient

NAME = "digits, along training"
CHAINS, STEPS, NUM_NETWORKS, WIDTH = 20, 800, 4, 16
RATE, BATCH, LOCALIZATION = 0.1, 64, 100.0
ESTIMATES = ("values", "low", "high", "drifts", "drift_low", "drift_high")
READINGS = (0, 100, 300, 1000, 3000)  # steps of training


def measure(num_chains: int, num_steps: int) -> dict:
    """Returns, for each reading, the loss of each network on the training set, and its learning coefficient at the
    inverse temperature n / log n."""
    dataset = load_dataset("digits")
    examples = jax.tree.map(jnp.asarray, dataset.train)
    model = MLP((WIDTH,), dataset.num_classes, "tanh")

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    def loss_fn(params, batch):
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, batch[0]), batch[1])

    dynamics = pathjax.training_dynamics(loss_fn, optax.sgd(RATE))
    keys = jax.random.split(jax.random.key(0), NUM_NETWORKS)
    starts = jax.vmap(lambda key: model.init(key, examples[0][:1])["params"])(keys)
    ensemble = pathjax.independent_ensemble(dynamics, starts)
    num = len(examples[1])
    schedule = pathjax.batch_schedule(jax.random.key(1), num, BATCH, num_steps=max(READINGS))
    t = num / np.log(num)
    sampling = Sampling((t,), num_chains, num_steps, LOCALIZATION)
    found: dict[str, list] = {name: [] for name in ("loss", *ESTIMATES, "accepted")}
    for i, step in enumerate(READINGS):
        if i:
            rows = schedule._replace(indices=schedule.indices[:step])
            ensemble = pathjax.rollout(dynamics, ensemble, examples, rows, [], first_step=READINGS[i - 1]).ensemble
        weights = ensemble.state.params
        measured = learning_coefficient(jax.random.key(2), loss_fn, weights, examples, sampling)
        found["loss"].append(np.asarray(jax.vmap(lambda w: jnp.mean(loss_fn(w, examples)))(weights)))
        for name in ESTIMATES:
            found[name].append(getattr(measured, name)[:, 0])
        found["accepted"].append(measured.accepted[0])
    num_weights = sum(leaf[0].size for leaf in jax.tree.leaves(starts))
    return found | {"steps": list(READINGS), "num_weights": num_weights, "inverse_temperature": t}


def table(outcome: dict) -> list[str]:
    """Returns the rows of a table, one for each step and network."""
    rows: list[tuple[str, ...]] = [("step", "network", "loss", "coefficient [95%]", "drift [95%]")]
    for i, step in enumerate(outcome["steps"]):
        for j, loss in enumerate(outcome["loss"][i]):
            own = [outcome[name][i][j] for name in ESTIMATES]
            rows.append((str(step), str(j), number(loss), interval(*own[:3]), interval(*own[3:])))
    note = (
        f"MLP 64-{WIDTH}-10 on the digits, {outcome['num_weights']} weights, at the inverse temperature n / log n = "
        f"{outcome['inverse_temperature']:.0f}, within a normal distribution of precision {LOCALIZATION:g} around the "
        "weights; intervals over chains. A negative value means that the weights are not at a minimum. The drift is "
        "the energy of the second half of the steps minus that of the second quarter; above 0, chains have not settled."
    )
    return [*aligned(rows), note]
