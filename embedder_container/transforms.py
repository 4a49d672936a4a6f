"""Turns an upright sRGB image into the square that the model takes, as CLIP's own transform does."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder_container.models import PreprocessingConfig
from embedder_container.tensors import normalise

RESAMPLING_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}

# Pillow rounds to whole values between the two passes of a resize. Up to this height in widths it resizes the columns
# first; of a taller image it may resize the rows first.
MAX_COLUMNS_FIRST_ASPECT = 1.9
# The largest of them, Lanczos, reaches so many pixels of the larger of both images.
MAX_FILTER_REACH = 3
# Up to this aspect ratio the whole image is resized and then cropped, which equals the reference to the last bit.
# Beyond it, the resized image would take megabytes, and only the centre is resized.
MAX_WHOLE_RESIZE_ASPECT = 100


def to_pixels(image: Image.Image, config: PreprocessingConfig) -> NDArray[np.float32]:
    """Return the tensor float32 [1, 3, S, S] of an RGB image: resized with antialiasing, cropped and normalised."""
    return normalise(np.asarray(to_square(image, config)), config)


def to_square(image: Image.Image, config: PreprocessingConfig) -> Image.Image:
    """Return the RGB image S by S: squashed, or its shortest edge resized to S and the centre kept.

    The rounding is the reference's: the long edge is cut to a whole number, the crop's offset rounded half to even. The
    pixels are those of resizing the whole image and cropping it, without computing most of what is cropped.
    """
    side, resampling = config.size, RESAMPLING_FILTERS[config.resample]
    if config.resize == "squash":
        return image.resize((side, side), resampling)
    shortest, longest = min(image.size), max(image.size)
    if longest > MAX_WHOLE_RESIZE_ASPECT * shortest:
        left, top = (image.width - shortest) // 2, (image.height - shortest) // 2
        return image.resize((side, side), resampling, box=(left, top, left + shortest, top + shortest))
    if image.width >= image.height:
        return _resized_landscape(image, side, resampling)
    if image.height <= MAX_COLUMNS_FIRST_ASPECT * image.width:
        return _resized_portrait(image, side, resampling)
    height = side * image.height // image.width
    top = round((height - side) / 2)
    return image.resize((side, height), resampling).crop((0, top, side, top + side))


def _resized_landscape(image: Image.Image, side: int, resampling: Image.Resampling) -> Image.Image:
    width = side * image.width // image.height
    left = round((width - side) / 2)
    part = _Part.around(left, left + side, width, image.width)
    # Pillow resizes the columns first: what is cropped after that has no rows to be computed.
    box = (part.source_start, 0, part.source_end, image.height)
    columns = image.resize((part.end - part.start, image.height), resampling, box=box)
    left -= part.start
    return columns.crop((left, 0, left + side, image.height)).resize((side, side), resampling)


def _resized_portrait(image: Image.Image, side: int, resampling: Image.Resampling) -> Image.Image:
    height = side * image.height // image.width
    top = round((height - side) / 2)
    # Rows of the source that the filter reaches from the rows that are kept.
    scale = image.height / height
    reach = MAX_FILTER_REACH * max(1.0, scale) + 1
    first, last = max(0, int(top * scale - reach)), min(image.height, int((top + side) * scale + reach) + 1)
    columns = image.crop((0, first, image.width, last)).resize((side, last - first), resampling)
    rows = Image.new(image.mode, (side, image.height))
    rows.paste(columns, (0, first))
    part = _Part.around(top, top + side, height, image.height)
    box = (0, part.source_start, side, part.source_end)
    top -= part.start
    return rows.resize((side, part.end - part.start), resampling, box=box).crop((0, top, side, top + side))


@dataclass(frozen=True)
class _Part:
    """A part of a resized edge, and the part of the source's edge from which it is computed, both in whole pixels."""

    start: int
    end: int
    source_start: int
    source_end: int

    @classmethod
    def around(cls, start: int, end: int, length: int, source_length: int) -> "_Part":
        """Return the smallest part that has the pixels from `start` to `end` as resizing the whole edge gives them.

        Pillow takes a box in single precision, so that a box between two pixels would move all pixels a little. Pixels
        of both edges begin together at every `step`th of the resized ones.
        """
        common = math.gcd(length, source_length)
        step, source_step = length // common, source_length // common
        first, last = start // step, -(-end // step)
        return cls(first * step, last * step, first * source_step, last * source_step)
