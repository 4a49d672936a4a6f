"""The repository's sample photographs, and pictures drawn for a test."""

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def captions() -> list[tuple[Path, str]]:
    """Each sample photograph with its caption."""
    cards = json.loads((SAMPLES / "samples.json").read_text("utf-8"))
    return [(SAMPLES / card["file"], card["title"]) for card in cards]


def photo() -> bytes:
    """One real photograph, a JPEG."""
    return (SAMPLES / "photos" / "bison.jpg").read_bytes()


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file's bytes."""
    target = BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def two_halves(width: int = 80, height: int = 40) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image


def vector(result: dict[str, Any]) -> NDArray[np.float32]:
    """The vector of a result on the wire."""
    return np.frombuffer(base64.b64decode(result["vector"]), dtype="<f4")


def near(found: Any, wanted: tuple[int, int, int], tolerance: int = 4) -> bool:
    """Whether two colours look the same."""
    return all(abs(a - b) <= tolerance for a, b in zip(found, wanted, strict=True))
