"""Every kind of odd file: how it is made, what became of it before, and its right answer."""

import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from embedder_container.errors import Code
from tests.pictures.containers import (
    bmp,
    box,
    chunk,
    drawing,
    encoded,
    exif,
    png,
    segment,
    tiff,
    with_brand,
    with_segments,
    xmp,
)
from tests.pictures.kind import LOSSY, REFUSED_CUT, REFUSED_UNSUPPORTED, WHITE, Kind, over_white, with_alpha
from tests.pictures.tiff_kinds import tiff_bit_orders, tiff_layouts


def kinds() -> list[Kind]:
    """Return all kinds; the same files every time."""
    pillow_heif.register_heif_opener()
    makers: tuple[Callable[[], Iterator[Kind]], ...] = (
        _jpeg_ends,
        _jpeg_segments,
        _orientations,
        _words_of_other_formats,
        _png_metadata,
        _png_transparency,
        tiff_layouts,
        tiff_bit_orders,
        _unread_layouts,
        _gif_canvas,
        _webp_canvas,
        _bmp_fields,
        _item_files,
        _damaged_metadata,
    )
    return [kind for maker in makers for kind in maker()]


def _jpeg_ends() -> Iterator[Kind]:
    cut = "refused as truncated_image"
    image = drawing()
    streams = {
        "baseline": encoded(image, "JPEG", quality=90),
        "progressive": encoded(image, "JPEG", quality=90, progressive=True),
        "grey": encoded(image.convert("L"), "JPEG", quality=90),
        "with restarts": encoded(image, "JPEG", quality=90, restart_marker_blocks=2),
        "CMYK": encoded(image.convert("CMYK"), "JPEG", quality=95),
    }
    for name, data in streams.items():
        shows = drawing("L") if name == "grey" else image
        whole = {"without end marker": data[:-2], "without last byte": data[:-1], "end zeroed": data[:-2] + b"\0\0"}
        for end, stream in whole.items():
            yield Kind(f"JPEG, {name}, {end}", cut, stream, shows, LOSSY)
        yield Kind(f"JPEG, {name}, cut in its last block", cut, data[:-4], code=REFUSED_CUT, words="of its 64 rows")
        half = data[: len(data) // 2]
        yield Kind(f"JPEG, {name}, half of it", cut, half, code=REFUSED_CUT, words="the picture is cut short")
    yield from _jpeg_data_of_zeros()
    progressive = streams["progressive"]
    last = progressive.rindex(b"\xff\xda")
    yield Kind("JPEG, progressive, last scan missing", cut, progressive[:last], code=REFUSED_CUT, words="last scans")


def _jpeg_data_of_zeros() -> Iterator[Kind]:
    """The data of a plain area may be zeros, which stand where a zeroed end marker would."""
    cut = "refused as truncated_image"
    half_plain = drawing()
    half_plain.paste((0, 0, 0), (0, 32, 96, 64))
    plain = Image.new("RGB", half_plain.size, WHITE)
    for name, image in (("half plain", half_plain), ("plain", plain)):
        data = encoded(image, "JPEG", quality=75, optimize=True, subsampling=0)
        zeros = len(data[:-2]) - len(data[:-2].rstrip(b"\0"))
        assert zeros > 2
        for end, missing in (("without end marker", b""), ("its first byte alone", b"\xff"), ("end zeroed", b"\0\0")):
            yield Kind(f"JPEG, {name}, data of zeros, {end}", cut, data[:-2] + missing, image, 4 * LOSSY)
        short = data[: -2 - zeros]
        yield Kind(f"JPEG, {name}, data of zeros missing", cut, short, code=REFUSED_CUT, words="of its 64 rows")


def _jpeg_segments() -> Iterator[Kind]:
    data = encoded(drawing(), "JPEG", quality=90)
    without_jfif = data[:2] + data[2 + 18 :]
    unopened = "refused: its header cannot be read"
    stunted = {
        "JFIF of 5 bytes": segment(0xE0, b"JFIF\0"),
        "empty JFIF": segment(0xE0, b""),
        "Adobe of 5 bytes": segment(0xEE, b"Adobe"),
        "ICC profile without number": segment(0xE2, b"ICC_PROFILE\0"),
        "empty ICC segment": segment(0xE2, b""),
        "EXIF without TIFF": segment(0xE1, b"Exif\0\0"),
        "MPF of 4 bytes": segment(0xE2, b"MPF\0"),
        "Photoshop block of wrong length": segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\xff\xff\xff\xff"),
        "segment of length 0": b"\xff\xe5\0\0",
    }
    for name, stunt in stunted.items():
        yield Kind(f"JPEG, {name}", unopened, with_segments(without_jfif, stunt), drawing(), LOSSY)
    profile = _swapped_profile()
    parts = [
        segment(0xE2, b"ICC_PROFILE\0" + bytes([number + 1, 2]) + part)
        for number, part in enumerate((profile[:200], profile[200:]))
    ]
    swapped = Image.merge("RGB", [drawing().getchannel(band) for band in "GRB"])
    yield Kind(
        "JPEG, profile in two parts out of order", "opened", with_segments(data, parts[1], parts[0]), swapped, LOSSY
    )
    yield Kind("JPEG, one of two parts of the profile", "opened", with_segments(data, parts[1]), drawing(), LOSSY)


def _orientations() -> Iterator[Kind]:
    image = drawing()
    turned = "turned by XMP"
    packet = xmp(6)
    files = {
        "JPEG": with_segments(
            encoded(image, "JPEG", quality=90), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
        ),
        "PNG": encoded(image, "PNG")[:33]
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
        + encoded(image, "PNG")[33:],
        "WEBP": encoded(image, "WEBP", lossless=True, xmp=packet),
        "TIFF": encoded(image, "TIFF", xmp=packet),
        "AVIF": encoded(image, "AVIF", quality=90, xmp=packet),
    }
    for name, data in files.items():
        yield Kind(f"{name}, orientation in XMP", turned, data, image, LOSSY)
    upright = image.transpose(Image.Transpose.ROTATE_90)
    for number, order in ((1, "<"), (1, ">"), (3, ">"), (4, "<"), (4, ">")):
        block = exif(8, number, order)
        name = {1: "BYTE", 3: "SHORT", 4: "LONG"}[number]
        jpeg = with_segments(encoded(image, "JPEG", quality=90), segment(0xE1, b"Exif\0\0" + block))
        yield Kind(f"JPEG, orientation as {name}, {order}", "not turned if BYTE", jpeg, upright, LOSSY)
        plain = encoded(image, "PNG")
        yield Kind(
            f"PNG, orientation as {name}, {order}",
            "not turned if BYTE",
            plain[:33] + chunk(b"eXIf", block) + plain[33:],
            upright,
        )
    pixels = [np.asarray(image).tobytes()]
    tags = {258: (8, 8, 8), 262: 2, 277: 3, 274: bytes([8])}
    yield Kind("TIFF, orientation as BYTE", "not turned", tiff(image.size, pixels, tags, order=">"), upright)
    yield Kind("TIFF, orientation as SHORT", "turned", tiff(image.size, pixels, {**tags, 274: 8}), upright)
    yield Kind(
        "JPEG, orientation of 0",
        "not turned",
        with_segments(encoded(image, "JPEG", quality=90), segment(0xE1, b"Exif\0\0" + exif(0))),
        image,
        LOSSY,
    )
    digits = b"\nexif\n%8d\n" % 32 + (b"Exif\0\0" + exif(8)).hex().encode()
    plain = encoded(image, "PNG")
    yield Kind(
        "PNG, EXIF as ImageMagick's text",
        "turned",
        plain[:33] + chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(digits)) + plain[33:],
        upright,
    )


