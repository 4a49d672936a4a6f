"""An untrusted file becomes an upright sRGB image, or an error that says why not."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from embedder_container import limits
from embedder_container.errors import Code, ItemError
from embedder_container.images import decode, thumbnail
from tests.embedder.samples import encode, photo, similar, two_halves

EXIF_ORIENTATION = 0x0112


def refusal(data: bytes) -> ItemError:
    with pytest.raises(ItemError) as caught:
        decode(data)
    return caught.value


pillow_heif.register_heif_opener()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "JPEG2000"])
def test_each_supported_format_is_decoded_and_named(format_name: str) -> None:
    decoded = decode(encode(two_halves(), format_name))
    assert decoded.format == format_name
    assert decoded.image.mode == "RGB"
    assert decoded.image.size == (80, 40)
    assert similar(decoded.image.getpixel((10, 20)), (255, 0, 0))
    assert similar(decoded.image.getpixel((70, 20)), (0, 0, 255))


def test_a_multi_picture_jpeg_counts_as_jpeg() -> None:
    data = encode(two_halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (80, 40))])
    decoded = decode(data)
    assert decoded.format == "JPEG"
    assert similar(decoded.image.getpixel((10, 20)), (255, 0, 0))


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(format_name: str, orientation: int) -> None:
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
    decoded = decode(encode(stored, format_name, exif=exif.tobytes() if format_name == "HEIF" else exif))
    assert decoded.image.size == (decoded.width, decoded.height) == (80, 40)
    assert similar(decoded.image.getpixel((10, 20)), (255, 0, 0))
    assert similar(decoded.image.getpixel((70, 20)), (0, 0, 255))


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_the_time_of_taking_is_read_from_exif(format_name: str) -> None:
    taken = {0x9003: "2024:05:06 07:08:09", 0x9011: "+05:30"}
    exif = Image.Exif()
    exif[0x010E] = "a caption"  # Pillow takes a block without a tag of the first directory for an empty one
    exif.get_ifd(0x8769).update(taken)
    options = {"TIFF": {"tiffinfo": {0x8769: taken}}, "HEIF": {"exif": exif.tobytes()}}.get(format_name, {"exif": exif})
    assert decode(encode(two_halves(), format_name, **options)).taken == "2024-05-06T07:08:09+05:30"
    assert decode(encode(two_halves(), format_name)).taken is None


def test_a_heif_is_oriented_by_its_container_and_not_by_its_exif() -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    assert decode(encode(two_halves(), "HEIF", exif=exif)).image.size == (80, 40)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_an_image_with_damaged_exif_is_decoded() -> None:
    data = encode(two_halves(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage")
    assert decode(data).image.size == (80, 40)


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
def test_transparent_pixels_become_white(format_name: str) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 20))
    image = decode(encode(image, format_name, **({"lossless": True} if format_name == "WEBP" else {}))).image
    assert image.getpixel((15, 10)) == (255, 255, 255)
    assert image.getpixel((5, 10)) == (255, 0, 0)


def test_half_transparent_black_becomes_grey() -> None:
    image = decode(encode(Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "PNG")).image
    assert similar(image.getpixel((1, 1)), (127, 127, 127), 1)


def test_a_grey_image_with_alpha_keeps_its_grey() -> None:
    image = Image.new("LA", (4, 4), (100, 255))
    image.putpixel((0, 0), (0, 0))
    image = decode(encode(image, "PNG")).image
    assert image.getpixel((2, 2)) == (100, 100, 100)
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_a_palette_image_gets_its_colours_and_its_transparent_entry_becomes_white() -> None:
    image = two_halves().quantize(4)
    transparent = image.getpixel((70, 20))
    plain = decode(encode(image, "PNG")).image
    assert similar(plain.getpixel((70, 20)), (0, 0, 255))
    image = decode(encode(image, "PNG", transparency=transparent)).image
    assert similar(image.getpixel((10, 20)), (255, 0, 0))
    assert image.getpixel((70, 20)) == (255, 255, 255)


def test_a_bilevel_image_becomes_black_and_white() -> None:
    image = Image.new("1", (8, 8), 1)
    image.putpixel((0, 0), 0)
    image = decode(encode(image, "PNG")).image
    assert (image.getpixel((0, 0)), image.getpixel((4, 4))) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(format_name: str) -> None:
    image = Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16))
    image = decode(encode(image, format_name)).image
    assert [image.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (100, 100, 100), (255, 255, 255)]


def test_a_floating_point_tiff_is_stretched_to_8_bits() -> None:
    image = Image.fromarray(np.array([[-1.0, 0.0, 1.0, np.nan]], dtype=np.float32))
    image = decode(encode(image, "TIFF")).image
    assert [image.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]


def test_cmyk_is_converted_to_srgb() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image = decode(encode(image, "JPEG")).image
    assert similar(image.getpixel((4, 4)), (254, 0, 0))


def test_lab_is_converted_to_srgb() -> None:
    red = ImageCms.profileToProfile(
        Image.new("RGB", (8, 8), (255, 0, 0)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert red is not None
    assert similar(decode(encode(red, "TIFF")).image.getpixel((4, 4)), (255, 0, 0), 8)


def swapped_profile() -> bytes:
    """Return a valid RGB profile whose red and green are swapped: applying it turns red into green."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    entries = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = entries[b"rXYZ"] + 4, entries[b"gXYZ"] + 4
    data[red : red + 8], data[green : green + 8] = data[green : green + 8], data[red : red + 8]
    return bytes(data).replace(b"s\0R\0G\0B\0", b"t\0e\0s\0t\0").replace(b"\0s\0R\0G\0B", b"\0t\0e\0s\0t")


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_the_embedded_colour_profile_is_applied(format_name: str) -> None:
    image = Image.new("RGB", (16, 16), (255, 0, 0))
    image = decode(encode(image, format_name, icc_profile=swapped_profile())).image
    assert similar(image.getpixel((8, 8)), (0, 255, 0))


