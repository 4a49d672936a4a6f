"""Turns an upright sRGB image into the square that the model takes, as CLIP's own transform does."""

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

# Up to this aspect ratio the whole image is resized and then cropped, which equals the reference to the last bit.
# Beyond it, the resized image would take megabytes, and only the centre is resized.
MAX_WHOLE_RESIZE_ASPECT = 100


def to_pixels(image: Image.Image, config: PreprocessingConfig) -> NDArray[np.float32]:
    """Return the tensor float32 [1, 3, S, S] of an RGB image: resized with antialiasing, cropped and normalised."""
    return normalise(np.asarray(to_square(image, config)), config)


def to_square(image: Image.Image, config: PreprocessingConfig) -> Image.Image:
    """Return the RGB image S by S: squashed, or its shortest edge resized to S and the centre kept.

    The rounding is the reference's: the long edge is cut to a whole number, the crop's offset rounded half to even.
    (Resizing only the centre would be faster, but Pillow takes such a box in single precision: pixels would differ.)
    """
    side, resampling = config.size, RESAMPLING_FILTERS[config.resample]
    if config.resize == "squash":
        return image.resize((side, side), resampling)
    shortest, longest = min(image.size), max(image.size)
    if longest > MAX_WHOLE_RESIZE_ASPECT * shortest:
        left, top = (image.width - shortest) // 2, (image.height - shortest) // 2
        return image.resize((side, side), resampling, box=(left, top, left + shortest, top + shortest))
    width, height = side * image.width // shortest, side * image.height // shortest
    left, top = round((width - side) / 2), round((height - side) / 2)
    return image.resize((width, height), resampling).crop((left, top, left + side, top + side))
