"""Graphs of other exporters: other names, int32 ids, a fixed length, another dimension."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from embedder_container.inference import Model
from embedder_container.models import read_description
from embedder_container.transforms import to_pixels
from tests.embedder.exported_model import IMAGE_INPUT, WEIGHTS, save_graph, write_exported_model


@pytest.fixture
def model(tmp_path: Path) -> Model:
    write_exported_model(tmp_path)
    return Model(read_description(tmp_path), threads=1)


@pytest.mark.parametrize("text", ["", "An Owl!", "a very long text of many, many words about owls"])
def test_a_text_is_padded_and_truncated_to_the_graphs_length(model: Model, text: str) -> None:
    ids = np.array(model.token_ids(text), dtype=np.float32)
    assert ids.shape == (6,)
    product = ids @ WEIGHTS
    np.testing.assert_allclose(model.embed_text(text), product / np.linalg.norm(product), atol=1e-6)


def test_an_image_is_squashed_and_normalised_around_one_half(model: Model) -> None:
    pixels = to_pixels(Image.new("RGB", (50, 20), (255, 0, 191)), model.description.image)
    np.testing.assert_allclose(pixels[0, :, 0, 0], [1, -1, 191 / 127.5 - 1], atol=1e-6)
    unit = np.array([1, -1, 191 / 127.5 - 1]) / np.linalg.norm([1, -1, 191 / 127.5 - 1])
    np.testing.assert_allclose(model.embed_pixels(pixels), unit, atol=1e-6)


def test_a_graph_of_two_outputs_of_unknown_names_is_refused(model: Model) -> None:
    mean = helper.make_node("ReduceMean", ["image"], ["one"], axes=[2, 3], keepdims=0)
    twice = helper.make_node("Add", ["one", "one"], ["two"])
    save_graph(model.description.folder / "vision.onnx", [mean, twice], IMAGE_INPUT, ["one", "two"])
    with pytest.raises(ValueError, match="one, two"):
        model.embed_pixels(np.zeros((1, 3, 8, 8), np.float32))


def test_a_graph_of_another_dimension_than_the_description_is_refused(model: Model) -> None:
    mean = helper.make_node("ReduceMean", ["image"], ["embedding"], axes=[1, 2, 3], keepdims=0)
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1])
    graph = helper.make_graph([mean], "graph", [IMAGE_INPUT], [output])
    exported = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(exported, model.description.folder / "vision.onnx")
    with pytest.raises(ArithmeticError, match="no direction"):
        model.embed_pixels(np.ones((1, 3, 8, 8), np.float32))
