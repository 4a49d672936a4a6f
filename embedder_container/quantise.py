"""Makes an int8 version of a model, and keeps it if it is worthwhile on this processor.

    python -m embedder_container.quantise [--replace] [--fall-back] [--images DIR] NAME

The vision encoder gets int8 weights, per channel. Two ways are tried, and the faster one that passes is kept:

- static: activations get scales that are fixed by the calibration pictures (QDQ);
- dynamic: each run finds the scales of its own activations, over all its images. So the graph takes one image at a
  time: in a batch an image's vector would depend on the others.

The text encoder takes a tenth of the time and stays as it is. A way passes if, on this processor and these pictures,

- an image takes at most 1 / MIN_SPEEDUP of its time in float, each model run as the embedder runs it, in turns, and
- of the nearest neighbours of each held-out picture, MIN_RECALL are those that the float model finds.

Every other picture calibrates; the ones between are held out. The vectors differ from the float model's, so the result
has a model version of its own: NAME-int8 beside NAME; with --replace it takes NAME's place, and its revision says int8.
If no way passes, the model stays as it was, and the reasons are printed (exit status 3; 0 with --fall-back).

Processors differ: int8 is two to three times as fast with VNNI, and may be slower without it. Quantise where the model
will run, or on the same kind of processor.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder_container.download import sha256_of
from embedder_container.images import decode
from embedder_container.inference import OPTIMISED_SUFFIX, Model
from embedder_container.models import (
    CALIBRATION_FILE,
    DESCRIPTION_FILE,
    MODEL_FILES,
    ModelDescription,
    load_description,
    read_description,
)
from embedder_container.settings import Settings
from embedder_container.transforms import to_pixels

Tensors = NDArray[np.float32]  # [N, 3, S, S]

MIN_SPEEDUP, MIN_RECALL = 1.3, 0.95
NEIGHBOURS = 10
MEASURED_ROUNDS = 5
SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "photos"
GRAPH = "vision.onnx"
# Operations with weights. Of these the first and the last ones are the most sensitive, and few: with all of them in
# int8 `lite` keeps 90 % of its neighbours, with three at each end in float 96 %, at the same speed.
WEIGHTED = ("Conv", "MatMul", "Gemm")
FLOAT_EDGE = 3
# Of an activation's values: the few beyond would make the steps of all others coarser (87 % of neighbours).
PERCENTILE = 99.99
NOT_WORTHWHILE = 3  # exit status


@dataclass(frozen=True)
class Comparison:
    """How many times as fast, the share of neighbours kept, and the least cosine between an image's two vectors."""

    speedup: float
    recall: float
    cosine: float

    def __str__(self) -> str:
        return (
            f"{self.speedup:.2f} times as fast on this processor, {100 * self.recall:.1f} % of the {NEIGHBOURS} nearest"
            f" neighbours kept, least cosine {self.cosine:.4f}"
        )


def quantise_static(graph: Path, target: Path, calibration: Tensors) -> None:
    """Write a graph whose activations have the ranges that these tensors give them."""
    import onnx  # noqa: PLC0415 - only builds have it
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static  # noqa: PLC0415
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):  # it prints its progress
        prepared = Path(folder) / GRAPH
        quant_pre_process(graph, prepared, skip_symbolic_shape=True)
        nodes = onnx.load(prepared, load_external_data=False).graph.node
        weighted = [node.name for node in nodes if node.op_type in WEIGHTED]
        quantize_static(
            prepared,
            target,
            _CalibrationReader(graph, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(WEIGHTED),
            nodes_to_exclude=[*weighted[:FLOAT_EDGE], *weighted[-FLOAT_EDGE:]],
            calibrate_method=CalibrationMethod.Percentile,
            # Products of two activations, those of attention, stay in float.
            extra_options={"MatMulConstBOnly": True, "CalibPercentile": PERCENTILE},
        )


def quantise_dynamic(graph: Path, target: Path, _: Tensors) -> None:
    """Write a graph that finds the ranges of its activations in each run, which has one image."""
    import onnx  # noqa: PLC0415
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    model = onnx.load(graph)
    for node in (*model.graph.input, *model.graph.output):
        node.type.tensor_type.shape.dim[0].dim_value = 1
    quantize_dynamic(
        model,
        target,
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm"],  # convolutions are slower this way
    )


WAYS: Mapping[str, Callable[[Path, Path, Tensors], None]] = {"static": quantise_static, "dynamic": quantise_dynamic}


class _CalibrationReader:
    """Gives the tensors to ONNX Runtime's calibration, one after the other."""

    def __init__(self, graph: Path, tensors: Tensors) -> None:
        import onnx  # noqa: PLC0415

        name = onnx.load(graph, load_external_data=False).graph.input[0].name
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter([{name: tensor[np.newaxis]} for tensor in tensors])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


def compare(before: ModelDescription, after: ModelDescription, tensors: Tensors, held_out: Sequence[int]) -> Comparison:
    """Compare two models on the same images, on one processor each.

    Args:
        held_out: the numbers of the images whose neighbours, among all images, are compared.
    """
    models = [Model(description, threads=1) for description in (before, after)]
    vectors = [np.concatenate(list(_runs(model, tensors))) for model in models]
    vectors = [outputs / np.linalg.norm(outputs, axis=1, keepdims=True) for outputs in vectors]
    ratios = []
    for _ in range(MEASURED_ROUNDS):
        seconds = [_seconds(model, tensors) for model in models]
        ratios.append(seconds[0] / seconds[1])
    return Comparison(
        speedup=statistics.median(ratios),
        recall=_shared_neighbours(vectors[0], vectors[1], held_out),
        cosine=float((vectors[0] * vectors[1]).sum(axis=1).min()),
    )


def _runs(model: Model, tensors: Tensors) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(tensors), model.max_batch_size):
        yield model.run_vision(tensors[first : first + model.max_batch_size])


