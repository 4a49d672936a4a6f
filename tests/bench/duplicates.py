"""How well copies of a picture are told from other pictures, by tier: ``make bench SUITE=duplicates``.

Of each sample, copies are made as people make them; they must be ``same``. Other pictures are the samples of one
subject, each with each, and two views of one photograph: its left and right parts, a detail, its mirror image, and the
photograph turned by ten degrees; and pages of text in one layout, which look alike from afar. None of these is
``same``; two views may be ``similar``. At last a scan groups all copies of all samples.
"""

import io
import itertools
import random
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import md5
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.calibration_statistics import compute_calibration
from chalicelib.domain.duplicates import MAX_SAME_DISTANCE, Tier, look_alike, significant_bits, similar_distance
from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.messages import DuplicatesStep
from chalicelib.domain.unrelated_texts import UNRELATED_TEXTS
from chalicelib.domain.vectors import cosine_distance, unit_vector, vector_document
from tests.bench.figures import figure
from tests.bench.quality.__main__ import MODELS, SUBJECTS
from tests.bench.quality.system import SAMPLES, InProcessEmbedder
from tests.factories import a_collection, a_record
from tests.fakes.application import FakeAdapters, services_on

TEXT_PAGES, PAGE_LINES, PAGE_SIZE = 30, 44, (1240, 1754)
COLOURS = np.array([1.12, 1.0, 0.88])  # of a warmer light
Picture = Image.Image


def jpeg(image: Picture, quality: int = 92) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality)
    return target.getvalue()


def cropped(image: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    """A part of the picture, by shares of its width and height."""
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


def resized(image: Picture, share: float) -> Picture:
    return image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS)


