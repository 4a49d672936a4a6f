"""libvips as a reference, where `pyvips` is installed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 64


class Reference:
    """Opens a file as libvips does: upright, in sRGB, over white, squashed to SIDE by SIDE."""

    def __init__(self) -> None:
        import pyvips

        self._vips: Any = pyvips
        self.version = ".".join(str(pyvips.version(part)) for part in range(3))

    def square(self, data: bytes) -> tuple[NDArray[np.float64], tuple[int, int]] | str:
        """Return the square with the picture's upright size, or why libvips does not open the file."""
        try:
            image = self._vips.Image.new_from_buffer(data, "", access="sequential", fail_on="none")
            turned = image.get("orientation") >= 5 if "orientation" in image.get_fields() else False
            size = (image.height, image.width) if turned else (image.width, image.height)
            small = self._vips.Image.thumbnail_buffer(
                data, SIDE, height=SIDE, size="force", export_profile="srgb", fail_on="none"
            )
            small = small.colourspace("srgb")
            if small.hasalpha():
                small = small.flatten(background=255)
            pixels = small.cast("uchar").numpy().astype(float)
        except self._vips.Error as error:
            return str(error).strip().splitlines()[-1]
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        return np.broadcast_to(pixels[:, :, :3], (SIDE, SIDE, 3)), size


def reference() -> Reference | None:
    """Return the reference, if it is installed."""
    try:
        return Reference()
    except (ImportError, OSError):
        return None


def difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the mean difference of 8×8 blocks, of 255."""
    return float(np.abs(_blocks(one) - _blocks(other)).mean())


def likeness(own: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    """Return which turn of the picture the reference shows, or an empty string."""
    turns = {
        "mirrored": np.flip(other, 1),
        "upside down": np.rot90(other, 2),
        "turned left": np.rot90(other),
        "turned right": np.rot90(other, -1),
    }
    name, turned = min(turns.items(), key=lambda turn: difference(own, turn[1]))
    return name if difference(own, turned) < difference(own, other) / 2 else ""


def _blocks(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = pixels.reshape(SIDE // 8, 8, SIDE // 8, 8, 3).mean(axis=(1, 3))
    return means
