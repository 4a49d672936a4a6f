"""The optimised graphs are loaded instead of the originals, and compute the same vectors."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from embedder_container.inference import Model
from embedder_container.models import SHIPPED_MODELS, load_description, read_description
from embedder_container.optimise import main
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
