"""Turns the bytes of a square into the model's tensor, without Pillow: the embedder's own process opens no image."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from embedder_container.models import PreprocessingConfig


def empty_tensors(count: int, config: PreprocessingConfig) -> NDArray[np.float32]:
    """Return room for the tensors of some images, [N, 3, S, S]."""
    return np.empty((count, 3, config.size, config.size), dtype=np.float32)


def normalise(
    square: NDArray[np.uint8], config: PreprocessingConfig, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the tensor float32 [1, 3, S, S] of an sRGB square [S, S, 3]: scaled to 0…1, less mean, divided by std.

    It is written to `out` if that is given, which has the tensor's shape.
    """
    pixels = empty_tensors(1, config) if out is None else out
    for channel, table in enumerate(_lookup_tables(config)):
        np.take(table, square[:, :, channel], out=pixels[0, channel], mode="clip")
    return pixels


@cache
def _lookup_tables(config: PreprocessingConfig) -> NDArray[np.float32]:
    """Return the normalised value of each of 256 values, for each of the three channels: [3, 256]."""
    mean, std = (np.array(channels)[:, np.newaxis] for channels in (config.mean, config.std))
    tables: NDArray[np.float32] = ((np.arange(256) / 255 - mean) / std).astype(np.float32)
    return tables
