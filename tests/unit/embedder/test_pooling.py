"""A graph that chooses its token before the last block gives what it gave, and computes less."""

from collections.abc import Sequence

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from embedder_container.pooling import pool_early
from tests.embedder.graphs import copy_of, run
from tests.embedder.tiny_clip import TINY_CLIP

TOKENS, FEATURES, HEADS = 5, 6, 2
RNG = np.random.default_rng(0)

# Steps from tokens [n, 5, 6] to tokens, as (operator, constants that follow the tokens, attributes).
ROW_BY_ROW = [
    ("MatMul", [(FEATURES, FEATURES)], {}),
    ("Add", [(FEATURES,)], {}),
    ("Add", [(1, 1, FEATURES)], {}),
    ("Add", [(1, TOKENS, FEATURES)], {}),
    ("Mul", [(TOKENS, 1)], {}),
    ("LayerNormalization", [(FEATURES,), (FEATURES,)], {"axis": -1}),
    ("Softmax", [], {"axis": -1}),
    ("Sigmoid", [], {}),
]
AMONG_TOKENS = [
    ("Softmax", [], {"axis": 1}),
    ("LayerNormalization", [(TOKENS, FEATURES), (TOKENS, FEATURES)], {"axis": 1}),
    ("ReduceMean", [], {"axes": [1], "keepdims": 1}),
    ("attention", [], {}),
    ("mixing", [], {}),
]


class Builder:
    """Builds a graph on an input `x` [n, 5, 6]."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], **attributes: object) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, values: NDArray[np.generic]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weights(self, *shape: int) -> str:
        return self.constant(RNG.normal(size=shape).astype(np.float32))

    def step(self, tokens: str, operator: str, shapes: Sequence[tuple[int, ...]], attributes: dict[str, object]) -> str:
        if operator == "attention":
            return self.attention(tokens)
        if operator == "mixing":  # of a token's features with those of the others
            turned = self.add("Transpose", [tokens], perm=[0, 2, 1])
            return self.add("Transpose", [self.add("MatMul", [turned, self.weights(TOKENS, TOKENS)])], perm=[0, 2, 1])
        return self.add(operator, [tokens, *(self.weights(*shape) for shape in shapes)], **attributes)

    def attention(self, tokens: str) -> str:
        """Two heads, as PyTorch's exporter writes them."""
        split = self.constant(np.array([0, 0, HEADS, FEATURES // HEADS], np.int64))
        query, key, value = (
            self.add("Reshape", [self.add("MatMul", [tokens, self.weights(FEATURES, FEATURES)]), split])
            for _ in range(3)
        )
        scores = self.add(
            "MatMul",
            [self.add("Transpose", [query], perm=[0, 2, 1, 3]), self.add("Transpose", [key], perm=[0, 2, 3, 1])],
        )
        mixed = self.add(
            "MatMul",
            [self.add("Softmax", [scores], axis=-1), self.add("Transpose", [value], perm=[0, 2, 1, 3])],
        )
        joined = self.add("Transpose", [mixed], perm=[0, 2, 1, 3])
        return self.add("Reshape", [joined, self.constant(np.array([0, 0, -1], np.int64))])

    def model(self, tokens: str, token: int, *others: str) -> onnx.ModelProto:
        """Return the model that gives one token, and other outputs."""
        index = self.constant(np.array(token, np.int64))
        self.nodes.append(helper.make_node("Gather", [tokens, index], ["token"], axis=1))
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", TOKENS, FEATURES])],
            [
                helper.make_tensor_value_info("token", TensorProto.FLOAT, ["n", FEATURES]),
                *(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", TOKENS, FEATURES]) for name in others),
            ],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def lengths_of_products(model: onnx.ModelProto) -> list[int]:
    """Return the second length of each matrix product: of products [n, tokens, features] how many tokens they have."""
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {info.name: info.type.tensor_type.shape.dim for info in (*graph.value_info, *graph.output)}
    return [shapes[node.output[0]][1].dim_value for node in model.graph.node if node.op_type == "MatMul"]


@given(
    steps=st.lists(st.tuples(st.sampled_from([*ROW_BY_ROW, *AMONG_TOKENS]), st.booleans()), max_size=8),
    token=st.integers(-TOKENS, TOKENS - 1),
)
@settings(max_examples=60)
def test_any_graph_gives_the_same_for_its_token_as_before(
    steps: list[tuple[tuple[str, list[tuple[int, ...]], dict[str, object]], bool]], token: int
) -> None:
    builder, tokens = Builder(), "x"
    for step, is_residual in steps:
        after = builder.step(tokens, *step)
        tokens = builder.add("Add", [tokens, after]) if is_residual else after
        if step[0] == "ReduceMean":
            tokens = builder.add("Expand", [tokens, builder.constant(np.array([1, TOKENS, FEATURES], np.int64))])
    model = builder.model(tokens, token)
    pooled = copy_of(model)
    pool_early(pooled)
    x = np.random.default_rng(1).normal(size=(3, TOKENS, FEATURES)).astype(np.float32)
    # Small sums of large values keep few digits: a difference is measured by the largest.
    expected = run(model, x=x)
    np.testing.assert_allclose(run(pooled, x=x), expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(expected).max())))


def test_of_the_last_block_only_keys_and_values_are_computed_for_all_tokens() -> None:
    model = onnx.load(TINY_CLIP / "vision.onnx")
    *earlier, query, key, value, _, _, joined, wider, narrower, _ = lengths_of_products(model)
    assert (query, key, value, joined, wider, narrower) == (50,) * 6
    assert pool_early(model)
    *still_earlier, query, key, value, _, _, joined, wider, narrower, _ = lengths_of_products(model)
    assert (query, key, value, joined, wider, narrower) == (1, 50, 50, 1, 1, 1)
    assert still_earlier == earlier


def test_a_pooled_clip_gives_the_same_vectors_in_batches_of_any_size() -> None:
    original = onnx.load(TINY_CLIP / "vision.onnx")
    pooled = copy_of(original)
    assert pool_early(pooled)
    pixels = np.random.default_rng(0).normal(size=(3, 3, 224, 224)).astype(np.float32)
    together = run(pooled, pixel_values=pixels)
    np.testing.assert_allclose(together, run(original, pixel_values=pixels), atol=1e-6)
    np.testing.assert_array_equal(run(pooled, pixel_values=pixels[1:2]), together[1:2])


def test_a_pooled_graph_is_not_pooled_again() -> None:
    model = onnx.load(TINY_CLIP / "vision.onnx")
    assert pool_early(model)
    unchanged = copy_of(model)
    assert not pool_early(model)
    assert model == unchanged


def test_tokens_that_are_an_output_too_are_all_computed() -> None:
    builder = Builder()
    tokens = builder.add("Sigmoid", [builder.add("MatMul", ["x", builder.weights(FEATURES, FEATURES)])])
    model = builder.model(tokens, 0, tokens)
    unchanged = copy_of(model)
    assert not pool_early(model)
    assert model == unchanged


def test_a_graph_that_chooses_a_token_of_its_input_stays_as_it_is() -> None:
    model = onnx.load(TINY_CLIP / "text.onnx")  # the end token, wherever it is
    unchanged = copy_of(model)
    assert not pool_early(model)
    assert model == unchanged
