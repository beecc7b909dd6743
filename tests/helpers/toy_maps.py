"""Systems with known closed forms, and small networks."""

import jax
import jax.numpy as jnp
import optax

import pathjax


def quadratic(curvatures, learning_rate=0.1, momentum=None):
    """Returns gradient descent on sum_i h_i w_i^2 / 2: each weight is multiplied by 1 - eta h_i (without momentum)."""
    h = jnp.asarray(curvatures)

    def loss_fn(w, examples):
        return 0.5 * jnp.sum(h * w**2)

    return pathjax.training_dynamics(loss_fn, optax.sgd(learning_rate, momentum))


def schedule(num_steps, num_examples=8, batch_size=2, seed=7):
    return pathjax.batch_schedule(jax.random.key(seed), num_examples, batch_size, num_steps=num_steps)


def network(key, activation=jnp.tanh, sizes=(5, 7, 3), optimizer=None):
    """Returns dynamics, params and examples of a two-layer network."""
    keys = jax.random.split(key, 4)
    params = {
        "w0": jax.random.normal(keys[0], sizes[:2]) / sizes[0] ** 0.5,
        "b0": jnp.zeros(sizes[1]),
        "w1": jax.random.normal(keys[1], sizes[1:]) / sizes[1] ** 0.5,
        "b1": jnp.zeros(sizes[2]),
    }

    def loss_fn(p, examples):
        x, y = examples
        logits = predict(p, x, activation)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y)

    inputs = jax.random.normal(keys[2], (32, sizes[0]))
    labels = jax.random.randint(keys[3], (32,), 0, sizes[2])
    dynamics = pathjax.training_dynamics(loss_fn, optimizer or optax.sgd(0.3, momentum=0.5))
    return dynamics, params, (inputs, labels)


def predict(p, x, activation=jnp.tanh):
    return activation(x @ p["w0"] + p["b0"][None]) @ p["w1"] + p["b1"][None]


def ensemble(dynamics, params, key, epsilons=(0.01, 0.1), num_seeds=2, perturbation=None, hparams=None):
    perturbation = perturbation or pathjax.on_sphere()
    return pathjax.perturbed_ensemble(
        key, dynamics, params, perturbation, epsilons=epsilons, num_seeds=num_seeds, hparams=hparams
    )


def small_rollout():
    """Returns the arguments and result of 4 steps of the network, with three kinds of observables."""
    key, obs = jax.random.key(0), pathjax.observables
    dynamics, params, examples = network(key)
    members = ensemble(dynamics, params, key)
    measures = [
        obs.weight_distance(every=1),
        obs.weight_autocorrelation((0, 2), every=2),
        obs.lyapunov(key, dynamics, 2, every=2),
    ]
    arguments = (dynamics, members, examples, schedule(4), measures)
    return arguments, pathjax.rollout(*arguments)


def spectrum(step_fn, state, rows=None, *, k, length=None, **options):
    """Computes a spectrum with options as keyword arguments."""
    chosen = pathjax.SpectrumOptions(**options)
    return pathjax.lyapunov_spectrum(jax.random.key(0), step_fn, state, rows, k=k, length=length, options=chosen)
