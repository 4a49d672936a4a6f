"""Strangers' bytes become an upright sRGB picture, or an error that says what is wrong with them."""

import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from embedder_container import limits
from embedder_container.errors import Code, ItemError
from embedder_container.images import decode, thumbnail
from tests.embedder.samples import encoded, near, photo, two_halves

EXIF_ORIENTATION = 0x0112


def refusal(data: bytes) -> ItemError:
    with pytest.raises(ItemError) as caught:
        decode(data)
    return caught.value


pillow_heif.register_heif_opener()


def test_without_its_library_heic_is_refused_by_name_and_all_else_opens(tmp_path: Path) -> None:
    for kind in ("HEIF", "AVIF", "JPEG"):
        (tmp_path / kind).write_bytes(encoded(two_halves(), kind))
    script = """
import sys
sys.modules["pillow_heif"] = None  # as where it is not installed: importing it fails
from embedder_container.errors import ItemError
from embedder_container.images import decode
for file in sys.argv[1:]:
    try:
        print(decode(open(file, "rb").read()).format)
    except ItemError as error:
        print(error.code, error.message.split(" are ")[0])
"""
    files = [str(tmp_path / kind) for kind in ("HEIF", "AVIF", "JPEG")]
    said = subprocess.run([sys.executable, "-c", script, *files], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [
        "unsupported_format files of the kind HEIF (left out of this installation)",
        "AVIF",
        "JPEG",
    ]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
def test_each_allowed_format_opens_and_is_named(kind: str) -> None:
    picture = decode(encoded(two_halves(), kind))
    assert picture.format == kind
    assert picture.image.mode == "RGB"
    assert picture.image.size == (80, 40)
    assert near(picture.image.getpixel((10, 20)), (255, 0, 0))
    assert near(picture.image.getpixel((70, 20)), (0, 0, 255))


def test_a_multi_picture_jpeg_counts_as_jpeg() -> None:
    data = encoded(two_halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (80, 40))])
    picture = decode(data)
    assert picture.format == "JPEG"
    assert near(picture.image.getpixel((10, 20)), (255, 0, 0))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    upright = two_halves()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    # As bytes, pillow-heif writes the turn into the container too, as cameras do.
    picture = decode(encoded(stored, kind, exif=exif.tobytes() if kind == "HEIF" else exif))
    assert picture.image.size == (picture.width, picture.height) == (80, 40)
    assert near(picture.image.getpixel((10, 20)), (255, 0, 0))
    assert near(picture.image.getpixel((70, 20)), (0, 0, 255))


def test_in_a_heif_the_containers_turn_holds_and_exifs_does_not() -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    assert decode(encoded(two_halves(), "HEIF", exif=exif)).image.size == (80, 40)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_spoil_the_picture() -> None:
    data = encoded(two_halves(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage")
    assert decode(data).image.size == (80, 40)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_shows_white(kind: str) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 20))
    found = decode(encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))).image
    assert found.getpixel((15, 10)) == (255, 255, 255)
    assert found.getpixel((5, 10)) == (255, 0, 0)


def test_half_transparent_black_over_white_is_grey() -> None:
    found = decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "PNG")).image
    assert near(found.getpixel((1, 1)), (127, 127, 127), 1)


def test_grey_with_alpha_keeps_its_grey() -> None:
    image = Image.new("LA", (4, 4), (100, 255))
    image.putpixel((0, 0), (0, 0))
    found = decode(encoded(image, "PNG")).image
    assert found.getpixel((2, 2)) == (100, 100, 100)
    assert found.getpixel((0, 0)) == (255, 255, 255)


def test_a_palette_becomes_its_colours_and_its_transparent_entry_white() -> None:
    image = two_halves().quantize(4)
    transparent = image.getpixel((70, 20))
    plain = decode(encoded(image, "PNG")).image
    assert near(plain.getpixel((70, 20)), (0, 0, 255))
    found = decode(encoded(image, "PNG", transparency=transparent)).image
    assert near(found.getpixel((10, 20)), (255, 0, 0))
    assert found.getpixel((70, 20)) == (255, 255, 255)


def test_bilevel_pictures_are_black_and_white() -> None:
    image = Image.new("1", (8, 8), 1)
    image.putpixel((0, 0), 0)
    found = decode(encoded(image, "PNG")).image
    assert (found.getpixel((0, 0)), found.getpixel((4, 4))) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_scaled_not_clipped(kind: str) -> None:
    image = Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16))
    found = decode(encoded(image, kind)).image
    assert [found.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (100, 100, 100), (255, 255, 255)]


def test_a_floating_point_tiff_is_stretched_to_what_can_be_seen() -> None:
    image = Image.fromarray(np.array([[-1.0, 0.0, 1.0, np.nan]], dtype=np.float32))
    found = decode(encoded(image, "TIFF")).image
    assert [found.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]


