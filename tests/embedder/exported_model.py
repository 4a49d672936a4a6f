"""A model of three dimensions whose graphs have the names and shapes that Immich's exporter gives."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from embedder_container.models import SHIPPED_MODELS, registry

WEIGHTS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
IMAGE_INPUT = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
TEXT_INPUT = helper.make_tensor_value_info("text", TensorProto.INT32, [1, 6])


def save_graph(path: Path, nodes: list[onnx.NodeProto], graph_input: onnx.ValueInfoProto, outputs: list[str]) -> None:
    """Save a graph with outputs of shape [1, 3]."""
    output_infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in outputs]
    weights = numpy_helper.from_array(WEIGHTS, "weights")
    graph = helper.make_graph(nodes, "graph", [graph_input], output_infos, [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_exported_model(folder: Path) -> None:
    """Write the model's files and its description."""
    mean = helper.make_node("ReduceMean", ["image"], ["embedding"], axes=[2, 3], keepdims=0)
    save_graph(folder / "vision.onnx", [mean], IMAGE_INPUT, ["embedding"])
    numbers = helper.make_node("Cast", ["text"], ["numbers"], to=TensorProto.FLOAT)
    product = helper.make_node("MatMul", ["numbers", "weights"], ["embedding"])
    save_graph(folder / "text.onnx", [numbers, product], TEXT_INPUT, ["embedding"])
    (folder / "tokenizer.json").write_bytes((SHIPPED_MODELS / "lite" / "tokenizer.json").read_bytes())
    description = {
        "name": "other",
        "revision": "1",
        "licence": "none",
        "dimension": 3,
        "image": {**registry()["siglip2-b-32-256"]["image"], "size": 8},
        "text": {"context_length": 6, "clean": "canonical", "pad": {"id": 0, "to": "context_length"}},
        "files": {name: {"size": 1} for name in ("vision.onnx", "text.onnx", "tokenizer.json")},
    }
    (folder / "model.json").write_text(json.dumps(description))