def _words_of_other_formats() -> Iterator[Kind]:
    image, svg = drawing(), "refused as SVG"
    data = encoded(image, "PNG")
    yield Kind(
        "JPEG, comment that names <svg",
        svg,
        encoded(image, "JPEG", quality=90, comment=b"an <svg> in a comment"),
        image,
        LOSSY,
    )
    yield Kind(
        "PNG, text that names <svg", svg, data[:33] + chunk(b"tEXt", b"Source\0<svg xmlns='x'>") + data[33:], image
    )
    described = encoded(image, "GIF", comment=b"made from <svg>")
    yield Kind("GIF, comment that names <svg", svg, described, image.convert("P").convert("RGB"), 12.0)
    yield Kind("TIFF, description that names <svg", svg, encoded(image, "TIFF", description="<svg"), image)
    unsupported = {
        "SVG after declarations": b'<?xml version="1.0"?><!-- > --><!DOCTYPE svg [<!ENTITY a "b">]>\n<svg/>',
        "SVG with a prefix": b'\xef\xbb\xbf<s:svg xmlns:s="http://www.w3.org/2000/svg"></s:svg>',
        "SVG in UTF-16": '<svg xmlns="x"/>'.encode("utf-16"),
    }
    for name, text in unsupported.items():
        yield Kind(name, "refused as SVG", text, code=REFUSED_UNSUPPORTED, words="SVG")
    yield Kind(
        "HTML with an SVG in it",
        svg,
        b"<html><body><svg/></body></html>",
        code=Code.NOT_AN_IMAGE,
        words="not a picture",
    )
    pixels = bytearray(np.asarray(image).tobytes())
    pixels[:4] = b"CR\0\0"
    yield Kind(
        "TIFF whose first pixels are CR",
        "refused as camera raw (CR2)",
        tiff(image.size, [bytes(pixels)], {258: (8, 8, 8), 262: 2, 277: 3}),
        image,
    )
    yield Kind(
        "TIFF whose first pixels are CR and 2",
        "refused as camera raw (CR2)",
        tiff(image.size, [b"CR\2\0" + bytes(pixels[4:])], {258: (8, 8, 8), 262: 2, 277: 3}),
        image,
    )


