"""Pools a graph before its last block: what only other tokens would need is not computed.

A vision transformer's vector is made from one of its tokens (the class token: Dosovitskiy et al., "An Image is Worth
16x16 Words", 2021, equation 4), and exporters choose that token after the last block. Of that block attention alone
needs the other tokens, for its keys and values. Everything else is computed for each token by itself: the queries,
what attention gives, and the feed-forward layer. So they are computed for one token in place of CLIP ViT-B/32's fifty,
which is a fifteenth of the model's arithmetic. The vectors stay the same: the same sums, for fewer rows.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from embedder_container.graphs import Graph, Shape, attribute

# Before it, Softmax flattened what follows its axis: https://onnx.ai/onnx/operators/onnx__Softmax.html
MIN_OPSET = 13

# Operators that compute each value from the values at the same place, with broadcasting.
_ELEMENTWISE = frozenset(
    """Abs Add Cast Clip Div Erf Exp Gelu HardSigmoid HardSwish Identity Log Max Min Mul Neg Pow Relu Sigmoid Sqrt Sub
    Tanh Where""".split()  # noqa: SIM905 - names of ONNX
)


def pool_early(model: onnx.ModelProto) -> bool:
    """Rewrite the graph of a model in place; returns False, and changes nothing, if it is not pooled at one token.

    A graph whose shapes cannot be inferred, or whose last block has an operator that is not known here, is rewritten as
    far as that operator.
    """
    if any(opset.domain in ("", "ai.onnx") and opset.version < MIN_OPSET for opset in model.opset_import):
        return False
    graph = Graph(model)
    poolings = [node for node in model.graph.node if _is_pooling(graph, node)]
    # None or several: other models, in which nothing is to be gained.
    if len(poolings) != 1:
        return False
    (pooling,) = poolings
    plan = _plan(graph, pooling)
    if not plan.axes:
        return False
    _rewrite(model, graph, pooling, plan)
    return True


def _is_pooling(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether a node chooses one token, always the same, of all [N, L, D]; it has no choice if L is 1."""
    return (
        node.op_type == "Gather"
        and attribute(node, "axis", 0) == 1
        and len(graph.shapes.get(node.input[0], ())) == 3
        and graph.shapes[node.input[0]][1] != 1
        and node.input[0] not in graph.constants
        and node.input[1] in graph.constants
        and graph.shapes[node.input[1]] == ()
    )


@dataclass
class _Plan:
    """What is computed for one token alone: the axis of the tokens in each output, and in inputs of each node."""

    axes: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, dict[int, int]] = field(default_factory=dict)


def _plan(graph: Graph, pooling: onnx.NodeProto) -> _Plan:
    """Go from the pooling towards the inputs, as long as nobody else needs the other tokens."""
    plan = _Plan()
    # How each tensor is needed: the axis along which one token is enough; None is needed whole.
    needs: dict[str, set[int | None]] = defaultdict(set)
    for output in graph.outputs:
        needs[output].add(None)
    for node in reversed(graph.nodes):  # a node stands after those whose outputs it takes
        inputs: dict[int, int] | None = {}
        if node is pooling:
            inputs = {0: 1}
        else:
            (axis, *others) = needs[node.output[0]] or {None}
            alone = axis is not None and not others and len(node.output) == 1
            inputs = _tokens_of_inputs(graph, node, axis) if alone and axis is not None else None
            if inputs is not None and axis is not None:
                plan.axes[node.output[0]] = axis
                plan.inputs[node.output[0]] = inputs
        for position, name in enumerate(node.input):
            needs[name].add((inputs or {}).get(position))
    return plan


def _tokens_of_inputs(graph: Graph, node: onnx.NodeProto, axis: int) -> dict[int, int] | None:
    """Return the axis of the tokens in each input that has them, if one token of the output needs one of theirs."""
    shapes = [graph.shapes.get(name) for name in node.input]
    output = graph.shapes.get(node.output[0])
    rule = _RULES.get(node.op_type, _elementwise if node.op_type in _ELEMENTWISE else None)
    if rule is None or output is None or any(shape is None for shape in shapes):
        return None
    return rule(node, axis, [shape for shape in shapes if shape is not None], output)


