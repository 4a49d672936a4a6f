"""int8 is an option that has to earn its place."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from embedder_container.fetch import verify
from embedder_container.inference import Model
from embedder_container.models import load_bundle, load_description
from tests.unit.embedder.test_reference_vectors import FOLDER
from tools.quantise import main


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "tiny-clip")
    return tmp_path


def quantise(models_dir: Path, *arguments: str) -> int:
    return main([*arguments, "tiny-clip"], {"MODELS_DIR": str(models_dir)})


def test_the_sibling_is_a_model_of_its_own_with_nearly_the_same_vectors(models_dir: Path) -> None:
    assert quantise(models_dir, "--min-speedup", "0", "--min-recall", "0") == 0
    verify(models_dir, "tiny-clip-int8")
    before, after = load_bundle(FOLDER), load_description(models_dir, "tiny-clip-int8")
    assert after.model_version == "tiny-clip-int8-1+d2"
    assert (after.image, after.dimension, after.clean) == (before.image, before.dimension, before.clean)
    assert (after.folder / "vision.onnx").stat().st_size < (FOLDER / "vision.onnx").stat().st_size
    pixels = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    exact, rounded = (Model(card, threads=1).embed_pixels(pixels) for card in (before, after))
    assert 0.9 < float(exact @ rounded) < 1
    np.testing.assert_array_equal(Model(after, threads=1).embed_text("owl"), Model(before, threads=1).embed_text("owl"))


@pytest.mark.parametrize("demand", [("--min-speedup", "1000"), ("--min-recall", "1.01")])
def test_one_that_is_too_slow_or_too_wrong_is_not_kept(
    models_dir: Path, demand: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    lenient = ("--min-speedup", "0", "--min-recall", "0")
    assert quantise(models_dir, *lenient, *demand) == 3
    assert not (models_dir / "tiny-clip-int8").exists()
    assert "not worth it" in capsys.readouterr().out


def test_an_unknown_model_is_said_to_be_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-model"], {"MODELS_DIR": str(tmp_path)}) == 1
    assert "no-such-model" in capsys.readouterr().err
