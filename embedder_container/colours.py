"""Converts an image of any mode to 8-bit sRGB: depth, palette, transparency, declared colours."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from embedder_container import limits
from embedder_container.colour_spaces import ColourSpace, ToneMapping, from_code_points

DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Colours:
    """What a file declares of its colours: an ICC profile, or else a space by numbers. Neither: sRGB."""

    profile: bytes | None = None
    space: ColourSpace | None = None


def flatten(image: Image.Image, alpha: Image.Image | None, colours: Colours) -> Image.Image:
    """Return the image in sRGB without transparency, on a white background.

    `alpha` is its alpha channel, if that is not in the image.
    """
    image = to_eight_bits(image)
    if alpha is None and image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if alpha is None and image.has_transparency_data:
        is_grey = image.mode in ("L", "LA")
        image = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("L" if is_grey else "RGB")
    elif image.mode in ("P", "PA", "RGBA", "RGBX", "HSV", "YCbCr", "LA"):
        image = image.convert("L" if image.mode == "LA" else "RGB")
    flat = _to_srgb(image, colours)
    if alpha is None:
        return flat
    if alpha.size != flat.size:
        alpha = alpha.resize(flat.size, Image.Resampling.BOX)
    background = Image.new("RGB", flat.size, WHITE)
    background.paste(flat, mask=alpha)
    return background


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Convert deep greys (16-bit, 32-bit, float) and bilevel images to mode L; return others unchanged."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode not in DEEP_MODES:
        return image
    if image.mode.startswith("I;16"):
        return map_grey16(image, np.rint(np.arange(65536, dtype=np.float32) / np.float32(257)).astype(np.uint8))
    lows, highs = zip(*((band.min(), band.max()) for band in _float_bands(image)), strict=True)
    low, high, scale = 0.0, 255.0, 1.0
    if image.mode == "F" or min(lows) < 0 or max(highs) > 65535:
        # There is no agreed white: stretch the values that occur to 0…255.
        low, high = float(min(lows)), float(max(highs))
        scale = 255 / (high - low) if high > low else 0.0
    elif max(highs) > 255:
        scale = 1 / 257
    grey = Image.new("L", image.size)
    bands = ((band - np.float32(low)) * np.float32(scale) for band in _float_bands(image))
    return _filled(grey, (np.rint(band).astype(np.uint8) for band in bands))


def map_grey16(image: Image.Image, table: NDArray[np.uint8]) -> Image.Image:
    """Return a mode L image of the table's entries for a 16-bit image's values."""
    return _filled(Image.new("L", image.size), (table[np.asarray(image.crop(box))] for box in _boxes(image)))


def grey16_table(space: ColourSpace) -> NDArray[np.uint8]:
    """Return sRGB's 8-bit greys for 16-bit greys of a colour space."""
    return np.rint(space.grey_to_srgb(65536)).astype(np.uint8)


def _float_bands(image: Image.Image) -> Iterator[NDArray[np.float32]]:
    for box in _boxes(image):
        yield np.nan_to_num(np.asarray(image.crop(box)).astype(np.float32), posinf=0.0, neginf=0.0)


def _boxes(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    rows = max(1, limits.BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _filled(image: Image.Image, bands: Iterator[NDArray[np.uint8]]) -> Image.Image:
    for box, band in zip(_boxes(image), bands, strict=True):
        image.paste(Image.fromarray(band), box)
    return image


def _to_srgb(image: Image.Image, colours: Colours) -> Image.Image:
    """Convert by the declared colours if they are valid and fit the mode; otherwise keep the values."""
    profile: Any = None
    if colours.profile and len(colours.profile) <= limits.MAX_PROFILE_BYTES:
        space = _space_in_profile(colours.profile)
        if space is not None and image.mode in ("L", "RGB"):
            return _by_space(image, space)
        profile = _opened_profile(colours.profile)
    if profile is None and image.mode == "LAB":
        profile = ImageCms.createProfile("LAB")
    if profile is not None:
        converted = image if _is_srgb(profile) and image.mode == "RGB" else _by_profile(image, profile)
        if converted is not None:
            return converted
    if colours.space is not None and image.mode in ("L", "RGB"):
        return _by_space(image, colours.space)
    return image if image.mode == "RGB" else image.convert("RGB")


def _opened_profile(profile: bytes) -> Any:
    try:
        return ImageCms.ImageCmsProfile(BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _by_profile(image: Image.Image, profile: Any) -> Image.Image | None:
    """Convert by an ICC profile; None if it is broken or for another mode, which every viewer ignores."""
    try:
        in_place = image.mode == "RGB"  # saves a second copy of a large photograph
        converted = ImageCms.profileToProfile(
            image,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            inPlace=in_place,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return image if converted is None else converted


def _by_space(image: Image.Image, space: ColourSpace) -> Image.Image:
    if space.is_srgb:
        return image.convert("RGB")
    if image.mode == "L":
        return image.point(np.rint(space.grey_to_srgb(256)).astype(np.uint8).tolist()).convert("RGB")
    if space.is_hdr:
        factor = _reduction(image)
        return ToneMapping(space).convert(image if factor == 1 else image.reduce(factor))
    return _by_profile(image, ImageCms.ImageCmsProfile(BytesIO(space.icc_profile()))) or image


def _reduction(image: Image.Image) -> int:
    """Return by how much a large HDR picture is reduced first: tone mapping takes 0.1 microseconds a pixel."""
    factor = math.ceil(math.sqrt(image.width * image.height / limits.LARGE_PIXELS))
    return max(1, min(factor, min(image.size) // limits.THUMBNAIL_SIDE))


def _space_in_profile(profile: bytes) -> ColourSpace | None:
    """Return the HDR space that a profile's own cicp tag names (ICC.1:2022): its tables would not be tone-mapped."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        for number in range(min(count, 100)):
            name, start, length = struct.unpack_from(">4sII", profile, 132 + 12 * number)
            if name == b"cicp" and length >= 12 and profile[start : start + 4] == b"cicp":
                space = from_code_points(profile[start + 8], profile[start + 9])
                return space if space is not None and space.is_hdr else None
    except (struct.error, IndexError):
        pass
    return None


def _is_srgb(profile: Any) -> bool:
    """Return whether this is the standard sRGB profile, which most photographs have: conversion changes nothing."""
    if not isinstance(profile, ImageCms.ImageCmsProfile):
        return False
    return (profile.profile.profile_description or "").startswith("sRGB IEC61966")
