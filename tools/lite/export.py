"""Writes the two encoders as ONNX graphs: weights in int8 (one scale a row or channel) and fp16, float32 arithmetic."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tools.lite.teacher import Array

OPSET, IR_VERSION = 17, 8
# CLIP's own, which callers normalise with; the network takes (value - 127) / 128.
CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
SOFTMAX_TEMPERATURE, TOP_CLASSES = 1.4, 32
IMAGE_APPEARANCE_WEIGHT, TEXT_APPEARANCE_WEIGHT = 0.6, 0.45
IMAGE_SIDE, DIMENSION = 224, 512
MAX_FP16_FILTER = 32  # weights: depthwise filters, of 9 or 25


def quantise(weights: Array) -> tuple[NDArray[np.int8], Array]:
    """Return symmetric int8 weights and a scale for each row of the first axis, clipped to the least squared error."""
    flat = weights.reshape(weights.shape[0], -1).astype(np.float64)
    largest = np.maximum(np.abs(flat).max(1), 1e-12)
    best_error, best_scale, best_rounded = np.full(len(flat), np.inf), largest, np.zeros_like(flat)
    for cut in np.linspace(0.7, 1, 13) if flat.shape[1] > 16 else [1.0]:
        scale = largest * cut / 127
        rounded = np.clip(np.rint(flat / scale[:, None]), -127, 127)
        error = ((rounded * scale[:, None] - flat) ** 2).sum(1)
        better = error < best_error
        best_error = np.where(better, error, best_error)
        best_scale = np.where(better, scale, best_scale)
        best_rounded = np.where(better[:, None], rounded, best_rounded)
    return best_rounded.astype(np.int8).reshape(weights.shape), best_scale.astype(np.float32)


class Graph:
    """Collects nodes and initializers."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(
        self,
        kind: str,
        inputs: list[str],
        output: str | None = None,
        *,
        unused: tuple[str, ...] = (),
        **attributes: Any,
    ) -> str:
        """Add a node and return its first output; `unused` names the others."""
        name = f"{kind}_{len(self._nodes) + 1}"
        outputs = [output or name.lower(), *unused]
        self._nodes.append(helper.make_node(kind, inputs, outputs, name=name, **attributes))
        return outputs[0]

    def weight(self, name: str, weights: Array, axis: int = 0) -> str:
        """Add int8 weights with a scale for each index of `axis`, or small filters in fp16; return them as float32."""
        weights = weights.astype(np.float32)
        if weights.ndim == 4 and weights[0].size <= MAX_FP16_FILTER:
            return self.node("Cast", [self.constant(f"{name}_h", weights.astype(np.float16))], to=TensorProto.FLOAT)
        rounded, scale = quantise(np.moveaxis(weights, axis, 0))
        shape = [1] * weights.ndim
        shape[axis] = -1
        values = self.node("Cast", [self.constant(f"{name}_q", np.moveaxis(rounded, 0, axis))], to=TensorProto.FLOAT)
        return self.node("Mul", [values, self.constant(f"{name}_s", scale.reshape(shape))])

    def unit(self, vector: str) -> str:
        """Scale a vector to length 1."""
        norm = self.node("ReduceL2", [vector], axes=[1], keepdims=1)
        return self.node("Div", [vector, self.node("Max", [norm, "eps"])])

    def join(self, meaning: str, appearance: str, weight: float, size: int, output: str) -> None:
        """Concatenate both parts, the second with its weight, padded to DIMENSION, at length 1."""
        weighted = self.node("Mul", [appearance, self.constant("share", np.float32(weight))])
        both = self.node("Concat", [meaning, weighted], axis=1)
        pads = self.constant("pads", np.array([0, 0, 0, DIMENSION - size], np.int64))
        padded = self.node("Pad", [both, pads])
        self.node("Mul", [padded, self.constant("length", np.float32(1 / np.sqrt(1 + weight * weight)))], output)

    def save(self, path: Path, name: str, inputs: list[Any], output: str) -> None:
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", DIMENSION])]
        graph = helper.make_graph(self._nodes, name, inputs, outputs, self._initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


def export_vision(path: Path, network: Any, meanings: Array, directions: Array) -> None:
    """`pixel_values` [batch, 3, 224, 224] → `image_embeds` [batch, 512].

    Args:
        network: EfficientNet-Lite0 with its ImageNet classifier.
        meanings: the classes' meanings [1000, 128].
        directions: the directions in which the classifier's rows differ most [1280, 256].
    """
    graph = Graph()
    for name, value in (("eps", 1e-6), ("zero", 0), ("six", 6)):
        graph.constant(name, np.float32(value))
    scale = graph.constant("in_scale", (CLIP_STD * 255 / 128).reshape(1, 3, 1, 1).astype(np.float32))
    shift = graph.constant("in_shift", ((CLIP_MEAN * 255 - 127) / 128).reshape(1, 3, 1, 1).astype(np.float32))
    values = graph.node("Add", [graph.node("Mul", ["pixel_values", scale]), shift])
    features = _features(graph, network, values)
    classifier = network._fc.weight.detach().numpy()
    product = graph.node("MatMul", [features, graph.weight("fc", classifier.T / SOFTMAX_TEMPERATURE, axis=1)])
    logits = graph.node(
        "Add", [product, graph.constant("fc_b", network._fc.bias.detach().numpy() / SOFTMAX_TEMPERATURE)]
    )
    count = graph.constant("k", np.array([TOP_CLASSES], np.int64))
    top = graph.node("TopK", [logits, count], unused=("indices",), axis=1, largest=1, sorted=1)
    threshold = graph.node("ReduceMin", [top], axes=[1], keepdims=1)
    minus_infinity = graph.constant("nowhere", np.float32(-1e4))
    kept = graph.node("Where", [graph.node("Less", [logits, threshold]), minus_infinity, logits])
    probabilities = graph.node("Softmax", [kept], axis=1)
    meaning = graph.unit(graph.node("MatMul", [probabilities, graph.weight("P", meanings)]))
    appearance = graph.unit(graph.node("MatMul", [features, graph.weight("V", directions, axis=1)]))
    size = meanings.shape[1] + directions.shape[1]
    graph.join(meaning, appearance, IMAGE_APPEARANCE_WEIGHT, size, "image_embeds")
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, IMAGE_SIDE, IMAGE_SIDE])
    graph.save(path, "lite_vision", [pixels], "image_embeds")


