"""The photographs that the benchmarks use, made as phones and cameras write them."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[3]
IMAGE_FOLDER = ROOT / "build" / "bench-pictures"
SIZES = {"640": (640, 427), "3000": (3000, 2000)}
IMAGE_COUNT = 16
# Standard deviation of the noise that a sensor adds: the files then have 0.2 bytes a pixel, as phones write them.
GRAIN = 3


def image_files(size: str) -> list[Path]:
    """Return IMAGE_COUNT JPEGs of one of SIZES, made from the samples the first time."""
    folder = IMAGE_FOLDER / size
    folder.mkdir(parents=True, exist_ok=True)
    samples = sorted((ROOT / "samples" / "photos").glob("*.jpg"))[:IMAGE_COUNT]
    rng = np.random.default_rng(0)
    for sample in samples:
        if not (folder / sample.name).exists():
            (folder / sample.name).write_bytes(_jpeg(sample, SIZES[size], rng))
    return [folder / sample.name for sample in samples]


def _jpeg(sample: Path, size: tuple[int, int], rng: np.random.Generator) -> bytes:
    image = Image.open(sample).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    grain = rng.normal(0, GRAIN, (size[1], size[0], 1))
    grainy = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    target = BytesIO()
    Image.fromarray(grainy).save(target, "JPEG", quality=90)
    return target.getvalue()