def test_the_colour_profile_of_a_transparent_image_is_applied() -> None:
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    image = decode(encode(image, "PNG", icc_profile=swapped_profile())).image
    assert similar(image.getpixel((8, 8)), (0, 255, 0))
    assert image.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("profile", [b"no profile at all", swapped_profile()[:200]])
def test_a_broken_colour_profile_is_ignored(profile: bytes) -> None:
    image = decode(encode(Image.new("RGB", (8, 8), (255, 0, 0)), "PNG", icc_profile=profile)).image
    assert image.getpixel((4, 4)) == (255, 0, 0)


def test_a_colour_profile_for_another_mode_is_ignored() -> None:
    image = decode(encode(Image.new("L", (8, 8), 90), "PNG", icc_profile=swapped_profile())).image
    assert image.getpixel((4, 4)) == (90, 90, 90)


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_is_decoded_to_its_first_frame(format_name: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255)]]
    image = decode(encode(frames[0], format_name, save_all=True, append_images=frames[1:])).image
    assert similar(image.getpixel((8, 8)), (255, 0, 0))


def test_a_file_without_bytes_is_refused_as_empty() -> None:
    assert refusal(b"").code == Code.EMPTY


@pytest.mark.parametrize("data", [b"hello, world\n", b"\0" * 4096, b"BMW is a car maker", b"RIFF....WAVEfmt "])
def test_a_file_that_is_not_an_image_is_refused_as_such(data: bytes) -> None:
    assert refusal(data).code == Code.NOT_AN_IMAGE


