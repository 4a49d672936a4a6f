"""From an oriented sRGB picture to the square that the model looks at, as CLIP's own transform does it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder_container.models import PreprocessingConfig
from embedder_container.tensors import normalise

RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}

# Up to this aspect ratio the whole picture is resized and then cropped, which is the reference to the last bit. Beyond,
# the resized picture would be megabytes for a square that can be had directly.
MAX_WHOLE_RESIZE_ASPECT = 100


def to_pixels(image: Image.Image, rule: PreprocessingConfig) -> NDArray[np.float32]:
    """The tensor float32 [1, 3, S, S] of an RGB picture: resized with antialiasing, cropped, scaled, normalised."""
    return normalise(np.asarray(to_square(image, rule)), rule)


def to_square(image: Image.Image, rule: PreprocessingConfig) -> Image.Image:
    """The RGB picture S by S: squashed, or its shortest edge resized to S and the centre kept, as the rule says.

    The rounding is the reference's: the long edge is cut to a whole number, the crop's offset rounded half to even.
    (Resizing only what is kept would be faster, but Pillow takes such a box in single precision: pixels would differ.)
    """
    side, resampling = rule.size, RESAMPLING[rule.resample]
    if rule.resize == "squash":
        return image.resize((side, side), resampling)
    shortest, longest = min(image.size), max(image.size)
    if longest > MAX_WHOLE_RESIZE_ASPECT * shortest:
        left, top = (image.width - shortest) // 2, (image.height - shortest) // 2
        return image.resize((side, side), resampling, box=(left, top, left + shortest, top + shortest))
    width, height = side * image.width // shortest, side * image.height // shortest
    left, top = round((width - side) / 2), round((height - side) / 2)
    return image.resize((width, height), resampling).crop((left, top, left + side, top + side))
