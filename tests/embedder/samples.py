"""The repository's sample photographs, and images drawn for a test."""

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def captioned_photos() -> list[tuple[Path, str]]:
    """Return each sample photograph with its caption."""
    samples = json.loads((SAMPLES / "samples.json").read_text("utf-8"))
    return [(SAMPLES / sample["file"], sample["title"]) for sample in samples]


def photo() -> bytes:
    """Return a photograph, a JPEG."""
    return (SAMPLES / "photos" / "bison.jpg").read_bytes()


def encode(image: Image.Image, format_name: str, **options: Any) -> bytes:
    """Return the image as a file's bytes."""
    target = BytesIO()
    image.save(target, format_name, **options)
    return target.getvalue()


def two_halves(width: int = 80, height: int = 40) -> Image.Image:
    """Return an image whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image


def decode_vector(result: dict[str, Any]) -> NDArray[np.float32]:
    """Return the vector of a result on the wire."""
    return np.frombuffer(base64.b64decode(result["vector"]), dtype="<f4")


def similar(colour: Any, expected: tuple[int, int, int], tolerance: int = 4) -> bool:
    """Return whether two colours look the same."""
    return all(abs(a - b) <= tolerance for a, b in zip(colour, expected, strict=True))