def _elementwise(_: onnx.NodeProto, axis: int, shapes: Sequence[Shape], output: Shape) -> dict[int, int] | None:
    inputs = {}
    for position, shape in enumerate(shapes):
        own = axis - (len(output) - len(shape))
        if own < 0 or shape[own] == 1:
            continue  # broadcast: the same for all tokens
        if shape[own] != output[axis]:
            return None
        inputs[position] = own
    return inputs


def _quantised(_: onnx.NodeProto, axis: int, shapes: Sequence[Shape], __: Shape) -> dict[int, int] | None:
    """QuantizeLinear and DequantizeLinear, with one scale for all values."""
    return {0: axis} if all(shape in ((), (1,)) for shape in shapes[1:]) else None


def _matmul(_: onnx.NodeProto, axis: int, shapes: Sequence[Shape], output: Shape) -> dict[int, int] | None:
    left, right = shapes
    if axis != len(output) - 2 or len(left) != len(output) or len(right) < 2:
        return None
    return {0: axis}


def _normalisation(node: onnx.NodeProto, axis: int, _: Sequence[Shape], output: Shape) -> dict[int, int] | None:
    """LayerNormalization from an axis on."""
    return {0: axis} if axis < attribute(node, "axis", -1) % len(output) else None


def _softmax(node: onnx.NodeProto, axis: int, _: Sequence[Shape], output: Shape) -> dict[int, int] | None:
    """Softmax along an axis, as from version 13 of the operators on."""
    return {0: axis} if axis != attribute(node, "axis", -1) % len(output) else None


def _mean(node: onnx.NodeProto, axis: int, shapes: Sequence[Shape], output: Shape) -> dict[int, int] | None:
    """ReduceMean: of a normalisation that is written as several operators."""
    means_features = attribute(node, "axes", None) in ([-1], [len(output) - 1]) and len(shapes[0]) == len(output)
    return {0: axis} if means_features and axis < len(output) - 1 else None


def _transpose(node: onnx.NodeProto, axis: int, _: Sequence[Shape], output: Shape) -> dict[int, int] | None:
    permutation: list[int] = attribute(node, "perm", [*reversed(range(len(output)))])
    return {0: permutation[axis]}


def _reshape(node: onnx.NodeProto, axis: int, shapes: Sequence[Shape], output: Shape) -> dict[int, int] | None:
    # Features may be split into heads and joined; batch and tokens stay. Only one length may be left to the run.
    is_kept = shapes[0][: axis + 1] == output[: axis + 1] and not attribute(node, "allowzero", 0)
    return {0: axis} if is_kept and sum(isinstance(length, str) for length in output[axis + 1 :]) <= 1 else None


_Rule = Callable[[onnx.NodeProto, int, Sequence[Shape], Shape], dict[int, int] | None]
_RULES: dict[str, _Rule] = {
    "DequantizeLinear": _quantised,
    "LayerNormalization": _normalisation,
    "MatMul": _matmul,
    "QuantizeLinear": _quantised,
    "ReduceMean": _mean,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "Transpose": _transpose,
}


def _rewrite(model: onnx.ModelProto, graph: Graph, pooling: onnx.NodeProto, plan: _Plan) -> None:
    """Choose the token where the plan begins; from there on a tensor has one token, which the pooling takes."""
    (index,) = numpy_helper.to_array(graph.constants[pooling.input[1]]).reshape(-1)
    nodes: list[onnx.NodeProto] = []
    chosen: dict[tuple[str, int], str] = {}

    def constant(name: str, values: Any) -> str:
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def one_token(name: str, axis: int) -> str:
        if name in plan.axes:
            return name
        if (name, axis) not in chosen:
            chosen[name, axis] = f"{name}/token_{axis}"
            nodes.append(helper.make_node("Gather", [name, token], [chosen[name, axis]], axis=axis))
        return chosen[name, axis]

    token = constant("pooling/token", [index])
    first = constant("pooling/first", 0)
    for node in graph.nodes:
        output = node.output[0]
        if node is pooling:
            node.input[:] = [one_token(node.input[0], 1), first]
        elif output in plan.axes:
            for position, axis in plan.inputs[output].items():
                node.input[position] = one_token(node.input[position], axis)
            if node.op_type == "Reshape":
                axis = plan.axes[output]
                rest = [length if isinstance(length, int) else -1 for length in graph.shapes[output][axis + 1 :]]
                node.input[1] = constant(f"{output}/shape", [*([0] * axis), 1, *rest])
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]  # lengths that no longer hold
