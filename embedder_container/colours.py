"""Converts an image of any mode to 8-bit sRGB: depth, palette, transparency, colour profile."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from embedder_container.limits import MAX_PROFILE_BYTES

DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def flatten(image: Image.Image) -> Image.Image:
    """Return the image in sRGB without transparency, on a white background."""
    image = _to_eight_bits(image)
    alpha = None
    if image.has_transparency_data:
        is_grey = image.mode in ("L", "LA", "La")
        image = image if image.mode in ("LA", "RGBA") else _convert(image, "RGBA")
        alpha = image.getchannel("A")
        image = _convert(image, "L" if is_grey else "RGB")
    elif image.mode in ("P", "PA", "RGBX", "HSV", "YCbCr"):
        image = _convert(image, "RGB")
    colours = _to_srgb(image)
    if alpha is None:
        return colours
    background = Image.new("RGB", colours.size, (255, 255, 255))
    background.paste(colours, mask=alpha)
    return background


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """Convert to another mode and keep the colour profile."""
    converted = image.convert(mode)
    converted.info = _profile_info(image)
    return converted


def _profile_info(image: Image.Image) -> dict[Any, Any]:
    return {key: value for key, value in image.info.items() if key == "icc_profile"}


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Convert deep greyscale (16-bit, 32-bit, float) and bilevel images to mode L; return others unchanged."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode not in DEEP_MODES:
        return image
    values: NDArray[np.float32] = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0.0, neginf=0.0)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        # There is no agreed white: stretch the values that occur to 0…255.
        low, high = float(values.min()), float(values.max())
        values -= np.float32(low)
        values *= np.float32(255 / (high - low) if high > low else 0.0)
    elif image.mode != "I" or values.max() > 255:
        values /= np.float32(257)
    grey = Image.fromarray(np.rint(values).astype(np.uint8))
    grey.info = _profile_info(image)
    return grey


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert by the embedded profile if it is valid and fits the mode; otherwise keep the values."""
    profile: Any = None
    try:
        embedded = image.info.get("icc_profile")
        if embedded and len(embedded) <= MAX_PROFILE_BYTES:
            profile = ImageCms.ImageCmsProfile(BytesIO(embedded))
        elif image.mode == "LAB":
            profile = ImageCms.createProfile("LAB")
        if profile is not None and not _is_srgb(profile):
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
            return image if converted is None else converted
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        pass  # a broken profile, or one for another mode: every viewer ignores it too
    return image if image.mode == "RGB" else image.convert("RGB")


def _is_srgb(profile: Any) -> bool:
    """Return whether this is the standard sRGB profile, which most photographs have: conversion changes nothing."""
    if not isinstance(profile, ImageCms.ImageCmsProfile):
        return False
    return (profile.profile.profile_description or "").startswith("sRGB IEC61966")
