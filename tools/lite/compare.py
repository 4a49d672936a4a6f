"""Compares a newly built lite model with the shipped one, on the sample photographs and their captions.

python -m tools.lite.compare DIR
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import SHIPPED_MODELS, ModelDescription, load_description
from embedder_container.transforms import to_pixels

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def main() -> None:
    shipped = load_description(SHIPPED_MODELS, "lite")
    built = replace(shipped, folder=Path(sys.argv[1]))
    samples = json.loads((SAMPLES / "samples.json").read_text("utf-8"))
    vectors = {name: _embed(model, samples) for name, model in (("shipped", shipped), ("built", built))}
    for name, (images, texts) in vectors.items():
        similarity = texts @ images.T
        ranks = (similarity > similarity.diagonal()[:, np.newaxis]).sum(axis=1)
        print(f"{name}: R@1 {100 * (ranks < 1).mean():.0f} %, R@5 {100 * (ranks < 5).mean():.0f} %")
    for kind, one, other in zip(("images", "texts"), vectors["shipped"], vectors["built"], strict=True):
        print(f"{kind}: least cosine of the two models' vectors {(one * other).sum(axis=1).min():.4f}")


def _embed(description: ModelDescription, samples: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of the samples' images and of their captions."""
    model, config = Model(description, threads=1), description.image
    images = [decode((SAMPLES / sample["file"]).read_bytes(), config.size).image for sample in samples]
    image_vectors = [model.embed_pixels(to_pixels(image, config)) for image in images]
    return np.stack(image_vectors), np.stack([model.embed_text(sample["title"]) for sample in samples])


if __name__ == "__main__":
    main()