@pytest.mark.parametrize(
    ("data", "format_name"),
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
def test_an_unsupported_format_is_refused_by_name(data: bytes, format_name: str) -> None:
    error = refusal(data)
    assert error.code == Code.UNSUPPORTED_FORMAT
    assert format_name in error.message


@pytest.mark.parametrize(
    ("tags", "format_name"),
    [
        ({50706: 0x00000401}, "DNG"),
        ({254: 1, 330: 8}, "camera raw"),
        ({262: 32803}, "camera raw"),
        ({259: 34713}, "camera raw"),
    ],
)
def test_a_camera_raw_file_is_refused_although_its_preview_is_a_tiff(tags: dict[int, int], format_name: str) -> None:
    assert format_name in refusal(tiff_with(tags)).message


def test_a_tiff_with_pages_is_not_taken_for_a_camera_raw_file() -> None:
    assert decode(tiff_with({254: 0, 330: 8})).format == "TIFF"


def tiff_with(tags: dict[int, int]) -> bytes:
    """Return a valid grey TIFF, 80 by 40, whose first directory has these tags, which override its own."""
    header = struct.pack("<2sHI", b"II", 42, 8)
    own = {256: 80, 257: 40, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 40, 279: 80 * 40}
    entries = own | tags
    entries[273] = len(header) + 2 + 12 * len(entries) + 4  # where the pixels begin
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return header + struct.pack("<H", len(entries)) + directory + bytes(4) + bytes(80 * 40)


def test_a_format_that_only_pillow_supports_is_refused() -> None:
    assert refusal(encode(two_halves(16, 16), "ICO")).code == Code.UNSUPPORTED_FORMAT
    assert refusal(encode(two_halves(16, 16), "PPM")).code == Code.NOT_AN_IMAGE


@pytest.mark.parametrize("kept", [4, 20, 200, 0.5, 0.95])
def test_a_truncated_jpeg_is_refused_as_truncated(kept: float) -> None:
    data = photo()
    error = refusal(data[: int(kept if kept > 1 else len(data) * kept)])
    assert error.code == Code.TRUNCATED_IMAGE
    assert not error.transient


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "JPEG2000"])
def test_a_truncated_file_of_any_format_is_refused_as_truncated(format_name: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encode(noise, format_name)
    assert refusal(data[: len(data) // 2]).code == Code.TRUNCATED_IMAGE


def test_a_file_of_too_many_bytes_is_refused() -> None:
    assert refusal(bytes(limits.MAX_FILE_BYTES + 1)).code == Code.TOO_LARGE


def png_claiming(width: int, height: int) -> bytes:
    def chunk(chunk_type: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + chunk_type + body + struct.pack(">I", zlib.crc32(chunk_type + body))

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


def test_an_image_over_a_thousand_times_as_long_as_wide_is_refused() -> None:
    assert refusal(png_claiming(20_000, 19)).code == Code.TOO_MANY_PIXELS


def test_a_small_tiff_with_enormous_tiles_is_refused() -> None:
    data = tiff_with({322: 65_520, 323: 65_520})
    assert refusal(data).code == Code.TOO_MANY_PIXELS


def test_a_jpeg_with_thousands_of_scans_is_refused() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encode(image, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    error = refusal(data[:last] + data[last:-2] * 3000 + data[-2:])
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)


def test_an_enormous_colour_profile_is_ignored() -> None:
    profile = swapped_profile() + bytes(5 * 1024 * 1024)
    image = decode(encode(Image.new("RGB", (8, 8), (255, 0, 0)), "WEBP", icc_profile=profile)).image
    assert similar(image.getpixel((4, 4)), (255, 0, 0))


def test_a_colour_profile_that_inflates_to_100_megabytes_is_not_inflated() -> None:
    plain = encode(Image.new("RGB", (8, 8), (255, 0, 0)), "PNG")
    body = b"bomb\0\0" + zlib.compress(bytes(100_000_000), 9)
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    assert peak_of(lambda: decode(plain[:33] + chunk + plain[33:])) < 50_000_000
    assert decode(plain[:33] + chunk + plain[33:]).image.getpixel((4, 4)) == (255, 0, 0)


def peak_of(act: Callable[[], object]) -> int:
    """Return the most bytes that Python allocated while `act` ran."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_file_of_two_formats_is_decoded_by_its_first_bytes() -> None:
    both = encode(two_halves(), "GIF") + encode(Image.new("RGB", (8, 8)), "PNG") + b"<script>alert(1)</script>"
    assert decode(both).format == "GIF"


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_even_if_warnings_are_errors() -> None:
    assert refusal(png_claiming(12_000, 12_000)).code == Code.TOO_MANY_PIXELS


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_at_a_reduced_size_and_reports_its_full_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    data = encode(two_halves(3000, 2000), "JPEG", exif=exif)
    decoded = decode(data, shortest=224)
    sizes = (decoded.image.size, (decoded.width, decoded.height))
    assert sizes == (((750, 500), (3000, 2000)) if orientation == 1 else ((500, 750), (2000, 3000)))
    full = decode(data)
    assert full.image.size == (full.width, full.height) == (decoded.width, decoded.height)


@pytest.mark.parametrize(
    ("size", "reduced"), [((895, 895), (895, 895)), ((4000, 450), (4000, 450)), ((900, 900), (450, 450))]
)
def test_a_reduced_jpeg_is_large_enough_for_the_vector_and_the_thumbnail(
    size: tuple[int, int], reduced: tuple[int, int]
) -> None:
    decoded_size = decode(encode(two_halves(*size), "JPEG"), shortest=224).image.size
    assert decoded_size == (reduced if max(reduced) >= 512 else size)


@pytest.mark.parametrize(("side", "decoded"), [(512, 1000), (1024, 2000)])
def test_a_jpeg_is_reduced_no_further_than_its_thumbnail_needs(side: int, decoded: int) -> None:
    image = decode(encode(two_halves(4000, 3000), "JPEG"), shortest=224, longest=side).image
    assert image.width == decoded
    assert Image.open(BytesIO(thumbnail(image, side))).width == side


def requested_memory(data: bytes, shortest: int = 0) -> int:
    """Return how many bytes a decode asks for, without those of its interpreter and its file."""
    requested: list[int] = []
    decode(data, shortest, wait_for_memory=requested.append)
    return requested[0] - limits.DECODER_BYTES - len(data)


def test_memory_is_requested_for_the_image_as_it_is_decoded() -> None:
    pixels = 2400 * 1800
    picture = two_halves(2400, 1800)
    assert requested_memory(encode(picture, "PNG")) == pixels * 4
    assert requested_memory(encode(picture, "JPEG")) == pixels * 4
    assert requested_memory(encode(picture.convert("L"), "JPEG")) == pixels * (1 + 4)
    assert requested_memory(encode(picture, "JPEG"), shortest=75) == pixels // 16 * 4


def test_memory_is_requested_for_the_coefficients_of_a_progressive_jpeg_at_any_size() -> None:
    pixels = 2400 * 1800
    for quarters, samples in ((0, 3 * pixels), (2, pixels * 3 // 2)):
        data = encode(two_halves(2400, 1800), "JPEG", progressive=True, subsampling=quarters)
        assert requested_memory(data, shortest=75) == 2 * samples + pixels // 16 * 4
    inks = encode(two_halves(2400, 1800).convert("CMYK"), "JPEG", progressive=True)
    assert requested_memory(inks, shortest=75) == 2 * 4 * pixels + pixels // 16 * (4 + 4)


def test_the_thumbnail_is_a_small_upright_jpeg_without_metadata() -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    exif[0x010E] = "where I live"
    stored = two_halves(1600, 800).transpose(Image.Transpose.ROTATE_90)
    data = encode(stored, "JPEG", exif=exif, icc_profile=swapped_profile(), comment=b"mine", dpi=(300, 300))
    small = Image.open(BytesIO(thumbnail(decode(data).image)))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (512, 256))
    assert not small.getexif()
    assert not {"icc_profile", "comment", "exif", "xmp"} & set(small.info)
    assert similar(small.getpixel((100, 128)), (0, 255, 0), 6)


def test_the_thumbnail_of_a_small_image_is_not_enlarged() -> None:
    small = Image.open(BytesIO(thumbnail(decode(encode(two_halves(), "PNG")).image)))
    assert small.size == (80, 40)


def test_a_strip_of_one_pixel_has_a_thumbnail() -> None:
    assert Image.open(BytesIO(thumbnail(Image.new("RGB", (4000, 1))))).size == (512, 1)
