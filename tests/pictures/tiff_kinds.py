"""Kinds of odd TIFFs."""

import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.pictures.containers import drawing, encoded, tiff
from tests.pictures.kind import LOSSY, REFUSED_CUT, REFUSED_UNSUPPORTED, Kind, with_alpha


def _signed_greys(order: str) -> Iterator[Kind]:
    """Greys of other numbers than 0 to 255: where there is no agreed white, those that occur are stretched."""
    grey = np.asarray(drawing("L")).astype(np.int64)
    stretched = Image.fromarray(np.rint(255 * (grey - grey.min()) / np.ptp(grey)).astype(np.uint8))
    layouts = (
        ("32-bit", grey * 16843009, "u4", 1, stretched),
        ("32-bit, below 2^31", grey * 8000000, "u4", 1, stretched),
        ("32-bit, of 16 bits", grey * 257, "u4", 1, drawing("L")),
        ("signed 32-bit", (grey - 128) * 16843009, "i4", 2, stretched),
        ("signed 16-bit", (grey - 128) * 256, "i2", 2, stretched),
        ("signed 8-bit", grey - 128, "i1", 2, stretched),
    )
    for name, values, number, sample_format, shown in layouts:
        pixels = [values.astype(order + number).tobytes()]
        tags = {258: 8 * int(number[1]), 262: 1, 277: 1, 339: sample_format}
        data = tiff((96, 64), pixels, tags, order=order)
        if (order, number) == (">", "u4"):  # Pillow has no reader of it
            words = "1 samples of 32 bits (grey)"
            yield Kind(f"TIFF, {name} grey, >", "refused", data, code=REFUSED_UNSUPPORTED, words=words)
            continue
        before = "black and white exchanged where the number's first bit is 1"
        yield Kind(f"TIFF, {name} grey, {order}", before, data, shown)


def _turned(data: bytes) -> bytes:
    """Return the bytes with their lowest bit first."""
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


