"""Byte images of equal or different sizes as one float array."""

import io
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from pathjax.core.errors import InputError, require
from pathjax.data.files import LARGE, MAX_RATIO
from pathjax.data.size_check import check_fits


def stacked(images: Iterable[np.ndarray], num: int, image_size: int | None = None) -> np.ndarray:
    """Stacks images into one array, float32 (num, height, width, channels) in [0, 1].

    It processes images one by one, so that at most one image that is made smaller is in memory at full size.

    Args:
        images: `num` images, uint8 (height, width, channels); at least one.
        num: number of images.
        image_size: new height and width; None: keep the images' size, which must be the same.

    Raises:
        InputError: for images of different sizes, without pixels, or of other types than uint8.

    >>> images = [np.full((4, 6, 1), 255, np.uint8), np.zeros((8, 8, 1), np.uint8)]
    >>> stacked(images, 2, image_size=2)[..., 0].tolist()
    [[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    stack: np.ndarray | None = None
    for i, image in enumerate(images):
        require(image.dtype == np.uint8, f"image {i} has type {image.dtype}: expected bytes (uint8)")
        has_pixels = image.ndim == 3 and image.size > 0
        require(has_pixels, f"image {i} is {_by(image.shape)}: expected height by width by channels, each 1 or more")
        one = image if image_size is None else resized(image.astype(np.float32), image_size)
        if stack is None:
            check_fits(f"{num} images of {one.shape[0]} x {one.shape[1]}", (num, *one.shape))
            stack = np.empty((num, *one.shape), np.float32)
        check_same(stack.shape[1:], one.shape)
        stack[i] = one
    assert stack is not None
    stack /= 255
    return stack


def pixels_of(value: Any, where: str) -> np.ndarray:
    """Decodes an image of a table: one of Pillow, or a dict with the bytes of an image file, as in Parquet files.

    Colors with transparency lose it. An image must not expand to more than 100 times its bytes, if that is more than
    64 MiB.

    Args:
        value: the image.
        where: the file, column and row, for error messages.

    Returns:
        The pixels, uint8 (height, width, channels), of 1 channel or 3.

    Raises:
        InputError: for a missing or damaged image, one of more than 8 bits per channel, or one that expands too far.

    >>> import io, PIL.Image
    >>> file = io.BytesIO()
    >>> PIL.Image.new("RGB", (4, 3)).save(file, "PNG")
    >>> pixels_of({"bytes": file.getvalue()}, "own.parquet").shape
    (3, 4, 3)
    """
    import PIL.Image

    data = value.get("bytes") if isinstance(value, dict) else None
    is_there = data is not None or hasattr(value, "getbands")
    require(is_there, f"{where} has no image, or only its path: store the bytes of the file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)  # the limit below is lower
        try:
            image = value if data is None else PIL.Image.open(io.BytesIO(data))
            expanded = image.width * image.height * len(image.getbands())
            most = None if data is None else max(LARGE, MAX_RATIO * len(data))
            large = f"{where} has an image of {image.width} x {image.height} in {len(data or b''):,} bytes"
            require(most is None or expanded <= most, f"{large}: it is damaged, or make it smaller")
            is_deep = image.mode.startswith(("I", "F"))
            require(not is_deep, f"{where} has an image of more than 8 bits (mode {image.mode}): convert it to bytes")
            if image.mode not in ("L", "RGB"):
                image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
            pixels = np.asarray(image)
        except (OSError, ValueError, PIL.Image.DecompressionBombError) as error:
            if isinstance(error, InputError):
                raise
            reason = " ".join(str(error).split())[:100]
            raise InputError(f"{where} has an image that cannot be read ({reason}): replace it") from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes an image, float32 (height, width, channels), to (size, size, channels).

    It uses Pillow's bilinear filter, which averages when it makes an image smaller. An image that is not square is
    distorted.

    >>> resized(np.ones((5, 7, 3), np.float32), 2).shape
    (2, 2, 3)
    """
    import PIL.Image

    check_fits(f"image_size={size}", (size, size, image.shape[-1]))
    if image.shape[:2] == (size, size):
        return image
    channels = [PIL.Image.fromarray(np.ascontiguousarray(one)) for one in np.moveaxis(image, -1, 0)]
    bilinear = PIL.Image.Resampling.BILINEAR
    return np.stack([np.asarray(one.resize((size, size), bilinear)) for one in channels], axis=-1)


def check_same(first: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Raises InputError if two images differ in height, width or channels."""
    fix = "set image_size, as in image_size=64" if first[-1:] == other[-1:] else "all must be gray or all in color"
    found = f"{_by(first)} and {_by(other)}"
    require(first == other, f"images have different sizes ({found}, height by width by channels): {fix}")


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