def _png_metadata() -> Iterator[Kind]:
    image = drawing()
    data, unopened = encoded(image, "PNG"), "refused: its header cannot be read"

    def having(*chunks: bytes) -> bytes:
        return data[:33] + b"".join(chunks) + data[33:]

    for name, copied in (("LF", data.replace(b"\r\n", b"\n")), ("CR LF", data.replace(b"\n", b"\r\n"))):
        before = "refused as not a picture"
        yield Kind(f"PNG, copied as text with {name}", before, copied, code=REFUSED_CUT, words="line ends")
    long_text = zlib.compress(bytes(2_000_000))
    yield Kind("PNG, text that inflates to 2 MB", unopened, having(chunk(b"zTXt", b"Comment\0\0" + long_text)), image)
    yield Kind(
        "PNG, international text of 2 MB", unopened, having(chunk(b"iTXt", b"Comment\0\1\0\0\0" + long_text)), image
    )
    swapped = Image.merge("RGB", [image.getchannel(band) for band in "GRB"])
    for size, shows in ((1_500_000, swapped), (5_000_000, image)):
        profile = _swapped_profile().ljust(size, b"\0")
        body = b"profile\0\0" + zlib.compress(profile)
        yield Kind(f"PNG, profile of {size / 1e6} MB", unopened, having(chunk(b"iCCP", body)), shows, 2.0)
    bodies = {
        b"gAMA": struct.pack(">I", 100_000),
        b"cHRM": struct.pack(">8I", *range(1, 9)),
        b"pHYs": struct.pack(">IIB", 1, 1, 0),
        b"sRGB": b"\0",
        b"tEXt": b"Title\0a",
        b"iCCP": b"profile\0\0" + zlib.compress(_swapped_profile()),
        b"tRNS": struct.pack(">HHH", 1, 2, 3),
        b"eXIf": exif(6),
        b"bKGD": b"\0\0\0\0\0\0",
        b"acTL": struct.pack(">II", 1, 0),
    }
    for name, body in bodies.items():
        yield Kind(
            f"PNG, {name.decode()} with a wrong checksum", unopened, having(chunk(name, body, checksum=1)), image
        )
        yield Kind(f"PNG, {name.decode()} cut short", unopened, having(chunk(name, body[: len(body) // 2])), image)
        yield Kind(f"PNG, {name.decode()} empty", unopened, having(chunk(name, b"")), image)
    methods = {b"iCCP": b"profile\0\5" + bytes(20), b"zTXt": b"Title\0\5" + bytes(20)}
    for name, body in methods.items():
        yield Kind(f"PNG, {name.decode()} of an unknown method", unopened, having(chunk(name, body)), image)
    yield Kind(
        "PNG, iCCP of no profile, then gAMA",
        "sRGB",
        having(chunk(b"iCCP", b"x\0\0" + zlib.compress(b"junk" * 99)), chunk(b"gAMA", struct.pack(">I", 45455))),
        image,
    )
    for missing in (1, 4, 12, 13, 16):
        yield Kind(f"PNG, {missing} bytes short", "opened", data[:-missing], image)
    wrong = data[:-20] + b"\0\0\0\0" + data[-16:]
    yield Kind("PNG, zlib's checksum wrong", "refused", wrong, image)
    noisy = encoded(Image.effect_noise(image.size, 90), "PNG")
    flipped = noisy[: len(noisy) // 2] + b"\xff" * 20 + noisy[len(noisy) // 2 + 20 :]
    yield Kind("PNG, pixels damaged", "refused", flipped, code=REFUSED_CUT, words="wrong after")
    yield Kind("PNG, half of it", "refused", data[: len(data) // 2], code=REFUSED_CUT, words="bytes")
    yield Kind(
        "PNG of Apple's own layout",
        "refused",
        data[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + data[8:],
        code=REFUSED_UNSUPPORTED,
        words="CgBI",
    )


def _png_transparency() -> Iterator[Kind]:
    opaque = "the transparent colour stays opaque"
    grey = np.asarray(drawing("L"))
    for bits in (1, 2, 4, 8, 16):
        most = 2**bits - 1
        values = grey.astype(np.uint32) * most // 255
        transparent = int(values[10, 20])
        shown = np.where(values == transparent, 255, (values * 255 + most // 2) // most).astype(np.uint8)
        data = png(values.astype(np.uint16), chunk(b"tRNS", struct.pack(">H", transparent)), bits=bits)
        yield Kind(f"PNG, grey of {bits} bits with a transparent value", opaque, data, Image.fromarray(shown))
    colours = np.asarray(drawing()).astype(np.uint16) * 257
    colours[20:30, 50:60] = (60_000, 1_000, 30_000)
    colours[40:50, 20:30] = (60_001, 1_000, 30_000)  # the same high bytes
    shown = (colours >> 8).astype(np.uint8)
    shown[20:30, 50:60] = 255
    data = png(colours, chunk(b"tRNS", struct.pack(">HHH", 60_000, 1_000, 30_000)), bits=16)
    yield Kind(
        "PNG, 16-bit colours with a transparent one",
        "both colours become transparent, or none",
        data,
        Image.fromarray(shown),
    )


def _unread_layouts() -> Iterator[Kind]:
    image, misworded = drawing(), "refused as truncated_image"
    floats = (np.asarray(image) / np.float32(255)).astype("<f4").tobytes()
    deep = np.asarray(image).astype("<u2") * 257
    cmyka = np.zeros((64, 96, 5), np.uint8)
    layouts = {
        "floating-point": (floats, {258: (32,) * 3, 262: 2, 277: 3, 339: (3,) * 3}),
        "16 bits": (deep[:, :, :2].tobytes(), {258: (16, 16), 262: 1, 277: 2, 338: 2}),
        "CMYK": (cmyka.tobytes(), {258: (8,) * 5, 262: 5, 277: 5, 338: 2}),
        "CIELAB": (deep.tobytes(), {258: (16,) * 3, 262: 8, 277: 3}),
        "10 bits": (bytes(96 * 64 * 4), {258: (10,) * 3, 262: 2, 277: 3}),
        "WebP": (encoded(image, "WEBP"), {258: (8,) * 3, 262: 2, 277: 3, 259: 50001}),
        "LERC": (bytes(99), {258: (8,) * 3, 262: 2, 277: 3, 259: 34887}),
    }
    for name, (pixels, tags) in layouts.items():
        yield Kind(f"TIFF, {name}", misworded, tiff(image.size, [pixels], tags), code=REFUSED_UNSUPPORTED, words=name)
    jpeg = encoded(image, "JPEG")
    frame = jpeg.index(b"\xff\xc0")
    twelve = jpeg[: frame + 4] + b"\x0c" + jpeg[frame + 5 :]
    yield Kind("JPEG, 12 bits", misworded, twelve, code=REFUSED_UNSUPPORTED, words="12 bits")
    lossless = jpeg[:frame] + b"\xff\xc3" + jpeg[frame + 2 :]
    yield Kind("JPEG, lossless", misworded, lossless, code=REFUSED_UNSUPPORTED, words="lossless")
    two = jpeg[: frame + 9] + b"\2" + jpeg[frame + 10 :]
    yield Kind("JPEG, two components", misworded, two, code=REFUSED_UNSUPPORTED, words="2 colour components")
    heic = encoded(image, "HEIF", quality=90)
    h264 = heic.replace(b"hvc1", b"avc1")
    yield Kind("HEIF with H.264", misworded, h264, code=REFUSED_UNSUPPORTED, words="H.264")
    sequence = box(b"ftyp", b"msf1\0\0\0\0msf1hevc") + box(b"moov", box(b"mvhd", bytes(100)))
    yield Kind("HEIF sequence", misworded, sequence, code=REFUSED_UNSUPPORTED, words="sequence")
    film = box(b"ftyp", b"isom\0\0\2\0isommp41") + box(b"moov", box(b"mvhd", bytes(100)))
    yield Kind("video", "refused as video", film, code=REFUSED_UNSUPPORTED, words="video")
    yield Kind("JPEG XL", "refused by name", b"\xff\x0a" + bytes(40), code=REFUSED_UNSUPPORTED, words="JPEG XL")
    lab = b"BM" + struct.pack("<IHHI", 60, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 0, 4, 0, 0, 0, 0, 0)
    yield Kind(
        "BMP that holds a JPEG", "not_an_image", lab + jpeg, code=REFUSED_UNSUPPORTED, words="BMP that holds a JPEG"
    )


def _gif_canvas() -> Iterator[Kind]:
    painted = "painted in the palette's first colour"
    frame = Image.new("P", (40, 30), 1)
    frame.putpalette([255, 0, 0, 0, 0, 200] + [0] * 762)
    data = encoded(frame, "GIF")
    screen = 6
    descriptor = data.index(b"\x2c", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    larger = bytearray(data)
    larger[screen : screen + 4] = struct.pack("<HH", 96, 64)
    larger[descriptor + 1 : descriptor + 5] = struct.pack("<HH", 20, 10)
    shown = Image.new("RGB", (96, 64), WHITE)
    shown.paste((0, 0, 200), (20, 10, 60, 40))
    yield Kind("GIF, frame smaller than the canvas", painted, bytes(larger), shown)
    yield Kind("GIF without its trailer", "opened", data[:-1], frame.convert("RGB"))


def _bmp_fields() -> Iterator[Kind]:
    image, unread = drawing(), "refused as not_an_image"
    pixels = np.asarray(image).astype(np.uint32)
    for name, dtype, masks in (
        ("4-4-4", np.uint16, (0xF00, 0xF0, 0xF)),
        ("5-6-5", np.uint16, (0xF800, 0x7E0, 0x1F)),
        ("3-3-2", np.uint16, (0xE0, 0x1C, 0x3)),
        ("10-10-10", np.uint32, (0x3FF00000, 0xFFC00, 0x3FF)),
        ("8-8-8 in odd places", np.uint32, (0xFF0000, 0xFF000000, 0xFF00)),
        ("11-11-10", np.uint32, (0x7FF, 0x3FF800, 0xFFC00000)),
    ):
        values, shown = np.zeros((64, 96), np.uint32), np.zeros((64, 96, 3))
        for band, mask in enumerate(masks):
            shift = (mask & -mask).bit_length() - 1
            most = mask >> shift
            field = (pixels[:, :, band] * most + 127) // 255
            values |= field << shift
            shown[:, :, band] = field * 255 / most
        data = bmp(values.astype(dtype), masks)
        yield Kind(f"BMP, {name}", unread, data, Image.fromarray(np.rint(shown).astype(np.uint8)), 1.0)
    opaque = (pixels[:, :, 0] >> 3 << 10 | pixels[:, :, 1] >> 3 << 5 | pixels[:, :, 2] >> 3).astype(np.uint16)
    solid = np.asarray(image.point([value >> 3 << 3 | value >> 5 for value in range(256)] * 3)).copy()
    half = opaque | np.where(np.arange(96) < 48, 0x8000, 0).astype(np.uint16)
    shown8 = solid.copy()
    shown8[:, 48:] = 255
    masks4 = (0x7C00, 0x3E0, 0x1F, 0x8000)
    yield Kind(
        "BMP, 1-5-5-5 with alpha", "alpha is ignored", bmp(half, masks4, header=124), Image.fromarray(shown8), 1.5
    )
    yield Kind(
        "BMP, alpha of nothing but zeros", "opened", bmp(opaque, masks4, header=124), Image.fromarray(solid), 1.5
    )
    whole = encoded(image, "BMP")
    yield Kind("BMP, three bytes short", "refused", whole[:-3], code=REFUSED_CUT, words="3 of 18,432 bytes")
    odd = encoded(image.crop((0, 0, 95, 64)), "BMP")
    yield Kind("BMP without its last padding", "refused", odd[:-2], image.crop((0, 0, 95, 64)))
    yield Kind("BMP, header cut", unread, whole[:20], code=REFUSED_CUT, words="header")
    yield Kind(
        "BMP of 3 bits a pixel",
        unread,
        whole[:28] + b"\3\0" + whole[30:],
        code=REFUSED_UNSUPPORTED,
        words="BMP with 3 bits",
    )


def _item_files() -> Iterator[Kind]:
    image = drawing()
    avif = encoded(image, "AVIF", quality=90)
    yield Kind("AVIF, major brand mif1", "refused: AV1 not built in", with_brand(avif, b"mif1"), image, LOSSY)
    only_mif1 = with_brand(avif, b"mif1").replace(b"avif", b"miaf", 2)
    yield Kind("AVIF, no brand of AVIF at all", "refused: AV1 not built in", only_mif1, image, LOSSY)
    heic = encoded(image, "HEIF", quality=90)
    for brand in (b"mif2", b"hevx", b"MiHB", b"heim"):
        yield Kind(f"HEIC, major brand {brand.decode()}", "refused as video", with_brand(heic, brand), image, LOSSY)
    for name, data, brands in (
        ("AVIF", avif, (b"avis", b"miaf", b"isom")),
        ("HEIC", heic, (b"hevc", b"msf1", b"isom")),
    ):
        for brand in brands:
            strange = with_brand(data, brand)
            yield Kind(
                f"{name}, major brand {brand.decode()} of a still picture", "avis refused", strange, image, LOSSY
            )
        end = int.from_bytes(data[:4], "big")
        lone = data[:16] + bytes(end - 16) + data[end:]
        yield Kind(f"{name}, no compatible brand", "HEIC refused", lone, image, LOSSY)
    cut = "refused as truncated_image"
    for name, data in (("AVIF", avif), ("HEIC", heic)):
        yield Kind(f"{name}, 9 bytes short", cut, data[:-9], code=REFUSED_CUT, words="lacks 9 bytes")
    transparent = encoded(with_alpha(), "AVIF", quality=90)
    yield Kind("AVIF, alpha", "opened", transparent, over_white(with_alpha()), LOSSY)
    yield Kind(
        "AVIF, two ipma boxes",
        "refused: its header cannot be read",
        _with_two_tables(transparent),
        over_white(with_alpha()),
        LOSSY,
    )
    sizeless = _with_two_tables(transparent, with_size=False)
    yield Kind(
        "AVIF, alpha without its size",
        "refused: its header cannot be read",
        sizeless,
        over_white(with_alpha()),
        LOSSY,
    )


def _webp_canvas() -> Iterator[Kind]:
    """Films in WebP: what the first frame does not cover is transparent, whatever the header says of alpha."""
    frame = drawing().crop((0, 0, 48, 32))
    shown = Image.new("RGB", (96, 64), WHITE)
    shown.paste(frame, (16, 16))
    pixels = encoded(frame, "WEBP", lossless=True)[12:]
    for name, flags in (("without alpha", 0x02), ("with alpha", 0x12)):
        header = bytes([flags, 0, 0, 0]) + _three_bytes(95, 63)
        chunks = [(b"VP8X", header), (b"ANIM", b"\0\0\xff\xff\0\0")]
        chunks += [(b"ANMF", _three_bytes(16 // 2, 16 // 2, 47, 31, 100) + b"\0" + pixels)] * 2
        body = b"WEBP" + b"".join(
            name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks
        )
        before = "black around the frame if there is no alpha"
        yield Kind(
            f"WebP, frame smaller than the canvas, {name}", before, b"RIFF" + struct.pack("<I", len(body)) + body, shown
        )


def _three_bytes(*numbers: int) -> bytes:
    return b"".join(struct.pack("<I", number)[:3] for number in numbers)


def _damaged_metadata() -> Iterator[Kind]:
    image = drawing()
    webp = encoded(image, "WEBP", lossless=True, exif=exif(1), xmp=xmp(1), icc_profile=_swapped_profile())
    swapped = Image.merge("RGB", [image.getchannel(band) for band in "GRB"])
    yield Kind("WebP, profile", "opened", webp, swapped, 2.0)
    at = webp.index(b"EXIF")
    longer = webp[: at + 4] + struct.pack("<I", 1 << 24) + webp[at + 8 :]
    yield Kind("WebP, EXIF longer than the file", "refused", longer, swapped, 2.0)
    yield Kind(
        "WebP, length of the file wrong", "refused", webp[:4] + struct.pack("<I", 1 << 28) + webp[8:], swapped, 2.0
    )
    for name in ("AVIF", "HEIF"):
        data = encoded(image, name, quality=90, exif=b"Exif\0\0" + exif(1))
        place = data.index(b"Exif\0\0", data.index(b"mdat")) if b"Exif\0\0" in data[data.index(b"mdat") :] else None
        if place is not None:
            yield Kind(
                f"{name}, EXIF of nonsense", "opened", data[:place] + b"\xff" * 20 + data[place + 20 :], image, LOSSY
            )


def _with_two_tables(avif: bytes, *, with_size: bool = True) -> bytes:
    """Return the AVIF with an ipma box for each item, as an encoder of 2019 wrote them, at the file's end."""
    meta = avif.index(b"meta") - 4
    size = int.from_bytes(avif[meta : meta + 4], "big")
    body = avif[meta + 8 : meta + size]
    start = body.index(b"ipma") - 4
    length = int.from_bytes(body[start : start + 4], "big")
    table = body[start + 16 : start + length]
    tables, at = b"", 0
    while at < len(table):
        item, count = table[at : at + 2], table[at + 2]
        indexes = table[at + 3 : at + 3 + count]
        at += 3 + count
        if item == b"\0\2" and not with_size:
            indexes = bytes(index for index in indexes if index & 0x7F != 1)
        tables += box(b"ipma", bytes(4) + struct.pack(">I", 1) + item + bytes([len(indexes)]) + indexes)
    iprp = body.rindex(b"iprp", 0, start) - 4
    end = iprp + int.from_bytes(body[iprp : iprp + 4], "big")
    properties = box(b"iprp", body[iprp + 8 : start] + tables + body[start + length : end])
    moved = body[:iprp] + properties + body[end:]
    return avif[:meta] + struct.pack(">I", size) + b"free" + avif[meta + 8 :] + box(b"meta", moved)


def _swapped_profile() -> bytes:
    """Return a valid profile whose red and green are swapped."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack(">I", data[128:132])
    entries = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = entries[b"rXYZ"] + 4, entries[b"gXYZ"] + 4
    data[red : red + 8], data[green : green + 8] = data[green : green + 8], data[red : red + 8]
    return bytes(data).replace(b"s\0R\0G\0B\0", b"t\0e\0s\0t\0").replace(b"\0s\0R\0G\0B", b"\0t\0e\0s\0t")
