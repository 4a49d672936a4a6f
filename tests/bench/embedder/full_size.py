"""CLIP ViT-B/32 at full size without its weights: the public exports' graphs, filled with seeded random numbers.

Speed, memory and sizes are the real model's (vision 352 MB, text 254 MB); its vectors mean nothing. The graphs in
`tests/models/vit-b-32-graph` have the standard deviation of each initializer in its `doc_string`.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from embedder_container.download import sha256_of
from embedder_container.models import PACKAGE, ModelDescription, read_description, registry
from embedder_container.optimise import ENCODERS, optimise

ROOT = Path(__file__).parents[3]
GRAPH_FOLDER = ROOT / "tests" / "models" / "vit-b-32-graph"
MODEL_FOLDER = ROOT / "build" / "models" / "vit-b-32-random"
STD_PREFIX = "std="
# fastembed needs this in a model's folder beside the graph.
PREPROCESSOR_CONFIG = {
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


def full_size_model(folder: Path = MODEL_FOLDER, seed: int = 0) -> ModelDescription:
    """Return the model in `folder`, made there the first time, its graphs optimised as the image's build does."""
    if not (folder / "model.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / "tokenizers" / "clip.json", folder / "tokenizer.json")
        for encoder in ENCODERS:
            _fill(GRAPH_FOLDER / f"{encoder}_graph.onnx", folder / f"{encoder}.onnx", seed)
        _write_description(folder)
    description = read_description(folder)
    # Optimised once for each state of the code that optimises.
    stamp = folder / "optimised-by"
    digest = "".join(sha256_of(PACKAGE / name) for name in ("graphs.py", "optimise.py", "padding.py", "pooling.py"))
    if not stamp.exists() or stamp.read_text() != digest:
        optimise(description)
        stamp.write_text(digest)
    return description


def fastembed_folders(model: ModelDescription) -> tuple[Path, Path]:
    """Write the same weights as fastembed expects them, and return the folders for images and for texts."""
    folders = []
    image = registry()["clip-vit-b-32"]["image"]
    preprocessor_config = PREPROCESSOR_CONFIG | {"image_mean": image["mean"], "image_std": image["std"]}
    for encoder in ENCODERS:
        folder = model.folder / f"fastembed-{encoder}"
        folder.mkdir(exist_ok=True)
        link = folder / "model.onnx"
        link.unlink(missing_ok=True)
        link.symlink_to(model.folder / f"{encoder}.onnx")
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor_config))
        shutil.copyfile(model.folder / "tokenizer.json", folder / "tokenizer.json")
        end = "<|endoftext|>"
        (folder / "config.json").write_text(json.dumps({"pad_token_id": 0}))
        (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77, "pad_token": end}))
        (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": end, "eos_token": end}))
        folders.append(folder)
    return folders[0], folders[1]


def _fill(graph: Path, target: Path, seed: int) -> None:
    """Write a graph with random weights."""
    model = onnx.load(graph)
    rng = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        if tensor.doc_string.startswith(STD_PREFIX):
            std = float(tensor.doc_string.removeprefix(STD_PREFIX))
            weights = rng.normal(0, std, tuple(tensor.dims)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    onnx.save(model, target)


def _write_description(folder: Path) -> None:
    files = {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in ("vision.onnx", "text.onnx", "tokenizer.json")
    }
    description = {**registry()["clip-vit-b-32"], "name": folder.name, "files": files}
    (folder / "model.json").write_text(json.dumps(description, indent=2))
