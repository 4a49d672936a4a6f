"""From a square's bytes to the model's tensor: all that is left to do where no picture may be opened any more."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from embedder_container.models import PreprocessingConfig


def normalise(square: NDArray[np.uint8], rule: PreprocessingConfig) -> NDArray[np.float32]:
    """The tensor float32 [1, 3, S, S] of a square [S, S, 3] of sRGB: scaled to 0…1, less the mean, by the deviation."""
    pixels = np.empty((1, 3, rule.size, rule.size), dtype=np.float32)
    for channel, table in enumerate(_table(rule)):
        np.take(table, square[:, :, channel], out=pixels[0, channel], mode="clip")
    return pixels


@cache
def _table(rule: PreprocessingConfig) -> NDArray[np.float32]:
    """What each of 256 values becomes, for each of the three channels."""
    mean, std = (np.array(three)[:, np.newaxis] for three in (rule.mean, rule.std))
    table: NDArray[np.float32] = ((np.arange(256) / 255 - mean) / std).astype(np.float32)
    return table
