"""Graphs as other projects export them: other names, int32 ids, a fixed length, another dimension."""

import base64
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.inference import Model
from embedder_container.models import MODELS_SHIPPED, load_bundle, registry
from embedder_container.tasks import ObjectToEmbed, Timings
from embedder_container.transfer import Transfers
from embedder_container.transforms import to_pixels
from tests.embedder.samples import encoded

WEIGHTS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def save(path: Path, nodes: list[onnx.NodeProto], given: onnx.ValueInfoProto, outputs: list[str]) -> None:
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in outputs]
    graph = helper.make_graph(nodes, "graph", [given], made, [numpy_helper.from_array(WEIGHTS, "weights")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model of three dimensions whose graphs have the names and shapes that Immich's exporter gives."""
    mean = helper.make_node("ReduceMean", ["image"], ["embedding"], axes=[2, 3], keepdims=0)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    save(tmp_path / "vision.onnx", [mean], image, ["embedding"])
    numbers = helper.make_node("Cast", ["text"], ["numbers"], to=TensorProto.FLOAT)
    product = helper.make_node("MatMul", ["numbers", "weights"], ["embedding"])
    text = helper.make_tensor_value_info("text", TensorProto.INT32, [1, 6])
    save(tmp_path / "text.onnx", [numbers, product], text, ["embedding"])
    (tmp_path / "tokenizer.json").write_bytes((MODELS_SHIPPED / "lite" / "tokenizer.json").read_bytes())
    files = {name: {"size": 1} for name in ("vision.onnx", "text.onnx", "tokenizer.json")}
    image_rule = {**registry()["siglip2-b-32-256"]["image"], "size": 8}
    text_rule = {"context_length": 6, "clean": "canonical", "pad": {"id": 0, "to": "context_length"}}
    card = {"name": "other", "revision": "1", "licence": "none", "dimension": 3, "files": files}
    (tmp_path / "model.json").write_text(json.dumps(card | {"image": image_rule, "text": text_rule}))
    return Model(load_bundle(tmp_path), threads=1)


@pytest.mark.parametrize("text", ["", "An Owl!", "a very long text of many, many words about owls"])
def test_a_text_is_padded_and_cut_to_the_graphs_length(model: Model, text: str) -> None:
    ids = np.array(model.token_ids(text), dtype=np.float32)
    assert ids.shape == (6,)
    wanted = ids @ WEIGHTS
    np.testing.assert_allclose(model.embed_text(text), wanted / np.linalg.norm(wanted), atol=1e-6)


def test_a_picture_is_squashed_and_normalised_about_a_half(model: Model) -> None:
    pixels = to_pixels(Image.new("RGB", (50, 20), (255, 0, 191)), model.card.image)
    np.testing.assert_allclose(pixels[0, :, 0, 0], [1, -1, 191 / 127.5 - 1], atol=1e-6)
    unit = np.array([1, -1, 191 / 127.5 - 1]) / np.linalg.norm([1, -1, 191 / 127.5 - 1])
    np.testing.assert_allclose(model.embed_pixels(pixels), unit, atol=1e-6)


def test_a_graph_that_was_exported_for_one_picture_is_given_one_at_a_time(model: Model) -> None:
    class Photographs(Transfers):
        def download(self, url: str, limit: int, too_large: Exception) -> bytes:
            return encoded(Image.new("RGB", (8, 8), url), "PNG")

    decoders = DecoderPool(model.card.image, processes=1)
    colours = ["red", "lime", "blue", "orange", "purple"]
    results = Embedder(model, Photographs(), decoders, processors=1).embed_objects(
        [ObjectToEmbed(colour) for colour in colours], Timings()
    )
    decoders.close()
    alone = [model.embed_pixels(to_pixels(Image.new("RGB", (8, 8), colour), model.card.image)) for colour in colours]
    assert [result["vector"] for result in results] == [base64.b64encode(vector).decode() for vector in alone]


def test_a_graph_that_leaves_open_which_output_is_meant_is_refused(model: Model) -> None:
    mean = helper.make_node("ReduceMean", ["image"], ["one"], axes=[2, 3], keepdims=0)
    twice = helper.make_node("Add", ["one", "one"], ["two"])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    save(model.card.folder / "vision.onnx", [mean, twice], image, ["one", "two"])
    with pytest.raises(ValueError, match="one, two"):
        model.embed_pixels(np.zeros((1, 3, 8, 8), np.float32))


def test_a_model_of_another_dimension_than_its_card_says_is_refused(model: Model) -> None:
    product = helper.make_node("ReduceMean", ["image"], ["embedding"], axes=[1, 2, 3], keepdims=0)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph(
        [product], "graph", [image], [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1])]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, model.card.folder / "vision.onnx")
    with pytest.raises(ArithmeticError, match="no direction"):
        model.embed_pixels(np.ones((1, 3, 8, 8), np.float32))
