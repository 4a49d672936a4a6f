"""From an oriented sRGB picture to the model's tensor, as CLIP's own transform does it."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder_container.models import ImageRule

RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}

# Up to this aspect ratio the whole picture is resized and then cropped, which is the reference to the last bit. Beyond,
# the resized picture would be megabytes for a square that can be had directly.
MAX_ASPECT = 100


def to_pixels(image: Image.Image, rule: ImageRule) -> NDArray[np.float32]:
    """The tensor float32 [1, 3, S, S] of an RGB picture: resized with antialiasing, cropped, scaled, normalised."""
    side, resampling = rule.size, RESAMPLING[rule.resample]
    if rule.resize == "squash":
        square = image.resize((side, side), resampling)
    else:
        square = _resize_and_crop(image, side, resampling)
    values = np.asarray(square)
    pixels = np.empty((1, 3, side, side), dtype=np.float32)
    for channel, table in enumerate(_normalised(rule)):
        np.take(table, values[:, :, channel], out=pixels[0, channel], mode="clip")
    return pixels


@cache
def _normalised(rule: ImageRule) -> NDArray[np.float32]:
    """What each of a channel's 256 values becomes, (value / 255 - mean) / std, for each of the three channels."""
    mean, std = (np.array(three)[:, np.newaxis] for three in (rule.mean, rule.std))
    table: NDArray[np.float32] = ((np.arange(256) / 255 - mean) / std).astype(np.float32)
    return table


def _resize_and_crop(image: Image.Image, side: int, resampling: Image.Resampling) -> Image.Image:
    """Resize the shortest edge to `side`, keep the centre square.

    The rounding is the reference's: the long edge is cut to a whole number, the crop's offset rounded half to even.
    """
    shortest, longest = min(image.size), max(image.size)
    if longest > MAX_ASPECT * shortest:
        left, top = (image.width - shortest) // 2, (image.height - shortest) // 2
        return image.resize((side, side), resampling, box=(left, top, left + shortest, top + shortest))
    width, height = side * image.width // shortest, side * image.height // shortest
    left, top = round((width - side) / 2), round((height - side) / 2)
    return image.resize((width, height), resampling).crop((left, top, left + side, top + side))
