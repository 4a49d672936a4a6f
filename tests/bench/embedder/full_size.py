"""CLIP ViT-B/32 at full size without its weights: the public exports' graphs, filled with seeded random numbers.

Speed, memory and sizes are the real model's (vision 352 MB, text 254 MB); what it computes means nothing. The graphs in
`tests/models/vit-b-32-graph` say in each initializer's `doc_string` how its numbers are spread.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from embedder_container.models import PACKAGE, ModelDescription, load_bundle, registry
from embedder_container.optimise import optimise

ROOT = Path(__file__).parents[3]
GRAPHS = ROOT / "tests" / "models" / "vit-b-32-graph"
FOLDER = ROOT / "build" / "models" / "vit-b-32-random"
SPREAD = "std="
# What fastembed wants of a model's folder beside the graph.
PREPROCESSOR = {
    "do_resize": True,
    "size": {"shortest_edge": 224},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "do_convert_rgb": True,
}


def full_size_model(folder: Path = FOLDER, seed: int = 0) -> ModelDescription:
    """The model in `folder`, made there the first time, its graphs optimised as the image's build does."""
    if not (folder / "model.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / "tokenizers" / "clip.json", folder / "tokenizer.json")
        for half in ("vision", "text"):
            _fill(GRAPHS / f"{half}_graph.onnx", folder / f"{half}.onnx", seed)
        _describe(folder)
        optimise(load_bundle(folder))
    return load_bundle(folder)


def fastembed_folders(card: ModelDescription) -> tuple[Path, Path]:
    """The same weights as fastembed expects them: a folder for pictures, one for texts."""
    folders = []
    rule = registry()["clip-vit-b-32"]["image"]
    described = PREPROCESSOR | {"image_mean": rule["mean"], "image_std": rule["std"]}
    for half in ("vision", "text"):
        folder = card.folder / f"fastembed-{half}"
        folder.mkdir(exist_ok=True)
        link = folder / "model.onnx"
        link.unlink(missing_ok=True)
        link.symlink_to(card.folder / f"{half}.onnx")
        (folder / "preprocessor_config.json").write_text(json.dumps(described))
        shutil.copyfile(card.folder / "tokenizer.json", folder / "tokenizer.json")
        end = "<|endoftext|>"
        (folder / "config.json").write_text(json.dumps({"pad_token_id": 0}))
        (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77, "pad_token": end}))
        (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": end, "eos_token": end}))
        folders.append(folder)
    return folders[0], folders[1]


def _fill(graph: Path, target: Path, seed: int) -> None:
    model = onnx.load(graph)
    rng = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        if tensor.doc_string.startswith(SPREAD):
            spread = float(tensor.doc_string.removeprefix(SPREAD))
            weights = rng.normal(0, spread, tuple(tensor.dims)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    onnx.save(model, target)


def _describe(folder: Path) -> None:
    files = {}
    for name in ("vision.onnx", "text.onnx", "tokenizer.json"):
        with (folder / name).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        files[name] = {"size": (folder / name).stat().st_size, "sha256": digest}
    described = {**registry()["clip-vit-b-32"], "name": folder.name, "files": files}
    (folder / "model.json").write_text(json.dumps(described, indent=2))
