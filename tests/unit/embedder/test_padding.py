"""Hidden values get columns of zeros where their rows lie whole pages apart; what a graph gives stays the same."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from embedder_container.padding import PADDING, pad_hidden_values
from tests.embedder.graphs import copy_of, run

FEATURES, PAGE = 6, 1024  # floats
RNG = np.random.default_rng(0)

Step = tuple[str, list[str], str]  # operator, inputs, output

QUICK_GELU: list[Step] = [("Mul", ["wide", "scale"], "s"), ("Sigmoid", ["s"], "gate"), ("Mul", ["wide", "gate"], "out")]
GELU: list[Step] = [
    ("Div", ["wide", "scale"], "s"),
    ("Erf", ["s"], "e"),
    ("Add", ["e", "one"], "f"),
    ("Mul", ["wide", "f"], "out"),
]
RELU: list[Step] = [("Relu", ["wide"], "out")]


def layer(
    activation: Sequence[Step] = RELU, hidden: int = PAGE, outputs: Sequence[str] = ("y",), more: Sequence[Step] = ()
) -> onnx.ModelProto:
    """Return a feed-forward layer of x [n, 3, 6], whose activation goes from `wide` to `out`."""
    constants: dict[str, NDArray[np.float32]] = {
        "wider": RNG.normal(size=(FEATURES, hidden)).astype(np.float32),
        "bias": RNG.normal(size=hidden).astype(np.float32),
        "narrower": RNG.normal(size=(hidden, FEATURES)).astype(np.float32),
        "scale": np.array(1.7, np.float32),
        "one": np.array([1], np.float32),
        "many": RNG.normal(size=hidden).astype(np.float32),
    }
    first: list[Step] = [("MatMul", ["x", "wider"], "product"), ("Add", ["bias", "product"], "wide")]
    last: Step = ("MatMul", ["out", "narrower"], "y")
    graph = helper.make_graph(
        [
            helper.make_node(operator, inputs, [output])
            for operator, inputs, output in [*first, *activation, last, *more]
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, FEATURES])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, None]) for name in outputs],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weights_of(model: onnx.ModelProto) -> list[list[int]]:
    """Return the shapes of the weights of the graph's products."""
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    return [shapes[node.input[1]] for node in model.graph.node if node.op_type == "MatMul"]


@pytest.mark.parametrize("hidden", [PAGE, 3 * PAGE])
@pytest.mark.parametrize("activation", [QUICK_GELU, GELU, RELU], ids=["QuickGELU", "GELU", "ReLU"])
def test_a_padded_layer_gives_the_same_to_the_last_bit(activation: list[Step], hidden: int) -> None:
    model = layer(activation, hidden)
    padded = copy_of(model)
    assert pad_hidden_values(padded)
    assert weights_of(padded) == [[FEATURES, hidden + PADDING], [hidden + PADDING, FEATURES]]
    x = RNG.normal(size=(5, 3, FEATURES)).astype(np.float32)
    np.testing.assert_array_equal(run(padded, x=x), run(model, x=x))


def test_layers_that_share_a_bias_are_padded_each() -> None:
    model = layer(more=[("Identity", ["bias"], "same"), ("MatMul", ["y", "wider"], "p"), ("Add", ["p", "same"], "w")])
    model.graph.node.extend(
        [helper.make_node("Relu", ["w"], ["r"]), helper.make_node("MatMul", ["r", "narrower"], ["z"])]
    )
    model.graph.output[0].name = "z"
    padded = copy_of(model)
    assert pad_hidden_values(padded)
    assert weights_of(padded) == 2 * [[FEATURES, PAGE + PADDING], [PAGE + PADDING, FEATURES]]
    x = RNG.normal(size=(1, 3, FEATURES)).astype(np.float32)
    np.testing.assert_array_equal(run(padded, x=x), run(model, x=x))


@pytest.mark.parametrize(
    "model",
    [
        layer(hidden=1000),
        layer(outputs=["y", "wide"]),
        layer(more=[("Neg", ["wide"], "other")], outputs=["y", "other"]),
        layer([("Div", ["wide", "many"], "out")]),
        layer([("Exp", ["wide"], "e"), ("Softmax", ["e"], "out")]),
        layer([("MatMul", ["x", "wider"], "other"), ("Mul", ["wide", "other"], "out")]),
    ],
    ids=[
        "rows that are no whole pages",
        "hidden values that are an output",
        "hidden values that something else takes",
        "a division, which would be by zeros",
        "an operator that sees a whole row",
        "hidden values of two products",
    ],
)
def test_any_other_graph_stays_as_it_is(model: onnx.ModelProto) -> None:
    unchanged = copy_of(model)
    assert not pad_hidden_values(model)
    assert model == unchanged
