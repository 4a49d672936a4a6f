"""From whatever a file's pixels mean to plain 8-bit sRGB: depth, palette, transparency, colour profile."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from embedder_container.limits import MAX_PROFILE_BYTES


def flatten(image: Image.Image) -> Image.Image:
    """The colours in sRGB, without transparency: whatever shines through shows white."""
    image = _eight_bits(image)
    alpha = None
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        image = image if image.mode in ("LA", "RGBA") else _convert(image, "RGBA")
        alpha = image.getchannel("A")
        image = _convert(image, "L" if grey else "RGB")
    elif image.mode in ("P", "PA", "RGBX", "HSV", "YCbCr"):
        image = _convert(image, "RGB")
    colours = _to_srgb(image)
    if alpha is None:
        return colours
    white = Image.new("RGB", colours.size, (255, 255, 255))
    white.paste(colours, mask=alpha)
    return white


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """Convert, keeping the colour profile at hand."""
    converted = image.convert(mode)
    converted.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
    return converted


def _eight_bits(image: Image.Image) -> Image.Image:
    """Bring deep greyscale (16-bit, 32-bit, float) and bilevel pictures down to mode L; leave the others alone."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode not in ("I", "F", "I;16", "I;16L", "I;16B", "I;16N"):
        return image
    values: NDArray[np.float32] = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0.0, neginf=0.0)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        # No agreed white: stretch what is there.
        low, high = float(values.min()), float(values.max())
        values -= np.float32(low)
        values *= np.float32(255 / (high - low) if high > low else 0.0)
    elif image.mode != "I" or values.max() > 255:
        values /= np.float32(257)
    deep = Image.fromarray(np.rint(values).astype(np.uint8))
    deep.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
    return deep


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert by the embedded profile when it is sound and fits the pixels; else take the numbers as they are."""
    profile: Any = None
    try:
        embedded = image.info.get("icc_profile")
        if embedded and len(embedded) <= MAX_PROFILE_BYTES:
            profile = ImageCms.ImageCmsProfile(BytesIO(embedded))
        elif image.mode == "LAB":
            profile = ImageCms.createProfile("LAB")
        if profile is not None and not _is_srgb(profile):
            in_place = image.mode == "RGB"  # spares a large photograph a second copy
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
        pass  # a broken profile, or one for other pixels: every viewer shows the picture without it
    return image if image.mode == "RGB" else image.convert("RGB")


def _is_srgb(profile: Any) -> bool:
    """Most photographs carry the standard sRGB profile: converting them would cost time and change nothing."""
    if not isinstance(profile, ImageCms.ImageCmsProfile):
        return False
    return (profile.profile.profile_description or "").startswith("sRGB IEC61966")
