"""Vectors distributed like those of very many different pictures, and queries that are not among them.

The 50 samples, cropped, mirrored, recoloured and turned, are embedded by the lite model: real vectors, but of 50
subjects, and variants of one photograph differ in a handful of numbers. Their intrinsic dimension is about 5, and in a
set like that a graph finds all neighbours with any setting. What is indexed is therefore drawn: kinds of pictures,
groups within a kind, pictures in a group, each a random step, whose variances add up to those of the real vectors in
each direction. The set has their mean and covariance, clusters in clusters, many neighbours at nearly one distance,
and an intrinsic dimension of about 20 (both are printed); for ImageNet's photographs this estimator gives 26 to 43
(Pope et al. 2021, https://openreview.net/forum?id=XJk19XzGq2J), and a network's last layers reduce it (Ansuini et al.
2019, https://arxiv.org/abs/1905.12784). Queries are drawn like the indexed vectors, are real pictures, and real texts.
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
VARIANTS = 2_000  # pictures that are embedded to draw after
PICTURE_QUERIES, DRAWN_QUERIES = 50, 100
KIND_SIZE, GROUP_SIZE = 200, 20  # vectors, on average
VARIANCE_FRACTIONS = (0.3, 0.2, 0.5)  # between kinds, between groups of a kind, within a group
ROWS_AT_ONCE = 10_000
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """(n, D) ``vectors`` of length one with their (n,) ``kinds``, and (m, D) ``queries`` of three ``sorts``.

    ``real`` are the (2000, D) vectors whose mean and covariance the drawn ones have.
    """

    vectors: Vectors
    kinds: NDArray[np.int64]
    queries: Vectors
    sorts: list[str]
    real: Vectors


def draw(count: int, cache: Path = ROOT / "build" / "bench") -> Drawn:
    """Draw the same vectors and queries each time."""
    pictures, texts = _embedded_variants(cache), _embedded_titles()
    real, picture_queries = pictures[:VARIANTS], pictures[VARIANTS:]
    random = np.random.default_rng(11)
    drawn, kinds = _draw_like(real, count + DRAWN_QUERIES, random)
    queries, sorts = [], []
    turns = (
        ("drawn", drawn[:DRAWN_QUERIES:2]),
        ("picture", picture_queries),
        ("drawn", drawn[1:DRAWN_QUERIES:2]),
        ("text", texts),
    )
    for turn in range(DRAWN_QUERIES // 2):
        for sort, of_sort in turns:
            if turn < len(of_sort):
                queries.append(of_sort[turn])
                sorts.append(sort)
    return Drawn(drawn[DRAWN_QUERIES:], kinds[DRAWN_QUERIES:], np.stack(queries), sorts, real)


def intrinsic_dimension(vectors: Vectors, neighbours: int = 20, sample_size: int = 1_000) -> float:
    """Returns Levina's and Bickel's maximum likelihood estimate, from the neighbours of a sample of (n, D) vectors.

    Averaged as MacKay and Ghahramani propose (http://www.inference.org.uk/mackay/dimension/), by the inverse.
    """
    sample = np.random.default_rng(5).choice(len(vectors), min(sample_size, len(vectors)), replace=False)
    cosines = vectors[sample].astype(np.float64) @ vectors.astype(np.float64).T
    cosines[np.arange(len(sample)), sample] = -2  # itself
    nearest = -np.sort(-np.partition(cosines, -neighbours, axis=1)[:, -neighbours:], axis=1)
    distances = np.sqrt(np.maximum(2 - 2 * nearest, 1e-12))
    return float(1 / np.mean(np.log(distances[:, -1:] / distances[:, :-1])))


def _draw_like(real: Vectors, count: int, random: np.random.Generator) -> tuple[Vectors, NDArray[np.int64]]:
    """Returns vectors with the mean and covariance of the real ones, and their kinds."""
    mean = real.mean(axis=0, dtype=np.float64)
    values, directions = np.linalg.eigh(np.cov(real, rowvar=False, dtype=np.float64))
    # Standard normal numbers times this have the real vectors' covariance.
    shape = (directions * np.sqrt(np.maximum(values, 0))).T.astype("<f4")
    groups = max(1, count // GROUP_SIZE)
    kind_of_group = random.integers(0, max(1, count // KIND_SIZE), groups)
    # Groups are as unequal as subjects are: many people photograph a few of them, and few people the others.
    weight = random.lognormal(0, 1, groups)
    group = random.choice(groups, count, p=weight / weight.sum())
    between, within, own = (np.sqrt(fraction) for fraction in VARIANCE_FRACTIONS)
    centres = between * random.standard_normal((groups, len(mean)))[kind_of_group]
    centres += within * random.standard_normal((groups, len(mean)))
    drawn = np.empty((count, len(mean)), "<f4")
    for start in range(0, count, ROWS_AT_ONCE):
        groups_of_rows = group[start : start + ROWS_AT_ONCE]
        steps = centres[groups_of_rows] + own * random.standard_normal((len(groups_of_rows), len(mean)))
        drawn[start : start + ROWS_AT_ONCE] = mean + steps.astype("<f4") @ shape
    return _unit(drawn), kind_of_group[group]


def _embedded_variants(cache: Path) -> Vectors:
    """Returns (2050, D) vectors of variants of the samples, the last fifty of one photograph each."""
    file = cache / "variants.npy"
    if not file.exists():
        model = Model(load_description(ROOT / "embedder_container" / "models", "lite"), threads=1)
        model.load_vision()
        config = model.description.image
        with ThreadPoolExecutor(2) as pool:
            vectors = list(pool.map(lambda image: model.embed_pixels(to_pixels(image, config)), _variants()))
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, np.stack(vectors))
    embedded: Vectors = np.load(file)[: VARIANTS + PICTURE_QUERIES]
    return embedded


def _embedded_titles() -> Vectors:
    """Returns the vectors of the samples' titles."""
    model = Model(load_description(ROOT / "embedder_container" / "models", "lite"), threads=1)
    titles = [photo["title"] for photo in json.loads((SAMPLES / "samples.json").read_text())]
    return np.stack([model.embed_text(f"a photo of {title}") for title in titles])


def _variants() -> Iterator[Image.Image]:
    """Yields the samples in turn, each cropped, mirrored, turned and recoloured at random."""
    random = np.random.default_rng(7)
    photos = [Image.open(path).convert("RGB") for path in sorted((SAMPLES / "photos").glob("*.jpg"))]
    for number in range(VARIANTS + PICTURE_QUERIES):
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
