"""A hash of what a picture looks like: close for copies of one picture, far for other pictures.

The DCT hash of Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1, as
libphash has it: luma, reduced to 32 by 32 pixels; of its discrete cosine transform the 8 by 8 coefficients of the
lowest frequencies but the first; a bit for each, whether it is above their median.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

_SIDE, _FREQUENCIES = 32, 8
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def perceptual_hash(square: NDArray[np.uint8]) -> str:
    """Return the hash of a square [S, S, 3] of sRGB, S at least 32: 64 bits as 16 hexadecimal digits."""
    basis = _basis(square.shape[0])
    # Rounded, so that a plain picture has the same hash whatever the last bits of its sums are.
    coefficients = np.round(basis @ (square @ _LUMA) @ basis.T)
    bits = coefficients > np.median(coefficients)
    return np.packbits(bits).tobytes().hex()


@cache
def _basis(side: int) -> NDArray[np.float32]:
    """Return the matrix [8, S] that averages S pixels to 32 and projects them onto the cosines of 1 to 8 half waves."""
    edges = np.linspace(0, side, _SIDE + 1)
    pixels = np.arange(side)
    shares = np.clip(np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None]), 0, None)
    waves = np.arange(1, _FREQUENCIES + 1)[:, None] * (2 * np.arange(_SIDE) + 1) * np.pi / (2 * _SIDE)
    basis: NDArray[np.float32] = (np.cos(waves) @ (shares * _SIDE / side)).astype(np.float32)
    return basis
