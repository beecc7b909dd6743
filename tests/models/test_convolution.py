"""Convolutions and their derivatives compared with those of `jax.lax`."""

import functools

import chex
import jax
import jax.numpy as jnp
import pytest
from jax import lax

import pathjax
from pathjax.models import CNN, convolution

SLOW = pytest.mark.slow
PADDINGS = ["SAME", ((2, 0), (1, 4)), *(pytest.param(p, marks=SLOW) for p in ("VALID", ((6, 5), (7, 0))))]


def plain(images, kernel, strides=1, padding="SAME"):
    strides = (strides, strides) if isinstance(strides, int) else strides
    return lax.conv_general_dilated(images, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def case(channels, window=(3, 3), num_images=6, dtype=jnp.float64):
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = [(num_images, 9, 11, channels[0]), (*window, *channels)] * 2
    images, kernel, *tangents = (jax.random.normal(k, s, dtype) for k, s in zip(keys, shapes, strict=True))
    return (images, kernel), tuple(tangents)


def derivatives(conv, primals, tangents, strides, padding):
    """The value, the gradient, and the gradient's derivative along tangents."""

    def scalar(images, kernel):
        return jnp.sum(jnp.sin(conv(images, kernel, strides, padding)) ** 2)

    gradient = jax.grad(scalar, (0, 1))
    return conv(*primals, strides, padding), gradient(*primals), jax.jvp(gradient, primals, tangents)[1]


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("strides", [1, (2, 3), pytest.param(2, marks=SLOW)])
@pytest.mark.parametrize(("channels", "window"), [((3, 8), (3, 3)), ((16, 5), (5, 2)), ((12, 4), (1, 1))])
def test_values_and_derivatives_agree_with_lax(x64, channels, window, strides, padding):
    run = jax.jit(derivatives, static_argnums=(0, 3, 4))
    arguments = (*case(channels, window), strides, padding)
    chex.assert_trees_all_close(run(convolution, *arguments), run(plain, *arguments), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("channels", [(3, 4), (16, 4)])
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_gradients_agree_under_vmap(x64, axes, channels):
    (images, kernel), _ = case(channels)
    stacked = [a if axis is None else jnp.stack([a, 2 * a, a]) for a, axis in zip((images, kernel), axes, strict=True)]

    def gradients(conv, images, kernel):
        return jax.vmap(jax.grad(lambda a, b: jnp.sum(conv(a, b, 2, "SAME") ** 3), (0, 1)), axes)(images, kernel)

    got = jax.jit(functools.partial(gradients, convolution))(*stacked)
    chex.assert_trees_all_close(got, gradients(plain, *stacked), rtol=1e-10, atol=1e-9)
    chex.assert_trees_all_equal(*(jax.tree.map(lambda a, i=i: a[i], got) for i in (0, 2)))


def test_second_derivatives_in_loops_and_without_jit(x64):
    (images, kernel), (_, tangent) = case((3, 3), num_images=2)

    def iterated(conv, kernel):
        def layer(x, _):
            return jnp.tanh(conv(x, kernel)), None

        return jnp.sum(lax.scan(jax.checkpoint(layer), images, None, length=2)[0] ** 2)

    def second(conv):
        return jax.jvp(jax.grad(functools.partial(iterated, conv)), (kernel,), (tangent,))[1]

    chex.assert_trees_all_close(second(convolution), second(plain), rtol=1e-10, atol=1e-10)
    chex.assert_trees_all_close(convolution(images, kernel), plain(images, kernel), rtol=1e-12, atol=1e-12)


def test_mismatched_channels_are_rejected():
    with pytest.raises(pathjax.InputError, match="images have 4 channels, but the kernel takes 3"):
        convolution(jnp.ones((1, 8, 8, 4)), jnp.ones((3, 3, 3, 5)))


def test_logits_are_invariant_under_shifts_of_the_image(key):
    model = CNN((4, 8), 10)
    image = jnp.zeros((1, 16, 16, 3)).at[:, 5:9, 5:9].set(1.0)
    params = model.init(key, image)
    shifted = model.apply(params, jnp.roll(image, (1, 2), (1, 2)))
    chex.assert_trees_all_close(model.apply(params, image), shifted, rtol=1e-5, atol=1e-6)


def test_bad_networks_are_rejected():
    with pytest.raises(pathjax.InputError, match="unknown activation 'rely'"):
        CNN((3,), 10, "rely")
    with pytest.raises(pathjax.InputError, match="width 0"):
        CNN((0,), 10)
