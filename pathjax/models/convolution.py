"""Convolutions whose derivatives stay fast inside loops on a CPU.

XLA's CPU compiler has fast kernels for one layout (NHWC images, HWIO kernels), and converts convolutions to it only at
the top level of a program. Derivatives of `jax.lax` convolutions have other layouts: in a loop they run in naive code,
20 to 100 times slower. The convolutions here and their derivatives always use the fast layout.
"""

import functools
import math
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from pathjax.core.errors import require

# With fewer channels XLA does not use its fast kernels, and a matrix product with image patches is faster.
FEW_CHANNELS = 12
# Elements in a block of examples, for the kernel's derivative: half a megabyte of float32 stays in a core's cache.
BLOCK = 2**17


def convolution(
    images: Float[Array, "B H W C"],
    kernel: Float[Array, "h w C_in D"],
    strides: int | tuple[int, int] = 1,
    padding: str | tuple[tuple[int, int], tuple[int, int]] = "SAME",
) -> Float[Array, "B H_out W_out D"]:
    """Convolves images (B, H, W, C) with a kernel (h, w, C, D).

    It is differentiable to any order, in forward and reverse mode. On a CPU, `vmap` processes one element after the
    other; other platforms run `jax.lax.conv_general_dilated`.

    Args:
        images: (B, H, W, C).
        kernel: (h, w, C, D).
        strides: (vertical, horizontal), or one integer for both.
        padding: "SAME", "VALID" or ((top, bottom), (left, right)).

    Returns:
        Images (B, H', W', D).

    Raises:
        InputError: if images and kernel differ in their number of channels.

    >>> convolution(jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5)), strides=2).shape
    (2, 4, 4, 5)
    """
    channels, expected = images.shape[3], kernel.shape[2]
    require(channels == expected, f"images have {channels} channels, but the kernel takes {expected}: must be equal")
    size, window = images.shape[1:3], kernel.shape[:2]
    steps = (strides, strides) if isinstance(strides, int) else tuple(strides)
    pads = lax.padtype_to_pads(size, window, steps, padding) if isinstance(padding, str) else padding
    config: Any = jax.config
    return _out_p.bind(
        images,
        kernel,
        strides=steps,
        padding=tuple((int(low), int(high)) for low, high in pads),
        size=size,
        window=window,
        precision=config.jax_default_matmul_precision,
    )


# The sum of `cotangent * convolution(images, kernel)` is linear in each of the three. Its derivative by one of them is
# a function of the other two, and these three functions are transposes of one another.


def _out(images, kernel, *, strides, padding, window, precision, **_):
    if images.shape[3] >= FEW_CHANNELS:
        return _convolve(images, kernel, strides, padding, precision=precision)
    return _product(_patches(images, strides, padding, window, -1), kernel.reshape(-1, kernel.shape[3]), precision)


def _by_images(cotangent, kernel, *, strides, padding, size, window, precision):
    """Convolves the cotangent, dilated with zeros, with the flipped kernel."""
    flipped = jnp.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
    pads = [
        (k - 1 - low, n + low - stride * (m - 1) - 1)
        for n, (low, _), k, stride, m in zip(size, padding, window, strides, cotangent.shape[1:3], strict=True)
    ]
    return _convolve(cotangent, flipped, (1, 1), pads, lhs_dilation=strides, precision=precision)


def _by_kernel(images, cotangent, *, strides, padding, size, window, precision):
    """Convolves images with the cotangent, with the roles of channels and examples exchanged."""
    if images.shape[3] < FEW_CHANNELS:
        return _by_kernel_of_few(images, cotangent, strides, padding, window, precision)
    pads = [
        (low, stride * (m - 1) + k - n - low)
        for n, (low, _), k, stride, m in zip(size, padding, window, strides, cotangent.shape[1:3], strict=True)
    ]

    def of_block(total, block):
        images, cotangent = jnp.transpose(block[0], (3, 1, 2, 0)), jnp.transpose(block[1], (1, 2, 0, 3))
        kernel = _convolve(images, cotangent, (1, 1), pads, rhs_dilation=strides, precision=precision)
        return total + jnp.transpose(kernel, (1, 2, 0, 3)), None

    block = _block_of(images.shape[0], max(math.prod(images.shape[1:]), math.prod(cotangent.shape[1:])))
    blocks = [a.reshape(-1, block, *a.shape[1:]) for a in (images, cotangent)]
    start = jnp.zeros((*window, images.shape[3], cotangent.shape[3]), jnp.result_type(images, cotangent))
    return lax.scan(of_block, start, blocks)[0]


def _by_kernel_of_few(images, cotangent, strides, padding, window, precision):
    planes = jnp.transpose(images, (3, 0, 1, 2))[..., None]
    patches = _patches(planes, strides, padding, window, 0).reshape(-1, math.prod(cotangent.shape[:3]))
    kernel = _product(patches, cotangent.reshape(-1, cotangent.shape[3]), precision)
    return kernel.reshape(*window, images.shape[3], cotangent.shape[3])


