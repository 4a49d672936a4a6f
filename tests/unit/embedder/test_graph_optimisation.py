"""The optimised graphs are loaded in place of their originals, and compute the same."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from embedder_container.inference import Model
from embedder_container.models import MODELS_SHIPPED, load_bundle, load_description
from embedder_container.optimise import main
from tests.unit.embedder.test_reference_vectors import FOLDER


@pytest.mark.parametrize("name", ["lite", "tiny-clip"])
def test_an_optimised_model_gives_the_same_vectors_without_its_originals(tmp_path: Path, name: str) -> None:
    original = load_description(MODELS_SHIPPED, "lite") if name == "lite" else load_bundle(FOLDER)
    shutil.copytree(original.folder, tmp_path / name)
    assert main(["--replace", name], {"MODELS_DIR": str(tmp_path)}) == 0
    assert not (tmp_path / name / "vision.onnx").exists()
    assert not (tmp_path / name / "text.onnx").exists()
    before, after = Model(original, threads=1), Model(load_description(tmp_path, name), threads=1)
    pixels = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    np.testing.assert_allclose(after.embed_pixels(pixels), before.embed_pixels(pixels), atol=1e-6)
    np.testing.assert_allclose(after.embed_text("an owl"), before.embed_text("an owl"), atol=1e-6)


def test_only_what_was_pinned_is_optimised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(FOLDER, tmp_path / "tiny-clip")
    (tmp_path / "tiny-clip" / "text.onnx").write_bytes(b"another")
    assert main(["tiny-clip"], {"MODELS_DIR": str(tmp_path)}) == 1
    assert "text.onnx" in capsys.readouterr().err