def export_text(path: Path, table: Array, to_appearance: Array) -> None:
    """`input_ids`, `attention_mask` [batch, seq] → `text_embeds` [batch, 512].

    Args:
        table: the tokens' vectors [V, 128].
        to_appearance: maps a meaning to the appearance of that thing [128, 256].
    """
    graph = Graph()
    graph.constant("eps", np.float32(1e-6))
    rounded, scale = quantise(table)
    rows = graph.node("Gather", [graph.constant("tok_q", rounded), "input_ids"], axis=0)
    vectors = graph.node("Cast", [rows], to=TensorProto.FLOAT)
    scales = graph.node("Gather", [graph.constant("tok_s", scale), "input_ids"], axis=0)
    masked_scales = graph.node("Mul", [scales, graph.node("Cast", ["attention_mask"], to=TensorProto.FLOAT)])
    last_axis = graph.constant("last_axis", np.array([2], np.int64))
    weighted = graph.node("Mul", [vectors, graph.node("Unsqueeze", [masked_scales, last_axis])])
    second_axis = graph.constant("second_axis", np.array([1], np.int64))
    meaning = graph.unit(graph.node("ReduceSum", [weighted, second_axis], keepdims=0))
    appearance = graph.unit(graph.node("MatMul", [meaning, graph.weight("B", to_appearance, axis=1)]))
    graph.join(meaning, appearance, TEXT_APPEARANCE_WEIGHT, sum(to_appearance.shape), "text_embeds")
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"])
        for name in ("input_ids", "attention_mask")
    ]
    graph.save(path, "lite_text", inputs, "text_embeds")


def _features(graph: Graph, network: Any, values: str) -> str:
    """Add the network up to its pooled features, with batch norm folded and TensorFlow's 'SAME' padding explicit."""
    size = IMAGE_SIDE

    def convolve(values: str, layer: Any, norm: Any, name: str, *, active: bool = True) -> str:
        nonlocal size
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().double()
        bias = (norm.bias - norm.running_mean * scale).detach().double().numpy().astype(np.float32)
        weights = (layer.weight.detach().double() * scale[:, None, None, None]).numpy()
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        output_size = -(-size // stride)
        padding = max((output_size - 1) * stride + kernel - size, 0)
        before, after = padding // 2, padding - padding // 2
        size = output_size
        convolved = graph.node(
            "Conv",
            [values, graph.weight(name, weights), graph.constant(f"{name}_b", bias)],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=layer.groups,
        )
        return graph.node("Clip", [convolved, "zero", "six"]) if active else convolved

    values = convolve(values, network._conv_stem, network._bn0, "stem")
    for number, block in enumerate(network._blocks):
        block_input, shape = values, block._block_args
        if shape.expand_ratio != 1:
            values = convolve(values, block._expand_conv, block._bn0, f"b{number}e")
        values = convolve(values, block._depthwise_conv, block._bn1, f"b{number}d")
        values = convolve(values, block._project_conv, block._bn2, f"b{number}p", active=False)
        if block.id_skip and shape.stride == 1 and shape.input_filters == shape.output_filters:
            values = graph.node("Add", [values, block_input])
    values = convolve(values, network._conv_head, network._bn1, "head")
    return graph.node("ReduceMean", [values], axes=[2, 3], keepdims=0)