def _block_of(num_examples: int, size: int) -> int:
    """The largest divisor of the batch size such that a block of examples with `size` elements each fits into BLOCK."""
    return max(n for n in range(1, num_examples + 1) if num_examples % n == 0 and n <= max(1, BLOCK // size))


def _convolve(images, kernel, strides, padding, **options):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(images, kernel, strides, padding, dimension_numbers=layout, **options)


def _product(a, b, precision):
    return lax.dot_general(a, b, (((a.ndim - 1,), (0,)), ((), ())), precision=precision)


def _patches(images, strides, padding, window, axis: int):
    """The patch at each position of images (..., H, W, C), with its pixels concatenated along an axis."""
    lead = images.ndim - 3
    pads = [(0, 0, 0)] * lead + [(low, high, 0) for low, high in padding] + [(0, 0, 0)]
    padded = lax.pad(images, jnp.zeros((), images.dtype), pads)
    last = [n - k + 1 for n, k in zip(padded.shape[lead:-1], window, strict=True)]

    def pixel(i, j):
        end = (*padded.shape[:lead], i + last[0], j + last[1], padded.shape[-1])
        return lax.slice(padded, (0,) * lead + (i, j, 0), end, (1,) * lead + (*strides, 1))

    return jnp.concatenate([pixel(i, j) for i in range(window[0]) for j in range(window[1])], axis)


# On other platforms: JAX's own convolution and its transposes.


def _plain_out(images, kernel, *, strides, padding, precision, **_):
    return _convolve(images, kernel, strides, padding, precision=precision)


def _plain_by_images(cotangent, kernel, *, size, **params):
    images = jax.ShapeDtypeStruct((cotangent.shape[0], *size, kernel.shape[2]), cotangent.dtype)
    return jax.linear_transpose(lambda images: _plain_out(images, kernel, **params), images)(cotangent)[0]


def _plain_by_kernel(images, cotangent, *, window, **params):
    kernel = jax.ShapeDtypeStruct((*window, images.shape[3], cotangent.shape[3]), cotangent.dtype)
    return jax.linear_transpose(lambda kernel: _plain_out(images, kernel, **params), kernel)(cotangent)[0]


def _shape_out(images, kernel, *, strides, padding, size, window, **_):
    places = [(n + sum(p) - k) // s + 1 for n, p, k, s in zip(size, padding, window, strides, strict=True)]
    return (images.shape[0], *places, kernel.shape[3])


def _shape_by_images(cotangent, kernel, *, size, **_):
    return (cotangent.shape[0], *size, kernel.shape[2])


def _shape_by_kernel(images, cotangent, *, window, **_):
    return (*window, images.shape[3], cotangent.shape[3])


def _primitive(name: str, on_cpu, plain, shape) -> jax.extend.core.Primitive:
    primitive = jax.extend.core.Primitive(name)
    static = ("strides", "padding", "size", "window", "precision")
    primitive.def_impl(jax.jit(primitive.bind, static_argnames=static))
    primitive.def_abstract_eval(
        lambda a, b, **params: jax.core.ShapedArray(shape(a, b, **params), jnp.result_type(a, b))
    )
    mlir.register_lowering(primitive, mlir.lower_fun(plain, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")
    batching.primitive_batchers[primitive] = functools.partial(_batched, primitive, plain)
    return primitive


def _batched(primitive, plain, args, axes, **params):
    """Batching rule: one larger batch if the kernel is shared; otherwise, on a CPU, one element after the other, as XLA
    has no fast kernel for grouped convolutions."""
    if axes[1] is None and primitive is not _by_kernel_p:
        images = jnp.moveaxis(args[0], axes[0], 0)
        result = primitive.bind(images.reshape(-1, *images.shape[2:]), args[1], **params)
        return result.reshape(*images.shape[:2], *result.shape[1:]), 0
    mapped = [jnp.moveaxis(a, axis, 0) for a, axis in zip(args, axes, strict=True) if axis is not None]
    others = [a for a, axis in zip(args, axes, strict=True) if axis is None]

    def one(bind, mapped, others):
        mapped, others = iter(mapped), iter(others)
        return bind(*(next(others if axis is None else mapped) for axis in axes), **params)

    def sequential(mapped, others):
        return lax.map(lambda rows: one(primitive.bind, rows, others), mapped)

    def batched(mapped, others):
        return jax.vmap(functools.partial(one, plain), in_axes=(0, None))(mapped, others)

    return lax.platform_dependent(mapped, others, cpu=sequential, default=batched), 0


_out_p = _primitive("convolution", _out, _plain_out, _shape_out)
_by_images_p = _primitive("convolution_by_images", _by_images, _plain_by_images, _shape_by_images)
_by_kernel_p = _primitive("convolution_by_kernel", _by_kernel, _plain_by_kernel, _shape_by_kernel)
ad.defbilinear(
    _out_p,
    lambda cotangent, images, kernel, **params: _by_images_p.bind(cotangent, kernel, **params),
    lambda cotangent, images, kernel, **params: _by_kernel_p.bind(images, cotangent, **params),
)
ad.defbilinear(
    _by_images_p,
    lambda images, cotangent, kernel, **params: _out_p.bind(images, kernel, **params),
    lambda images, cotangent, kernel, **params: _by_kernel_p.bind(images, cotangent, **params),
)
ad.defbilinear(
    _by_kernel_p,
    lambda kernel, images, cotangent, **params: _by_images_p.bind(cotangent, kernel, **params),
    lambda kernel, images, cotangent, **params: _out_p.bind(images, kernel, **params),
)
