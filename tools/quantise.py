"""Makes an int8 sibling of a model, if that is worth it on this processor.

    python -m tools.quantise [--pictures DIR] NAME

NAME's vision half gets int8 weights (per channel; activations are quantised as they come) and becomes NAME-int8, with a
stamp of its own, because its vectors are others: an index is of one or of the other. The text half, which takes a tenth
of the time, stays as it is. The sibling is kept only if, on this processor and these pictures,

- one picture takes at most 1 / MIN_SPEEDUP of the time (the two take turns), and
- of the ten nearest neighbours of each picture, MIN_RECALL are the same ones.

Processors differ: with VNNI it is two to three times as fast, without it may be slower. Measure where it will run.
"""

import argparse
import hashlib
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

from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import DESCRIPTION_FILE, ModelDescription, load_bundle, load_description
from embedder_container.settings import Settings
from embedder_container.transforms import to_pixels

MIN_SPEEDUP, MIN_RECALL = 1.3, 0.95
NEIGHBOURS = 10
ROUNDS = 5
SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "photos"


@dataclass(frozen=True)
class Measured:
    """How many times as fast, which share of the neighbours stays, and the least cosine of a picture's two vectors."""

    speedup: float
    recall: float
    cosine: float


def quantise(card: ModelDescription, models_dir: Path) -> ModelDescription:
    """Write the sibling of a model; answers its card."""
    # Brings onnx, which only builds need.
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    folder = models_dir / f"{card.name}-int8"
    folder.mkdir(parents=True)
    quantize_dynamic(
        card.path("vision.onnx"),
        folder / "vision.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm"],  # convolutions are few in a transformer, and slower in int8
    )
    for name in ("text.onnx", "tokenizer.json"):
        shutil.copyfile(card.path(name), folder / name)
    (folder / DESCRIPTION_FILE).write_text(json.dumps(_described(card, folder), indent=2) + "\n", "utf-8")
    return load_bundle(folder)


def measure(before: ModelDescription, after: ModelDescription, pictures: Sequence[bytes]) -> Measured:
    """The two models side by side on the same pictures, one thread each."""
    models = [Model(card, threads=1) for card in (before, after)]
    pixels = [to_pixels(decode(data, before.image.size).image, before.image) for data in pictures]
    vectors = [np.stack([model.embed_pixels(tensor) for tensor in pixels]) for model in models]
    ratios = []
    for _ in range(ROUNDS):
        spent = [_seconds(model, pixels) for model in models]
        ratios.append(spent[0] / spent[1])
    return Measured(
        speedup=statistics.median(ratios),
        recall=_shared_neighbours(*vectors),
        cosine=float((vectors[0] * vectors[1]).sum(axis=1).min()),
    )


def _seconds(model: Model, pixels: Sequence[NDArray[np.float32]]) -> float:
    began = perf_counter()
    for tensor in pixels:
        model.embed_pixels(tensor)
    return perf_counter() - began


def _shared_neighbours(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Of each picture's nearest others by the one model, the share that is among those by the other, on average."""
    near = []
    for vectors in (before, after):
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -np.inf)
        near.append(np.argsort(-similarity, axis=1)[:, :NEIGHBOURS])
    return float(np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(*near, strict=True)]))


def _described(card: ModelDescription, folder: Path) -> dict[str, Any]:
    files = {}
    for name in ("vision.onnx", "text.onnx", "tokenizer.json"):
        data = (folder / name).read_bytes()
        files[name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    image, pad = card.image, {"id": card.pad_id, "to": card.pad_to}
    return {
        "name": folder.name,
        "revision": card.revision,
        "description": f"{card.name}, its vision half in int8",
        "licence": card.licence,
        "dimension": card.dimension,
        "image": json.loads(image.to_json()),
        "text": {"context_length": card.context_length, "clean": card.clean, "pad": pad},
        "files": files,
    }


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command; the exit status is 0 where the sibling was worth keeping, 3 where not, 1 without a model."""
    parser = argparse.ArgumentParser(prog="python -m tools.quantise", description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, default=SAMPLES, help="a folder of JPEGs (default: the samples)")
    parser.add_argument("--min-speedup", type=float, default=MIN_SPEEDUP)
    parser.add_argument("--min-recall", type=float, default=MIN_RECALL)
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args(arguments)
    models_dir = Settings.from_environ(environ).models_dir
    pictures = [file.read_bytes() for file in sorted(options.pictures.glob("*.jpg"))]
    try:
        card = load_description(models_dir, options.name)
        sibling = quantise(card, models_dir)
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        print(f"quantise: {error}", file=sys.stderr)
        return 1
    found = measure(card, sibling, pictures)
    print(
        f"{sibling.name}: {found.speedup:.2f} times as fast on this processor, {100 * found.recall:.1f} % of the"
        f" {NEIGHBOURS} nearest neighbours kept, least cosine {found.cosine:.4f}"
    )
    if found.speedup >= options.min_speedup and found.recall >= options.min_recall:
        print(f"kept in {sibling.folder}")
        return 0
    shutil.rmtree(sibling.folder)
    print(f"not worth it: {options.min_speedup:g} times and {100 * options.min_recall:g} % are asked for")
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