def test_cmyk_is_converted() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    found = decode(encoded(image, "JPEG")).image
    assert near(found.getpixel((4, 4)), (254, 0, 0))


def test_lab_is_converted() -> None:
    red = ImageCms.profileToProfile(
        Image.new("RGB", (8, 8), (255, 0, 0)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert red is not None
    assert near(decode(encoded(red, "TIFF")).image.getpixel((4, 4)), (255, 0, 0), 8)


def swapped_profile() -> bytes:
    """A sound RGB profile whose red and green are swapped: whoever applies it turns red into green."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    entries = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = entries[b"rXYZ"] + 4, entries[b"gXYZ"] + 4
    data[red : red + 8], data[green : green + 8] = data[green : green + 8], data[red : red + 8]
    return bytes(data).replace(b"s\0R\0G\0B\0", b"t\0e\0s\0t\0").replace(b"\0s\0R\0G\0B", b"\0t\0e\0s\0t")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_the_embedded_profile_is_applied(kind: str) -> None:
    image = Image.new("RGB", (16, 16), (255, 0, 0))
    found = decode(encoded(image, kind, icc_profile=swapped_profile())).image
    assert near(found.getpixel((8, 8)), (0, 255, 0))


def test_the_profile_is_applied_beneath_transparency_too() -> None:
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    found = decode(encoded(image, "PNG", icc_profile=swapped_profile())).image
    assert near(found.getpixel((8, 8)), (0, 255, 0))
    assert found.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("profile", [b"no profile at all", swapped_profile()[:200]])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    found = decode(encoded(Image.new("RGB", (8, 8), (255, 0, 0)), "PNG", icc_profile=profile)).image
    assert found.getpixel((4, 4)) == (255, 0, 0)


def test_a_profile_for_other_pixels_is_ignored() -> None:
    found = decode(encoded(Image.new("L", (8, 8), 90), "PNG", icc_profile=swapped_profile())).image
    assert found.getpixel((4, 4)) == (90, 90, 90)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255)]]
    found = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:])).image
    assert near(found.getpixel((8, 8)), (255, 0, 0))


def test_nothing_is_empty() -> None:
    assert refusal(b"").code == Code.EMPTY


@pytest.mark.parametrize("data", [b"hello, world\n", b"\0" * 4096, b"BMW is a car maker", b"RIFF....WAVEfmt "])
def test_what_is_no_picture_is_said_to_be_none(data: bytes) -> None:
    assert refusal(data).code == Code.NOT_AN_IMAGE


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypisom\0\0\0\0", "video"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "CR3"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"IIU\0\x18\0\0\0", "RW2"),
        (b"IIRO\x08\0\0\0", "ORF"),
    ],
)
def test_pictures_of_other_kinds_are_named(data: bytes, kind: str) -> None:
    error = refusal(data)
    assert error.code == Code.UNSUPPORTED_FORMAT
    assert kind in error.message


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({50706: 0x00000401}, "DNG"),
        ({254: 1, 330: 8}, "camera raw"),
        ({262: 32803}, "camera raw"),
        ({259: 34713}, "camera raw"),
    ],
)
def test_a_cameras_raw_file_is_not_taken_for_the_preview_in_it(tags: dict[int, int], kind: str) -> None:
    assert kind in refusal(tiff_with(tags)).message


def test_a_tiff_with_pages_or_smaller_copies_is_no_raw_file() -> None:
    assert decode(tiff_with({254: 0, 330: 8})).format == "TIFF"


def tiff_with(tags: dict[int, int]) -> bytes:
    """A sound grey TIFF, 80 by 40, whose first directory has these tags too, or in place of its own."""
    header = struct.pack("<2sHI", b"II", 42, 8)
    own = {256: 80, 257: 40, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 40, 279: 80 * 40}
    entries = own | tags
    entries[273] = len(header) + 2 + 12 * len(entries) + 4  # where the pixels begin
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return header + struct.pack("<H", len(entries)) + directory + bytes(4) + bytes(80 * 40)


def test_a_format_that_pillow_knows_but_we_do_not_allow_stays_shut() -> None:
    assert refusal(encoded(two_halves(16, 16), "ICO")).code == Code.UNSUPPORTED_FORMAT
    assert refusal(encoded(two_halves(16, 16), "PPM")).code == Code.NOT_AN_IMAGE


@pytest.mark.parametrize("kept", [4, 20, 200, 0.5, 0.95])
def test_a_truncated_jpeg_is_said_to_be_cut(kept: float) -> None:
    data = photo()
    error = refusal(data[: int(kept if kept > 1 else len(data) * kept)])
    assert error.code == Code.TRUNCATED_IMAGE
    assert not error.transient


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
def test_a_truncated_file_of_any_format_is_said_to_be_cut(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    assert refusal(data[: len(data) // 2]).code == Code.TRUNCATED_IMAGE


def test_too_many_bytes_are_refused_before_they_are_looked_at() -> None:
    assert refusal(bytes(limits.MAX_BYTES + 1)).code == Code.TOO_LARGE


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(99))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def webp_claiming(width: int, height: int) -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4)
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + bytes(64)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "bomb",
    [png_claiming(100_000, 100_000), png_claiming(12_000, 12_000), webp_claiming(16_000, 16_000)],
    ids=["png of ten gigapixels", "png of 144 megapixels", "webp of 256 megapixels"],
)
def test_a_decompression_bomb_is_refused_by_its_header(bomb: bytes) -> None:
    assert refusal(bomb).code == Code.TOO_MANY_PIXELS


def test_a_picture_a_thousand_times_as_long_as_it_is_wide_is_refused() -> None:
    assert refusal(png_claiming(20_000, 19)).code == Code.TOO_MANY_PIXELS


def test_a_small_tiff_of_enormous_tiles_is_refused_before_a_tile_is_allocated() -> None:
    data = tiff_with({322: 65_520, 323: 65_520})
    assert refusal(data).code == Code.TOO_MANY_PIXELS


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(image, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    error = refusal(data[:last] + data[last:-2] * 3000 + data[-2:])
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)


def test_an_enormous_profile_is_ignored() -> None:
    profile = swapped_profile() + bytes(5 * 1024 * 1024)
    found = decode(encoded(Image.new("RGB", (8, 8), (255, 0, 0)), "WEBP", icc_profile=profile)).image
    assert near(found.getpixel((4, 4)), (255, 0, 0))


def test_a_profile_that_inflates_without_end_is_not_inflated() -> None:
    plain = encoded(Image.new("RGB", (8, 8), (255, 0, 0)), "PNG")
    body = b"bomb\0\0" + zlib.compress(bytes(500_000_000), 9)
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    assert peak_of(lambda: refusal(plain[:33] + chunk + plain[33:])) < 50_000_000


def peak_of(act: Callable[[], object]) -> int:
    """The most bytes that Python allocated meanwhile."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_file_that_is_two_kinds_at_once_is_what_its_first_bytes_say() -> None:
    both = encoded(two_halves(), "GIF") + encoded(Image.new("RGB", (8, 8)), "PNG") + b"<script>alert(1)</script>"
    assert decode(both).format == "GIF"


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_no_crash_where_warnings_are_errors() -> None:
    assert refusal(png_claiming(12_000, 12_000)).code == Code.TOO_MANY_PIXELS


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_no_larger_than_needed_and_keeps_its_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    data = encoded(two_halves(3000, 2000), "JPEG", exif=exif)
    picture = decode(data, shortest=224)
    sizes = (picture.image.size, (picture.width, picture.height))
    assert sizes == (((750, 500), (3000, 2000)) if orientation == 1 else ((500, 750), (2000, 3000)))
    exact = decode(data)
    assert exact.image.size == (exact.width, exact.height) == (picture.width, picture.height)


@pytest.mark.parametrize(
    ("size", "reduced"), [((895, 895), (895, 895)), ((4000, 450), (4000, 450)), ((900, 900), (450, 450))]
)
def test_what_is_left_serves_the_vector_and_the_thumbnail(size: tuple[int, int], reduced: tuple[int, int]) -> None:
    found = decode(encoded(two_halves(*size), "JPEG"), shortest=224).image.size
    assert found == (reduced if max(reduced) >= 512 else size)


def test_the_permit_is_asked_for_before_the_pixels_are_there() -> None:
    asked: list[int] = []
    decode(encoded(two_halves(), "PNG"), permit=asked.append)
    assert asked == [80 * 40]


def test_the_thumbnail_is_a_small_upright_jpeg_without_metadata() -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    exif[0x010E] = "where I live"
    stored = two_halves(1600, 800).transpose(Image.Transpose.ROTATE_90)
    data = encoded(stored, "JPEG", exif=exif, icc_profile=swapped_profile(), comment=b"mine", dpi=(300, 300))
    small = Image.open(BytesIO(thumbnail(decode(data).image)))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (512, 256))
    assert not small.getexif()
    assert not {"icc_profile", "comment", "exif", "xmp"} & set(small.info)
    assert near(small.getpixel((100, 128)), (0, 255, 0), 6)


def test_a_small_picture_is_never_enlarged() -> None:
    small = Image.open(BytesIO(thumbnail(decode(encoded(two_halves(), "PNG")).image)))
    assert small.size == (80, 40)


def test_a_thin_strip_still_has_a_thumbnail() -> None:
    assert Image.open(BytesIO(thumbnail(Image.new("RGB", (4000, 1))))).size == (512, 1)
