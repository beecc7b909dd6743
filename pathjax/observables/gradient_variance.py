"""Fluctuation of gradients between networks of an ensemble, such as independent initializations."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import as_network, bind, weights_of
from pathjax.core.types import Members, Observable, PyTree, Variable
from pathjax.measures.divergences import cross_entropy
from pathjax.measures.ntk import kernel_diagonal, weighted_square
from pathjax.observables.ntk import check_labels

INITIALIZATIONS = ("baseline", "independent")


def gradient_fluctuation(
    predict: Callable,
    inputs: PyTree,
    labels: PyTree,
    members: Members,
    *,
    every: int = 1,
    roles: Sequence[str] = INITIALIZATIONS,
    factors: PyTree = None,
) -> Observable:
    """Records the fluctuation of gradients over members, by quantities that do not depend on coordinates.

    Records, over the chosen members m that are finite:
        kernel_fluctuation (): Var_m Theta_m(x, x) / (mean_m Theta_m(x, x))^2, mean over the n examples, with Theta the
            tangent kernel; at initialization about depth / width (one ReLU layer: `theory.ntk.one_hidden_fluctuation`)
        gradient_norm_fluctuation (): the same for |dL/dw|^2, with L the mean loss over the n examples: cross-entropy
            for classes, half the squared error for targets
        kernel_fluctuation_error, gradient_norm_fluctuation_error (): their standard errors, from leaving out one member
            at a time; since members, not examples, are drawn, more examples do not lower them
        fluctuation_members (): number of finite members

    Variances are divided by the number of members less 1. They are NaN for fewer than two finite members, errors for
    fewer than three.

    Args:
        predict: `predict(params, inputs) -> outputs`, shapes (n, ...) to (n, ...); logits (n, classes) for classes.
        inputs: n examples, each evaluated separately, as are members. All members' states are gathered for it, so its
            cadence must be the slowest.
        labels: int[n], classes, or float targets in the shape of the outputs.
        members: the ensemble's labels.
        every: steps between records.
        roles: roles of the members; ("perturbed",), for instance, for those around one network.
        factors: relative learning rates of the leaves, see `empirical_ntk`; squared gradients have the same weights.

    Returns:
        An Observable of scope "ensemble"; its records are arrays with the dimensions in brackets above, after
        (record,).

    Raises:
        InputError: if fewer than two members have these roles, the ensemble differs, or labels do not match.

    Source: fluctuations of the tangent kernel over initializations, Roberts, Yaida & Hanin 2022, chapter 8; Hanin &
    Nica 2019. The error: the jackknife, Efron & Stein 1981.

    >>> roles = np.array(["baseline", "replica", "roundoff", "independent", "independent"])
    >>> labels = Members(roles, np.zeros(5), np.full(5, -1))
    >>> examples = jnp.ones((4, 3)), jnp.array([0, 0, 1, 1])
    >>> gradient_fluctuation(lambda w, x: x @ w, *examples, labels).variables[0].name
    'kernel_fluctuation'
    """
    check_labels(inputs, labels)
    chosen = tuple(np.flatnonzero(np.isin(members.role, list(roles))).tolist())
    num_members = len(members.role)
    require(
        len(chosen) >= 2,
        f"{len(chosen)} members have the roles {', '.join(roles)}; give two or more, as added by "
        "`perturbed_ensemble(..., independent=...)`, or choose other roles",
    )

    def read(carry, snapshot):
        num, (inputs, labels, factors) = len(snapshot.state.step), snapshot.data
        message = f"gradient_fluctuation expects {num_members} members, not {num}; give the ensemble's own labels"
        require(num == num_members, message)

        def one(m):
            network = trees.index(as_network(snapshot.state), m)
            params, bound = network.params, bind(predict, network)
            slope = jax.grad(lambda floats: _loss(bound, trees.merge(floats, others), inputs, labels))
            floats, others = trees.split_floats(params)
            square = weighted_square(slope(floats), factors, params)
            return kernel_diagonal(predict, weights_of(network), inputs, factors), square[None]

        diagonals, squares = jax.lax.map(one, jnp.asarray(chosen))  # one by one, to avoid a copy of all members
        finite = jnp.isfinite(diagonals).all(1) & jnp.isfinite(squares).all(1)
        found = zip(("kernel_fluctuation", "gradient_norm_fluctuation"), (diagonals, squares), strict=True)
        record = {"fluctuation_members": jnp.sum(finite).astype(jnp.int32)}
        for name, values in found:
            record[name], record[f"{name}_error"] = fluctuation(values, finite)
        return carry, record

    data = (inputs, jnp.asarray(labels), factors)
    return Observable(lambda snapshot: (), read, None, every, "ensemble", _variables(), data)


def fluctuation(values: Float[Array, "m n"], counts: Array) -> tuple[Array, Array]:
    """Returns the variance over counted members relative to the squared mean, averaged over n, and its jackknife error.

    Args:
        values: values of each member.
        counts: bool[m], which members count. The result is NaN for fewer than two, its error for fewer than three.

    >>> [round(float(x), 4) for x in fluctuation(jnp.array([[1.0], [2.0], [3.0], [jnp.nan]]), jnp.arange(4) < 3)]
    [0.25, 0.2467]
    """
    values = jnp.where(counts[:, None], values, 0)
    weights, num = counts.astype(values.dtype), jnp.sum(counts)

    def of(weights):
        total = jnp.sum(weights)
        mean = jnp.sum(weights[:, None] * values, 0) / total
        variance = jnp.sum(weights[:, None] * (values - mean[None]) ** 2, 0) / (total - 1)
        return jnp.where(total >= 2, jnp.mean(variance / mean**2), jnp.nan)

    without = jax.vmap(lambda m: of(weights.at[m].set(0)))(jnp.arange(len(values)))
    center = jnp.sum(jnp.where(counts, without, 0)) / num
    spread = jnp.sum(jnp.where(counts, (without - center) ** 2, 0))
    return of(weights), jnp.where(num >= 3, jnp.sqrt((num - 1) / num * spread), jnp.nan)


def _loss(predict, params: PyTree, inputs, labels):
    """Returns the mean loss over examples, each evaluated separately."""

    def one(example, label):
        outputs = predict(params, example[None])[0]
        outputs = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
        if not trees.is_float(label):
            return cross_entropy(outputs, label)
        require(
            outputs.shape == label.shape,
            f"targets of shape {label.shape} do not match outputs of shape {outputs.shape}; give targets of the "
            "outputs' shape",
        )
        return jnp.sum((outputs - label) ** 2) / 2

    return jnp.mean(jax.vmap(one)(inputs, labels))


def _variables() -> tuple[Variable, ...]:
    long_names = {
        "kernel_fluctuation": "variance over members of the tangent kernel's diagonal, relative to its squared mean",
        "gradient_norm_fluctuation": "variance over members of the squared gradient of the loss, relative to its "
        "squared mean",
    }
    values = tuple(Variable(name, (), "1", label) for name, label in long_names.items())
    errors = tuple(Variable(f"{name}_error", (), "1", f"standard error of {name}") for name in long_names)
    return (*values, *errors, Variable("fluctuation_members", (), "members", "members that are finite"))