def _seconds(model: Model, tensors: Tensors) -> float:
    start = perf_counter()
    for _ in _runs(model, tensors):
        pass
    return perf_counter() - start


def _shared_neighbours(before: NDArray[np.float32], after: NDArray[np.float32], queries: Sequence[int]) -> float:
    """Return the share of each query's nearest neighbours that both models agree on, on average."""
    neighbours = []
    for vectors in (before, after):
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -np.inf)
        neighbours.append(np.argsort(-similarity, axis=1)[:, :NEIGHBOURS])
    shared = [len(set(neighbours[0][query]) & set(neighbours[1][query])) / NEIGHBOURS for query in queries]
    return float(np.mean(shared))


class Quantisation:
    """The ways to quantise one model, each in a folder of its own until one is kept."""

    def __init__(self, original: ModelDescription, folder: Path, images: Sequence[bytes]) -> None:
        self.original = original
        self._folder = folder
        config = original.image
        self._tensors = np.concatenate([to_pixels(decode(data, config.size).image, config) for data in images])

    def attempt(self, way: str) -> tuple[ModelDescription, Comparison]:
        """Quantise in one way, and compare the result with the original."""
        folder = self._folder / way
        folder.mkdir()
        WAYS[way](self._pooled.path(GRAPH), folder / GRAPH, self._tensors[::2])
        name, revision = f"{self.original.name}-int8", self.original.revision
        _write_description(self.original, folder, name=name, revision=revision, own=[GRAPH])
        quantised = read_description(folder)
        return quantised, compare(self._pooled, quantised, self._tensors, range(1, len(self._tensors), 2))

    @cached_property
    def _pooled(self) -> ModelDescription:
        """The original in float, pooled as `optimise` does it.

        Otherwise int8 products and the ranges of their activations would cover tokens that nobody needs.
        """
        import onnx  # noqa: PLC0415

        from embedder_container.pooling import pool_early  # noqa: PLC0415

        folder = self._folder / "float"
        folder.mkdir()
        model = onnx.load(self.original.path(GRAPH))
        pool_early(model)
        onnx.save(model, folder / GRAPH)
        name, revision = self.original.name, self.original.revision
        _write_description(self.original, folder, name=name, revision=revision, own=[GRAPH])
        return read_description(folder)

    def keep_beside(self, quantised: ModelDescription, models_dir: Path) -> ModelDescription:
        """Put a result into a folder of its own, with the files that it shares with the original."""
        folder = models_dir / quantised.name
        folder.mkdir(parents=True)
        shutil.move(quantised.folder / GRAPH, folder / GRAPH)
        for name in MODEL_FILES[1:]:
            shutil.copyfile(self.original.path(name), folder / name)
        if (statistics_file := self.original.folder / CALIBRATION_FILE).exists():
            shutil.copyfile(statistics_file, folder / CALIBRATION_FILE)
        _write_description(self.original, folder, quantised.name, quantised.revision, own=MODEL_FILES)
        return read_description(folder)

    def keep_instead(self, quantised: ModelDescription) -> ModelDescription:
        """Put a result into the original's place."""
        folder = self.original.folder
        shutil.move(quantised.folder / GRAPH, folder / GRAPH)
        for optimised in folder.glob(f"vision{OPTIMISED_SUFFIX}*"):
            optimised.unlink()
        revision = f"{self.original.revision}-int8"
        _write_description(self.original, folder, self.original.name, revision, own=[GRAPH])
        return read_description(folder)


