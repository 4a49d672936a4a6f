"""A TIFF shows the same picture in whichever of its many layouts the pixels are stored."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from embedder_container.images import decode, load_plugins
from tests.pictures.containers import Values, drawing, tiff

Samples = NDArray[np.int64]  # rows, columns, samples
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
PLAIN, DEFLATE, PACKBITS = 1, 8, 32773
EXACT, BY_FORMULA = 1.2, 4.0  # of 255, in the mean: inks and YCbCr are rounded


@dataclass(frozen=True)
class Layout:
    """How the pixels are stored; ``rows`` are those of a strip."""

    size: tuple[int, int]
    photometric: int
    bits: int
    order: str = "<"
    big: bool = False
    planes: bool = False
    lowest_bit_first: bool = False
    compression: int = PLAIN
    predicted: bool = False
    rows: int = 1

    @property
    def is_written(self) -> bool:
        """Whether programs write such files."""
        if self.photometric in (RGB, CMYK) and self.bits < 8:
            return False
        if self.photometric == YCBCR and self.bits != 8:
            return False
        return not (self.photometric == PALETTE and self.bits > 8)


LAYOUTS = st.builds(
    Layout,
    size=st.sampled_from([(96, 64), (17, 33), (1, 1), (5, 3), (64, 8)]),
    photometric=st.sampled_from([WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR]),
    bits=st.sampled_from([1, 2, 4, 8, 16]),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    planes=st.booleans(),
    lowest_bit_first=st.booleans(),
    compression=st.sampled_from([PLAIN, DEFLATE, PACKBITS]),
    predicted=st.booleans(),
    rows=st.sampled_from([1, 3, 64]),
).filter(lambda layout: layout.is_written)


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    load_plugins()


@settings(max_examples=150)
@given(LAYOUTS)
@example(Layout((96, 64), RGB, 8, planes=True, lowest_bit_first=True))
@example(Layout((96, 64), YCBCR, 8, planes=True))
@example(Layout((17, 33), BLACK_IS_ZERO, 16, order=">", big=True, lowest_bit_first=True))
def test_a_picture_is_shown_whatever_its_layout(layout: Layout) -> None:
    data, shown = written(layout)
    decoded = decode(data)
    assert (decoded.width, decoded.height) == layout.size
    difference = np.abs(np.asarray(decoded.image).astype(int) - np.asarray(shown.convert("RGB")).astype(int)).mean()
    assert difference <= (BY_FORMULA if layout.photometric in (CMYK, YCBCR) else EXACT)


def written(layout: Layout) -> tuple[bytes, Image.Image]:
    """Return a file in this layout, and what it shows."""
    samples, shown, palette = _samples(layout)
    if samples.shape[2] == 1:
        layout = replace(layout, planes=False)
    if layout.compression != DEFLATE or layout.bits < 8:
        layout = replace(layout, predicted=False)
    planes = [samples[:, :, band : band + 1] for band in range(samples.shape[2])] if layout.planes else [samples]
    height = layout.size[1]
    strips = [
        _packed(plane[top : top + layout.rows], layout) for plane in planes for top in range(0, height, layout.rows)
    ]
    tags: dict[int, Values] = {
        258: (layout.bits,) * samples.shape[2],
        259: layout.compression,
        262: layout.photometric,
        277: samples.shape[2],
        278: layout.rows,
        284: 2 if layout.planes else 1,
        317: 2 if layout.predicted else 1,
    }
    tags |= {266: 2} if layout.lowest_bit_first else {}
    tags |= {320: palette} if palette else {}
    tags |= {530: (1, 1)} if layout.photometric == YCBCR else {}
    return tiff(layout.size, strips, tags, order=layout.order, big=layout.big), shown


def _samples(layout: Layout) -> tuple[Samples, Image.Image, Sequence[int]]:
    """Return the numbers to store, what they show, and the colour map if there is one."""
    image = drawing().resize(layout.size)
    colours, most = np.asarray(image).astype(np.int64), 2**layout.bits - 1
    if layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        grey = np.rint(np.asarray(image.convert("L")) * (most / 255)).astype(np.int64)
        shown = Image.fromarray(np.rint(grey * (255 / most)).astype(np.uint8))
        return (most - grey if layout.photometric == WHITE_IS_ZERO else grey)[:, :, None], shown, ()
    if layout.photometric == PALETTE:
        indexed = image.quantize(2**layout.bits)
        table = np.zeros((2**layout.bits, 3), np.int64)
        known = np.array(indexed.getpalette()).reshape(-1, 3)[: len(table)]
        table[: len(known)] = known
        numbers = np.asarray(indexed).astype(np.int64)[:, :, None]
        return numbers, indexed.convert("RGB"), tuple(int(value) * 257 for value in table.T.ravel())
    if layout.photometric == YCBCR:
        return np.asarray(image.convert("YCbCr")).astype(np.int64), image, ()
    if layout.photometric == CMYK:
        colours = np.concatenate([255 - colours, np.zeros((*colours.shape[:2], 1), np.int64)], axis=-1)
    return colours * (257 if layout.bits == 16 else 1), image, ()


def _packed(block: Samples, layout: Layout) -> bytes:
    """Return the rows of a strip as they are stored."""
    if layout.predicted:
        block = np.concatenate([block[:, :1], np.diff(block, axis=1) % 2**layout.bits], axis=1)
    rows = block.reshape(len(block), -1)
    if layout.bits < 8:
        each = 8 // layout.bits
        rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % each))).reshape(len(rows), -1, each)
        rows = (rows << np.arange(8 - layout.bits, -1, -layout.bits)).sum(axis=-1)
    number: Any = f"{layout.order}u2" if layout.bits == 16 else "u1"
    lines = [row.tobytes() for row in rows.astype(number)]
    packed = {
        PLAIN: lambda: b"".join(lines),
        DEFLATE: lambda: zlib.compress(b"".join(lines)),
        PACKBITS: lambda: b"".join(map(_in_runs, lines)),
    }[layout.compression]()
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in packed) if layout.lowest_bit_first else packed


def _in_runs(line: bytes) -> bytes:
    """Return PackBits' form of a line, every run of which is a literal one."""
    runs = [line[at : at + 128] for at in range(0, len(line), 128)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)
