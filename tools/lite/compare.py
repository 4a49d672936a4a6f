"""Holds a lite model that was built against the one that ships, on the sample photographs and their captions.

python -m tools.lite.compare DIR
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import MODELS_SHIPPED, ModelDescription, load_description
from embedder_container.transforms import to_pixels

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def main() -> None:
    shipped = load_description(MODELS_SHIPPED, "lite")
    built = replace(shipped, folder=Path(sys.argv[1]))
    samples = json.loads((SAMPLES / "samples.json").read_text("utf-8"))
    found = {name: _embed(card, samples) for name, card in (("shipped", shipped), ("built", built))}
    for name, (pictures, texts) in found.items():
        similarity = texts @ pictures.T
        ranks = (similarity > similarity.diagonal()[:, np.newaxis]).sum(axis=1)
        print(f"{name}: R@1 {100 * (ranks < 1).mean():.0f} %, R@5 {100 * (ranks < 5).mean():.0f} %")
    for half, one, other in zip(("pictures", "texts"), found["shipped"], found["built"], strict=True):
        print(f"{half}: least cosine of the two models' vectors {(one * other).sum(axis=1).min():.4f}")


def _embed(card: ModelDescription, samples: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    model = Model(card, threads=1)
    images = [decode((SAMPLES / sample["file"]).read_bytes(), card.image.size).image for sample in samples]
    pictures = [model.embed_pixels(to_pixels(image, card.image)) for image in images]
    return np.stack(pictures), np.stack([model.embed_text(sample["title"]) for sample in samples])


if __name__ == "__main__":
    main()
