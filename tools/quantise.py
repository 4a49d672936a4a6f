"""Makes an int8 version of a model, and keeps it if it is worthwhile on this processor.

    python -m tools.quantise [--images DIR] NAME

NAME's vision encoder gets int8 weights (per channel; activations are quantised dynamically) and becomes NAME-int8. Its
vectors differ, so it has a model version of its own: an index contains vectors of one or of the other. The text encoder
takes a tenth of the time and stays as it is. The new model is kept only if, on this processor and these images,

- one image takes at most 1 / MIN_SPEEDUP of the time (the two models take turns), and
- of each image's ten nearest neighbours, MIN_RECALL are the same.

Processors differ: int8 is two to three times as fast with VNNI, and may be slower without it. Measure it where it will
run.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder_container.download import sha256_of
from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import DESCRIPTION_FILE, ModelDescription, load_description, read_description
from embedder_container.settings import Settings
from embedder_container.transforms import to_pixels

MIN_SPEEDUP, MIN_RECALL = 1.3, 0.95
NEIGHBOURS = 10
MEASURED_ROUNDS = 5
SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "photos"
MODEL_FILES = ("vision.onnx", "text.onnx", "tokenizer.json")
NOT_WORTHWHILE = 3  # exit status


@dataclass(frozen=True)
class Comparison:
    """How many times as fast, the share of neighbours kept, and the least cosine between an image's two vectors."""

    speedup: float
    recall: float
    cosine: float


def quantise(description: ModelDescription, models_dir: Path) -> ModelDescription:
    """Write the int8 version of a model and return its description."""
    # Imports onnx, which only builds need.
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    folder = models_dir / f"{description.name}-int8"
    folder.mkdir(parents=True)
    quantize_dynamic(
        description.path("vision.onnx"),
        folder / "vision.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm"],  # convolutions are few in a transformer, and slower in int8
    )
    for name in ("text.onnx", "tokenizer.json"):
        shutil.copyfile(description.path(name), folder / name)
    content = _description_content(description, folder)
    (folder / DESCRIPTION_FILE).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return read_description(folder)


def compare(before: ModelDescription, after: ModelDescription, images: Sequence[bytes]) -> Comparison:
    """Compare two models on the same images, with one thread each."""
    models = [Model(description, threads=1) for description in (before, after)]
    pixels = [to_pixels(decode(data, before.image.size).image, before.image) for data in images]
    vectors = [np.stack([model.embed_pixels(tensor) for tensor in pixels]) for model in models]
    ratios = []
    for _ in range(MEASURED_ROUNDS):
        seconds = [_seconds(model, pixels) for model in models]
        ratios.append(seconds[0] / seconds[1])
    return Comparison(
        speedup=statistics.median(ratios),
        recall=_shared_neighbours(*vectors),
        cosine=float((vectors[0] * vectors[1]).sum(axis=1).min()),
    )


def _seconds(model: Model, pixels: Sequence[NDArray[np.float32]]) -> float:
    start = perf_counter()
    for tensor in pixels:
        model.embed_pixels(tensor)
    return perf_counter() - start


def _shared_neighbours(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Return the share of each image's nearest neighbours that both models agree on, on average."""
    neighbours = []
    for vectors in (before, after):
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -np.inf)
        neighbours.append(np.argsort(-similarity, axis=1)[:, :NEIGHBOURS])
    return float(np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(*neighbours, strict=True)]))


def _description_content(description: ModelDescription, folder: Path) -> dict[str, Any]:
    files = {name: {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)} for name in MODEL_FILES}
    return {
        "name": folder.name,
        "revision": description.revision,
        "description": f"{description.name}, its vision encoder in int8",
        "licence": description.licence,
        "dimension": description.dimension,
        "image": json.loads(description.image.to_json()),
        "text": {
            "context_length": description.context_length,
            "clean": description.text_cleaning,
            "pad": {"id": description.pad_id, "to": description.padding},
        },
        "files": files,
    }


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command; the exit status is 0 if the int8 model is kept, 3 if not, 1 if there is no such model."""
    parser = argparse.ArgumentParser(prog="python -m tools.quantise", description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, default=SAMPLES, help="a folder of JPEGs (default: the samples)")
    parser.add_argument("--min-speedup", type=float, default=MIN_SPEEDUP)
    parser.add_argument("--min-recall", type=float, default=MIN_RECALL)
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args(arguments)
    models_dir = Settings.from_environ(environ).models_dir
    images = [file.read_bytes() for file in sorted(options.images.glob("*.jpg"))]
    try:
        original = load_description(models_dir, options.name)
        quantised = quantise(original, models_dir)
    except ModuleNotFoundError as error:
        print(f"quantise: {error}. Install it: python -m pip install {error.name}", file=sys.stderr)
        return 1
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        print(f"quantise: {error}", file=sys.stderr)
        return 1
    comparison = compare(original, quantised, images)
    print(
        f"{quantised.name}: {comparison.speedup:.2f} times as fast on this processor,"
        f" {100 * comparison.recall:.1f} % of the {NEIGHBOURS} nearest neighbours kept,"
        f" least cosine {comparison.cosine:.4f}"
    )
    if comparison.speedup >= options.min_speedup and comparison.recall >= options.min_recall:
        print(f"kept in {quantised.folder}")
        return 0
    shutil.rmtree(quantised.folder)
    print(f"not worth it: {options.min_speedup:g} times and {100 * options.min_recall:g} % are required")
    return NOT_WORTHWHILE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