def watermarked(image: Picture) -> Picture:
    marked = image.copy()
    font = ImageFont.load_default(size=max(12, image.height // 10))
    place = (image.width * 0.1, image.height * 0.45)
    ImageDraw.Draw(marked, "RGBA").text(place, "© SAMPLE PHOTO", fill=(255, 255, 255, 128), font=font)
    return marked


def shifted(image: Picture) -> Picture:
    pixels = np.asarray(image, np.float32) * COLOURS
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def text_page(dice: random.Random) -> Picture:
    """A page of black words on white, as a scanner sees A4 at 150 dots an inch."""
    page = Image.new("RGB", PAGE_SIZE, "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=26)
    words = " ".join(UNRELATED_TEXTS).split()
    for line in range(PAGE_LINES):
        width = 100 + dice.random() * 800 if line % 9 == 8 else 980  # the last line of a paragraph
        text = ""
        while draw.textlength(text, font=font) < width:
            text += f"{dice.choice(words)} "
        draw.text((120, 120 + 34 * line), text, fill="black", font=font)
    return page


COPIES: Mapping[str, Callable[[Picture], bytes]] = {
    "quality_60": lambda image: jpeg(image, 60),
    "quality_30": lambda image: jpeg(image, 30),
    "half": lambda image: jpeg(resized(image, 0.5)),
    "quarter": lambda image: jpeg(resized(image, 0.25)),
    "cropped": lambda image: jpeg(cropped(image, 0.025, 0.025, 0.975, 0.975)),
    "cropped_corner": lambda image: jpeg(cropped(image, 0, 0, 0.95, 0.95)),
    "watermarked": lambda image: jpeg(watermarked(image)),
    "brighter": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(1.25)),
    "paler": lambda image: jpeg(ImageEnhance.Color(image).enhance(0.5)),
    "warmer": lambda image: jpeg(shifted(image)),
    "grey": lambda image: jpeg(ImageOps.grayscale(image).convert("RGB")),
}
# Two pictures each, which show one thing and are no copies.
VIEWS: Mapping[str, Callable[[Picture], tuple[Picture, Picture]]] = {
    "left_and_right": lambda image: (cropped(image, 0, 0, 0.6, 1), cropped(image, 0.4, 0, 1, 1)),
    "detail": lambda image: (image, cropped(image, 1 / 6, 1 / 6, 5 / 6, 5 / 6)),
    "mirror": lambda image: (image, ImageOps.mirror(image)),
    "turned": lambda image: (image, cropped(image.rotate(10, Image.Resampling.BICUBIC), 0.1, 0.1, 0.9, 0.9)),
}


@dataclass(frozen=True)
class Shown:
    """A picture as the application knows it."""

    sample: str
    embedding: ImageEmbedding


class Comparison:
    """Compares pictures as scans do, with the statistics of the samples."""

    def __init__(self, model: str) -> None:
        self.embedder = InProcessEmbedder(model)
        self.images = {path.stem: Image.open(path).convert("RGB") for path in sorted((SAMPLES / "photos").glob("*"))}
        self.originals = {name: self.show(name, jpeg(image)) for name, image in self.images.items()}
        texts: Sequence[Any] = self.embedder.embed_texts(UNRELATED_TEXTS)
        vectors = [shown.embedding.vector for shown in self.originals.values()]
        self.calibration = compute_calibration(
            self.embedder.model,
            [unit_vector(vector) for vector in vectors],
            [unit_vector(each.vector) for each in texts],
        )

    def show(self, sample: str, body: bytes) -> Shown:
        result = self.embedder.embedded(body)
        return Shown(
            sample,
            ImageEmbedding(
                model=self.embedder.model,
                vector=b64decode(result["vector"]),
                size=len(body),
                md5=md5(body, usedforsecurity=False).hexdigest(),
                width=result["width"],
                height=result["height"],
                format=result["format"],
                perceptual_hash=result["perceptual_hash"],
            ),
        )

    def tier(self, one: Shown, other: Shown) -> Tier | None:
        distance = cosine_distance(one.embedding.vector, other.embedding.vector)
        bits = [significant_bits(each.embedding.perceptual_hash) for each in (one, other)]
        if distance <= MAX_SAME_DISTANCE and look_alike(*bits):
            return Tier.SAME
        return Tier.SIMILAR if distance <= similar_distance(self.calibration, one.embedding.vector) else None


def main() -> None:
    for name, model in MODELS.items():
        comparison = Comparison(model)
        try:
            copies = {
                kind: [comparison.show(sample, make(image)) for sample, image in comparison.images.items()]
                for kind, make in COPIES.items()
            }
            compare_copies(name, comparison, copies)
            compare_others(name, comparison)
            scan(name, comparison, copies)
        finally:
            comparison.embedder.close()


def compare_copies(model: str, comparison: Comparison, copies: Mapping[str, Sequence[Shown]]) -> None:
    """The share of copies that are told to be the same picture as their original."""
    for kind, shown in copies.items():
        same = [comparison.tier(comparison.originals[copy.sample], copy) is Tier.SAME for copy in shown]
        figure(f"{model}_same_recall_{kind}", 100 * sum(same) / len(same), "%")


def compare_others(model: str, comparison: Comparison) -> None:
    """The pairs of other pictures that are told to be the same, or similar."""
    for kind, pairs in _others(comparison):
        tiers = [comparison.tier(one, other) for one, other in pairs]
        figure(f"{model}_{kind}_pairs", len(tiers), "pairs")
        for tier in (Tier.SAME, Tier.SIMILAR):
            figure(f"{model}_{kind}_told_{tier}", 100 * tiers.count(tier) / len(tiers), "%")


def _others(comparison: Comparison) -> Iterator[tuple[str, list[tuple[Shown, Shown]]]]:
    subjects = {pair for names in SUBJECTS.values() for pair in itertools.combinations(sorted(names), 2)}
    yield "one_subject", [(comparison.originals[one], comparison.originals[other]) for one, other in sorted(subjects)]
    dice = random.Random(1)
    pages = [comparison.show("page", jpeg(text_page(dice))) for _ in range(TEXT_PAGES)]
    yield "text_pages", list(itertools.combinations(pages, 2))
    for kind, make in VIEWS.items():
        pairs = []
        for sample, image in comparison.images.items():
            one, other = (comparison.show(sample, jpeg(view)) for view in make(image))
            pairs.append((one, other))
        yield kind, pairs


def scan(model: str, comparison: Comparison, copies: Mapping[str, Sequence[Shown]]) -> None:
    """Precision and recall of the groups of a scan, by pairs of files."""
    shown = [(f"{each.sample}.jpg", each) for each in comparison.originals.values()]
    shown += [(f"again/{each.sample}.jpg", each) for each in comparison.originals.values()]
    shown += [(f"{kind}/{each.sample}.jpg", each) for kind, made in copies.items() for each in made]
    with TemporaryDirectory() as folder:
        adapters = replace(FakeAdapters.fresh(), vectors=SQLiteVectorStore(Path(folder) / "vectors.sqlite"))
        collection = a_collection()
        adapters.collections.add(collection)
        for key, each in shown:
            record = a_record(collection, key, embedding=each.embedding)
            adapters.catalogue.records[collection.uuid, key] = record
            adapters.vectors.upsert([vector_document(record, each.embedding, collection)])
        adapters.embedder.calibration = comparison.calibration
        services = services_on(adapters)
        services.duplicates.start(collection)
        (step,) = adapters.queues.duplicates
        services.duplicates_worker.run(DuplicatesStep.from_json(step.to_json()), lambda: 600.0)
        latest, _ = services.duplicates.latest(collection)
        assert latest is not None and latest.served is not None
        samples = {key: each.sample for key, each in shown}
        for tier, wanted in ((Tier.IDENTICAL, 1), (Tier.SAME, (len(COPIES) + 2) * (len(COPIES) + 1) // 2)):
            groups = adapters.duplicates.groups(collection.uuid, latest.served, (tier,), None, len(shown))
            pairs = [pair for group in groups for pair in itertools.combinations(group.files, 2)]
            right = sum(samples[one.key] == samples[other.key] for one, other in pairs)
            figure(f"{model}_scan_{tier}_precision", 100 * right / max(1, len(pairs)), "%")
            figure(f"{model}_scan_{tier}_recall", 100 * right / (wanted * len(comparison.images)), "%")


if __name__ == "__main__":
    main()
