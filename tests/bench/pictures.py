"""Vectors as real pictures lie: the samples, cropped, mirrored, recoloured and turned, through the lite model.

2,000 variants of 50 photographs are embedded. More are made between them: a variant drawn towards another one, of the
same picture or of a neighbouring one, with some noise, so that there are near doubles, loose groups and things between.
Queries are variants that nothing was made of.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from embedder_container.inference import Model
from embedder_container.models import load_card
from embedder_container.preprocessing import to_pixels

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "samples" / "photos"
VARIANTS, QUERIES = 2_000, 200
NOISE = 0.25  # length of the noise against a vector's
Vectors = NDArray[np.float32]


def vectors(count: int, kept: Path = ROOT / "build" / "bench") -> tuple[Vectors, Vectors]:
    """(count, D) vectors and (200, D) queries, of length one; the same ones each time."""
    embedded = _embedded(kept)
    base, queries = embedded[:VARIANTS], embedded[VARIANTS:]
    random = np.random.default_rng(11)
    one = random.integers(0, len(base), count)
    # Towards one of the 64 nearest: groups stay groups.
    near = np.argsort(-(base @ base.T), axis=1)[:, 1:65]
    other = near[one, random.integers(0, near.shape[1], count)]
    share = random.uniform(0.5, 1, (count, 1))
    noise = random.standard_normal((count, base.shape[1]))
    noise *= NOISE * random.uniform(0, 1, (count, 1)) / np.linalg.norm(noise, axis=1, keepdims=True)
    return _unit(share * base[one] + (1 - share) * base[other] + noise), queries


def _embedded(kept: Path) -> Vectors:
    file = kept / "variants.npy"
    if not file.exists():
        model = Model(load_card(ROOT / "embedder_container" / "models", "lite"), threads=1)
        model.load_vision()
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda image: model.embed_pixels(to_pixels(image, model.card.image)), _variants()))
        kept.mkdir(parents=True, exist_ok=True)
        np.save(file, np.stack(found))
    embedded: Vectors = np.load(file)
    return embedded


def _variants() -> Iterator[Image.Image]:
    random = np.random.default_rng(7)
    photos = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.glob("*.jpg"))]
    for number in range(VARIANTS + QUERIES):
        image = photos[number % len(photos)]
        width, height = image.size
        scale = random.uniform(0.35, 1)
        left, top = random.uniform(0, 1 - scale, 2)
        image = image.crop(
            (int(left * width), int(top * height), int((left + scale) * width), int((top + scale) * height))
        )
        if random.random() < 0.5:
            image = ImageOps.mirror(image)
        image = image.rotate(random.uniform(-20, 20), Image.Resampling.BILINEAR)
        image = ImageEnhance.Color(image).enhance(random.uniform(0, 2))
        yield ImageEnhance.Brightness(image).enhance(random.uniform(0.6, 1.4))


def _unit(values: NDArray[np.float64]) -> Vectors:
    unit: Vectors = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype("<f4")
    return unit
