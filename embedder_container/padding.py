"""Pads the hidden values of feed-forward layers, where their rows lie a whole number of pages apart.

A matrix product reads some rows of its left matrix side by side. In CLIP ViT-B/32 a row of the hidden values has 3072
floats, three pages. Bytes that are whole pages apart share one set of a first-level cache, which has eight places on an
EPYC; ONNX Runtime's product reads twelve rows. With 16 columns more, all zeros, consecutive rows have sets of their
own. What is added to each sum is zero, so the results stay the same to the last bit.
"""

from collections import Counter

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from embedder_container.graphs import Graph

FLOAT_BYTES, PAGE_BYTES = 4, 4096
# One cache line: fewer would move rows within theirs, more would be more to multiply.
PADDING = 16

# Operators that compute each value from the values at the same place, and something finite from zeros.
_ACTIVATIONS = frozenset({"Add", "Div", "Erf", "Gelu", "Identity", "Mul", "Relu", "Sigmoid", "Sub", "Tanh"})


def pad_hidden_values(model: onnx.ModelProto) -> bool:
    """Rewrite the graph of a model in place; returns False, and changes nothing, if no layer is to be padded."""
    graph = Graph(model)
    producers = {node.output[0]: node for node in graph.nodes}
    uses = Counter(name for node in graph.nodes for name in node.input)
    padded: dict[tuple[str, int], str] = {}

    def pad(node: onnx.NodeProto, position: int, axis: int) -> None:
        name = node.input[position]
        if (name, axis) not in padded:
            padded[name, axis] = f"{name}/padded_{axis}"
            values = numpy_helper.to_array(graph.constants[name])
            widths = [(0, PADDING if one == axis % values.ndim else 0) for one in range(values.ndim)]
            model.graph.initializer.append(numpy_helper.from_array(np.pad(values, widths), padded[name, axis]))
        node.input[position] = padded[name, axis]

    for product in graph.nodes:
        if not _has_weights(graph, product):
            continue
        hidden = graph.shapes[product.input[1]][0]
        if not isinstance(hidden, int) or hidden * FLOAT_BYTES % PAGE_BYTES:
            continue
        layer = _layer(graph, producers, uses, product, hidden)
        for node in layer:
            for position, name in enumerate(node.input):
                if name in graph.constants and graph.shapes[name][-1:] == (hidden,):
                    pad(node, position, -1)
        if layer:
            pad(product, 1, 0)
    if padded:
        del model.graph.value_info[:]  # lengths that no longer hold
    return bool(padded)


def _layer(
    graph: Graph,
    producers: dict[str, onnx.NodeProto],
    uses: Counter[str],
    product: onnx.NodeProto,
    hidden: int,
) -> list[onnx.NodeProto]:
    """Return the nodes from the product that makes the hidden values to `product`, which takes them.

    There is none if anything else takes hidden values too, or makes them.
    """
    layer: list[onnx.NodeProto] = []
    taken = Counter([product.input[0]])
    waiting = [product.input[0]]
    while waiting:
        node = producers.get(waiting.pop())
        if node is None:
            return []
        layer.append(node)
        if _has_weights(graph, node):
            continue
        if node.op_type not in _ACTIVATIONS:
            return []
        for name in node.input:
            if name not in graph.constants:
                if name not in taken:
                    waiting.append(name)
                taken[name] += 1
            elif graph.shapes[name] == (hidden,):
                if node.op_type == "Div" or _is_external(graph.constants[name]):  # by zeros
                    return []
            elif graph.shapes[name] not in ((), (1,)):
                return []
    is_alone = not graph.outputs & taken.keys() and all(uses[name] == count for name, count in taken.items())
    return layer if is_alone and sum(_has_weights(graph, node) for node in layer) == 1 else []


def _has_weights(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether a node is a product with constant weights [K, N] of float32."""
    weights = graph.constants.get(node.input[1]) if node.op_type == "MatMul" else None
    return (
        weights is not None
        and len(weights.dims) == 2
        and weights.data_type == TensorProto.FLOAT
        and not _is_external(weights)
        and node.input[0] not in graph.constants
    )


def _is_external(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)
