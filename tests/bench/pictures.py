"""Vectors that lie as those of very many different pictures lie, and queries that are none of them.

The 50 samples, cropped, mirrored, recoloured and turned, are embedded by the lite model: real vectors, but of 50
subjects, and variants of one photograph differ in a handful of numbers. Their intrinsic dimension is about 5, and in a
set like that a graph finds all neighbours with any setting. What is indexed is therefore drawn: kinds of pictures,
groups within a kind, pictures in a group, each a step of its own, whose variances add up to what the real vectors have
in each direction. The set has their mean and covariance, clusters in clusters, many neighbours at nearly one distance,
and an intrinsic dimension of about 20 (both are printed); for ImageNet's photographs this estimator gives 26 to 43
(Pope et al. 2021, https://openreview.net/forum?id=XJk19XzGq2J), and a network's last layers reduce it (Ansuini et al.
2019, https://arxiv.org/abs/1905.12784). Queries are drawn beside what is indexed, are real pictures, and real texts.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from embedder_container.inference import Model
from embedder_container.models import load_description
from embedder_container.transforms import to_pixels

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
VARIANTS, PICTURES = 2_000, 50  # embedded to draw from, and to ask with
DRAWN = 100  # queries beside what is indexed
KIND, GROUP = 200, 20  # vectors of one, on average
SHARES = (0.3, 0.2, 0.5)  # of the variance: between kinds, between groups of a kind, within a group
CHUNK = 10_000
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """(n, D) ``vectors`` of length one, the (n,) ``kinds`` they are of, and (m, D) ``queries`` of three ``sorts``.

    ``real`` are the (2000, D) vectors that all is drawn after.
    """

    vectors: Vectors
    kinds: NDArray[np.int64]
    queries: Vectors
    sorts: list[str]
    real: Vectors


def draw(count: int, kept: Path = ROOT / "build" / "bench") -> Drawn:
    """The same ones each time."""
    pictures, texts = _embedded(kept), _texts()
    real, asked = pictures[:VARIANTS], pictures[VARIANTS:]
    random = np.random.default_rng(11)
    drawn, kinds = _drawn(real, count + DRAWN, random)
    queries, sorts = [], []
    turns = (("drawn", drawn[:DRAWN:2]), ("picture", asked), ("drawn", drawn[1:DRAWN:2]), ("text", texts))
    for place in range(DRAWN // 2):
        for sort, some in turns:
            if place < len(some):
                queries.append(some[place])
                sorts.append(sort)
    return Drawn(drawn[DRAWN:], kinds[DRAWN:], np.stack(queries), sorts, real)


def intrinsic_dimension(vectors: Vectors, neighbours: int = 20, of: int = 1_000) -> float:
    """Levina's and Bickel's maximum likelihood estimate, from the neighbours of some of the (n, D) vectors.

    Averaged as MacKay and Ghahramani propose (http://www.inference.org.uk/mackay/dimension/), by the inverse.
    """
    chosen = np.random.default_rng(5).choice(len(vectors), min(of, len(vectors)), replace=False)
    cosines = vectors[chosen].astype(np.float64) @ vectors.astype(np.float64).T
    cosines[np.arange(len(chosen)), chosen] = -2  # itself
    nearest = -np.sort(-np.partition(cosines, -neighbours, axis=1)[:, -neighbours:], axis=1)
    away = np.sqrt(np.maximum(2 - 2 * nearest, 1e-12))
    return float(1 / np.mean(np.log(away[:, -1:] / away[:, :-1])))


def _drawn(real: Vectors, count: int, random: np.random.Generator) -> tuple[Vectors, NDArray[np.int64]]:
    mean = real.mean(axis=0, dtype=np.float64)
    values, directions = np.linalg.eigh(np.cov(real, rowvar=False, dtype=np.float64))
    # Standard normal numbers times this have the real vectors' covariance.
    shape = (directions * np.sqrt(np.maximum(values, 0))).T.astype("<f4")
    groups = max(1, count // GROUP)
    kind_of_group = random.integers(0, max(1, count // KIND), groups)
    # As unequal as subjects are: a few that everybody photographs, many that few do.
    weight = random.lognormal(0, 1, groups)
    group = random.choice(groups, count, p=weight / weight.sum())
    between, within, own = (np.sqrt(share) for share in SHARES)
    centres = between * random.standard_normal((groups, len(mean)))[kind_of_group]
    centres += within * random.standard_normal((groups, len(mean)))
    drawn = np.empty((count, len(mean)), "<f4")
    for first in range(0, count, CHUNK):
        some = group[first : first + CHUNK]
        steps = centres[some] + own * random.standard_normal((len(some), len(mean)))
        drawn[first : first + CHUNK] = mean + steps.astype("<f4") @ shape
    return _unit(drawn), kind_of_group[group]


def _embedded(kept: Path) -> Vectors:
    """(2050, D): variants of the samples, the last fifty of one photograph each."""
    file = kept / "variants.npy"
    if not file.exists():
        model = Model(load_description(ROOT / "embedder_container" / "models", "lite"), threads=1)
        model.load_vision()
        config = model.description.image
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda image: model.embed_pixels(to_pixels(image, config)), _variants()))
        kept.mkdir(parents=True, exist_ok=True)
        np.save(file, np.stack(found))
    embedded: Vectors = np.load(file)[: VARIANTS + PICTURES]
    return embedded


def _texts() -> Vectors:
    """The samples' titles."""
    model = Model(load_description(ROOT / "embedder_container" / "models", "lite"), threads=1)
    titles = [photo["title"] for photo in json.loads((SAMPLES / "samples.json").read_text())]
    return np.stack([model.embed_text(f"a photo of {title}") for title in titles])


def _variants() -> Iterator[Image.Image]:
    random = np.random.default_rng(7)
    photos = [Image.open(path).convert("RGB") for path in sorted((SAMPLES / "photos").glob("*.jpg"))]
    for number in range(VARIANTS + PICTURES):
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


def _unit(values: Vectors) -> Vectors:
    unit: Vectors = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit.astype("<f4")
