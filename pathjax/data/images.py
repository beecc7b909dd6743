"""Images of bytes, of one size or of several, as one array of floats."""

from collections.abc import Iterable

import numpy as np

from pathjax.core.errors import require
from pathjax.data.size_check import check_fits


def stacked(images: Iterable[np.ndarray], num: int, image_size: int | None = None) -> np.ndarray:
    """Images as one array, float32 (num, height, width, channels) in [0, 1].

    One after the other, so of images that are made smaller no more than one is held at its full size.

    Args:
        images: `num` of them, uint8 (height, width, channels), one at least.
        num: how many.
        image_size: what their height and width become; None: as they are, all of the same size.

    Raises:
        InputError: for images of several sizes or without pixels, or not of bytes.

    >>> images = [np.full((4, 6, 1), 255, np.uint8), np.zeros((8, 8, 1), np.uint8)]
    >>> stacked(images, 2, image_size=2)[..., 0].tolist()
    [[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    whole: np.ndarray | None = None
    for i, image in enumerate(images):
        require(image.dtype == np.uint8, f"image {i} holds {image.dtype}: images of bytes (uint8) are expected")
        has_pixels = image.ndim == 3 and image.size > 0
        require(has_pixels, f"image {i} is {_by(image.shape)}: height by width by channels is expected, each 1 or more")
        one = image if image_size is None else resized(image.astype(np.float32), image_size)
        if whole is None:
            check_fits(f"{num} images of {one.shape[0]} x {one.shape[1]}", (num, *one.shape))
            whole = np.empty((num, *one.shape), np.float32)
        check_same(whole.shape[1:], one.shape)
        whole[i] = one
    assert whole is not None
    whole /= 255
    return whole


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """An image, float32 (height, width, channels), at another size: (size, size, channels).

    By Pillow's bilinear filter, which averages where it makes smaller; an image that is no square is
    squeezed into one.

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
    """Raise InputError if two images are not of the same height, width and channels."""
    mend = "set image_size, as in image_size=64" if first[-1:] == other[-1:] else "all must be gray or all in color"
    found = f"{_by(first)} and {_by(other)}"
    require(first == other, f"images have several sizes ({found}, height by width by channels): {mend}")


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
