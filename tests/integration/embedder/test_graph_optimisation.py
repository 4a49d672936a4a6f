"""The optimised graphs are loaded instead of the originals, and compute the same vectors."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from embedder_container.inference import Model
from embedder_container.models import SHIPPED_MODELS, load_description, read_description
from embedder_container.optimise import check_same_results, main, optimise
from tests.embedder.exported_model import write_exported_model
from tests.embedder.tiny_clip import TINY_CLIP


@pytest.mark.parametrize("name", ["lite", "tiny-clip"])
def test_an_optimised_model_gives_the_same_vectors_without_its_original_graphs(tmp_path: Path, name: str) -> None:
    original = load_description(SHIPPED_MODELS, "lite") if name == "lite" else read_description(TINY_CLIP)
    shutil.copytree(original.folder, tmp_path / name)
    assert main(["--replace", name], {"MODELS_DIR": str(tmp_path)}) == 0
    assert not (tmp_path / name / "vision.onnx").exists()
    assert not (tmp_path / name / "text.onnx").exists()
    before, after = Model(original, threads=1), Model(load_description(tmp_path, name), threads=1)
    pixels = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    np.testing.assert_allclose(after.embed_pixels(pixels), before.embed_pixels(pixels), atol=1e-6)
    np.testing.assert_allclose(after.embed_text("an owl"), before.embed_text("an owl"), atol=1e-6)


def test_a_graph_that_differs_from_its_pin_is_not_optimised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(TINY_CLIP, tmp_path / "tiny-clip")
    (tmp_path / "tiny-clip" / "text.onnx").write_bytes(b"another")
    assert main(["tiny-clip"], {"MODELS_DIR": str(tmp_path)}) == 1
    assert "text.onnx" in capsys.readouterr().err


def test_only_the_output_that_is_read_stays_and_what_the_others_need_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(TINY_CLIP, folder)
    model = onnx.load(folder / "vision.onnx")
    tokens = next(node.input[0] for node in model.graph.node if node.output[0] == "/v/Gather_output_0")
    model.graph.output.append(helper.make_tensor_value_info(tokens, onnx.TensorProto.FLOAT, ["n", 50, 32]))
    onnx.save(model, folder / "vision.onnx")
    optimise(read_description(folder))
    session = onnxruntime.InferenceSession(folder / "vision.optimised.onnx", providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_outputs()] == ["image_embeds"]
    assert not (folder / "vision.rewritten.onnx").exists()


def test_a_graph_that_gives_another_result_is_told_from_the_original(tmp_path: Path) -> None:
    write_exported_model(tmp_path)
    original = onnx.load(tmp_path / "vision.onnx")
    check_same_results(tmp_path / "vision.onnx", tmp_path / "vision.onnx")
    # As large everywhere, in another direction.
    original.graph.node.insert(0, helper.make_node("Neg", ["image"], ["negative"]))
    original.graph.node[1].input[0] = "negative"
    onnx.save(original, tmp_path / "another.onnx")
    with pytest.raises(ValueError, match="another result"):
        check_same_results(tmp_path / "vision.onnx", tmp_path / "another.onnx")