def tiff_bit_orders() -> Iterator[Kind]:
    """TIFFs whose bytes begin with the lowest bit (FillOrder 2), compressed or not; a JPEG's never do."""
    image, before = drawing(), "noise, or refused"
    colours, grey = np.asarray(image), np.asarray(drawing("L")).astype(np.int64)
    palette = image.quantize(16)
    pairs = np.asarray(palette).reshape(64, 48, 2)
    table = np.zeros((16, 3), np.int64)
    table[: len(palette.getpalette()) // 3] = np.array(palette.getpalette()).reshape(-1, 3)[:16]
    bilevel = image.convert("1")
    planes = [colours[:, :, band].tobytes() for band in range(3)]
    rgb, planar = {258: (8,) * 3, 262: 2, 277: 3}, {258: (8,) * 3, 262: 2, 277: 3, 284: 2}
    map_tags = {258: 4, 262: 3, 277: 1, 320: tuple(int(value) * 257 for value in table.T.ravel())}
    layouts = (
        ("RGB", [colours.tobytes()], rgb, image),
        ("RGB in planes", planes, planar, image),
        ("RGB, deflated", [zlib.compress(colours.tobytes())], {**rgb, 259: 8}, image),
        ("grey of 16 bits", [(grey * 257).astype("<u2").tobytes()], {258: 16, 262: 1, 277: 1}, drawing("L")),
        ("grey whose white is zero", [(255 - grey).astype("u1").tobytes()], {258: 8, 262: 0, 277: 1}, drawing("L")),
        ("palette of 4 bits", [(pairs[..., 0] << 4 | pairs[..., 1]).tobytes()], map_tags, palette.convert("RGB")),
        ("1 bit", [bilevel.tobytes()], {258: 1, 262: 1, 277: 1}, bilevel.convert("L")),
    )
    for name, strips, tags, shown in layouts:
        data = tiff((96, 64), [_turned(strip) for strip in strips], {**tags, 266: 2})
        yield Kind(f"TIFF, lowest bit first, {name}", before, data, shown)
    jpeg = tiff((96, 64), [encoded(image, "JPEG", quality=95, keep_rgb=True)], {**rgb, 259: 7, 266: 2})
    yield Kind("TIFF, lowest bit first, JPEG", "opened", jpeg, image, LOSSY)
    ycbcr = np.asarray(image.convert("YCbCr"))
    tags = {258: (8,) * 3, 262: 6, 277: 3, 284: 2, 530: (1, 1)}
    data = tiff((96, 64), [ycbcr[:, :, band].tobytes() for band in range(3)], tags)
    yield Kind("TIFF, YCbCr in planes", "refused as damaged", data, image, LOSSY)


def tiff_layouts() -> Iterator[Kind]:
    image = drawing()
    deep = np.asarray(image).astype(np.uint16) * 257
    for order in "<>":
        planes = [deep[:, :, band].astype(order + "u2").tobytes() for band in range(3)]
        tags = {258: (16,) * 3, 262: 2, 277: 3, 284: 2}
        yield Kind(f"TIFF, planes of 16 bits, {order}", "noise", tiff(image.size, planes, tags, order=order), image)
        full = np.full(deep.shape[:2], 65535, order + "u2").tobytes()
        tags = {258: (16,) * 4, 262: 2, 277: 4, 284: 2, 338: 2}
        yield Kind(
            f"TIFF, planes of 16 bits with alpha, {order}",
            "noise",
            tiff(image.size, [*planes, full], tags, order=order),
            image,
        )
        inks = [(65535 - deep[:, :, band]).astype(order + "u2").tobytes() for band in range(3)]
        tags = {258: (16,) * 4, 262: 5, 277: 4, 284: 2}
        none = bytes(2 * deep.shape[0] * deep.shape[1])
        yield Kind(
            f"TIFF, CMYK planes of 16 bits, {order}",
            "noise",
            tiff(image.size, [*inks, none], tags, order=order),
            image,
            2.0,
        )
        grey = np.asarray(drawing("L")).astype(np.uint32)
        pixels = [(65535 - 257 * grey).astype(order + "u2").tobytes()]
        yield Kind(
            f"TIFF, 16-bit grey whose white is zero, {order}",
            "a negative, or refused",
            tiff(image.size, pixels, {258: 16, 262: 0}, order=order),
            drawing("L"),
        )
        yield Kind(
            f"BigTIFF, 16-bit grey whose white is zero, {order}",
            "a negative, or refused",
            tiff(image.size, pixels, {258: 16, 262: 0}, order=order, big=True),
            drawing("L"),
        )
        yield from _signed_greys(order)
        palette = image.quantize(256)
        colours = np.array(palette.getpalette(), np.uint16).reshape(-1, 3)
        colours = np.pad(colours, ((0, 256 - len(colours)), (0, 0)))
        for name, scale in (("8-bit", 1), ("16-bit", 257)):
            tags = {258: 8, 262: 3, 320: tuple(int(v) * scale for v in colours.T.ravel())}
            yield Kind(
                f"TIFF, colour map of {name} values, {order}",
                "black if 8-bit",
                tiff(image.size, [palette.tobytes()], tags, order=order),
                palette.convert("RGB"),
            )
    alpha = with_alpha().getchannel("A")
    grey8, opacity = np.asarray(drawing("L")).astype(int), np.asarray(alpha).astype(int)
    associated = np.stack([(grey8 * opacity + 127) // 255, opacity], axis=-1).astype(np.uint8)
    shown = grey8 * opacity / 255 + 255 - opacity
    tags = {258: (8, 8), 262: 1, 277: 2, 338: 1}
    yield Kind(
        "TIFF, grey with associated alpha",
        "refused in a programmer's words",
        tiff(image.size, [associated.tobytes()], tags),
        Image.fromarray(shown.astype(np.uint8)),
        1.0,
    )
    strips = [np.asarray(image)[row : row + 16].tobytes() for row in range(0, 64, 16)]
    tags = {258: (8,) * 3, 262: 2, 277: 3, 278: 16}
    whole = tiff(image.size, strips, tags)
    yield Kind("TIFF, four strips", "opened", whole, image)
    at_end = tiff(image.size, strips, {**tags, 273: [8, 4616, 9224, 13832 + 400]})
    yield Kind("TIFF, last strip cut", "refused", at_end, code=REFUSED_CUT, words="bytes of its pixels")
    odd = {
        305: b"x",
        700: b"<x:xmpmeta",
        34675: b"no profile",
        34377: b"8BIM",
        33723: b"\x1c",
        37724: b"",
        282: 7,
        65000: b"?",
    }
    yield Kind(
        "TIFF, metadata of wrong types",
        "opened",
        tiff(image.size, strips, {**tags, **{k: v for k, v in odd.items() if v != b""}}),
        image,
    )