def _write_description(original: ModelDescription, folder: Path, name: str, revision: str, own: Sequence[str]) -> None:
    """Write `model.json`; the files `own` are those in the folder, and the others stay pinned as they were."""
    files: dict[str, Any] = {}
    for file in original.files:
        if file.name in own:
            path = folder / file.name
            files[file.name] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
        else:
            pins = {"size": file.size, "sha256": file.sha256, "shipped": file.shipped}
            files[file.name] = {key: value for key, value in pins.items() if value is not None}
    content = {
        "name": name,
        "revision": revision,
        "description": f"{original.description or original.name}, its vision encoder in int8",
        "licence": original.licence,
        "dimension": original.dimension,
        "image": json.loads(original.image.to_json()),
        "text": {
            "context_length": original.context_length,
            "clean": original.text_cleaning,
            "pad": {"id": original.pad_id, "to": original.padding},
        },
        "files": files,
    }
    (folder / DESCRIPTION_FILE).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def quantise(
    description: ModelDescription,
    images: Sequence[bytes],
    keep: Callable[[Quantisation, ModelDescription], ModelDescription],
    *,
    min_speedup: float = MIN_SPEEDUP,
    min_recall: float = MIN_RECALL,
) -> ModelDescription | None:
    """Quantise a model in each way, print how each compares, and keep the fastest that passes; None if none does."""
    if not description.path(GRAPH).exists():
        raise FileNotFoundError(f"{description.path(GRAPH)} is missing: quantise before `optimise --replace`")
    best: tuple[float, ModelDescription] | None = None
    with tempfile.TemporaryDirectory() as folder:
        quantisation = Quantisation(description, Path(folder), images)
        for way in WAYS:
            try:
                quantised, comparison = quantisation.attempt(way)
            except ModuleNotFoundError:
                raise
            except Exception as error:  # of a graph that the library cannot quantise, or run
                print(f"{way}: fails: {type(error).__name__}: {error}")
                continue
            passes = comparison.speedup >= min_speedup and comparison.recall >= min_recall
            print(f"{way}: {comparison}: {'passes' if passes else 'not worth it'}")
            if passes and (best is None or comparison.speedup > best[0]):
                best = comparison.speedup, quantised
        return keep(quantisation, best[1]) if best else None


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command; the exit status is 0 if an int8 model is kept, 3 if none passes, 1 if there is no such model."""
    parser = argparse.ArgumentParser(
        prog="python -m embedder_container.quantise", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--replace", action="store_true", help="put the int8 model into the place of NAME")
    parser.add_argument("--fall-back", action="store_true", help="succeed also if the model stays as it was")
    parser.add_argument("--images", type=Path, default=SAMPLES, help="a folder of JPEGs (default: the samples)")
    parser.add_argument("--min-speedup", type=float, default=MIN_SPEEDUP)
    parser.add_argument("--min-recall", type=float, default=MIN_RECALL)
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args(arguments)
    models_dir = Settings.from_environ(environ).models_dir
    images = [file.read_bytes() for file in sorted(options.images.glob("*.jpg"))]

    def keep(quantisation: Quantisation, quantised: ModelDescription) -> ModelDescription:
        return (
            quantisation.keep_instead(quantised) if options.replace else quantisation.keep_beside(quantised, models_dir)
        )

    try:
        original = load_description(models_dir, options.name)
        minimum = {"min_speedup": options.min_speedup, "min_recall": options.min_recall}
        kept = quantise(original, images, keep, **minimum)
    except ModuleNotFoundError as error:
        print(f"quantise: {error}. embedder_container/requirements-build.txt lists what it needs", file=sys.stderr)
        return 1
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        print(f"quantise: {error}", file=sys.stderr)
        return 1
    if kept is None:
        required = (
            f"{options.min_speedup:g} times as fast and {100 * options.min_recall:g} % of neighbours are required"
        )
        print(f"{options.name} stays in float: {required}")
        return 0 if options.fall_back else NOT_WORTHWHILE
    print(f"kept as {kept.model_version} in {kept.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
