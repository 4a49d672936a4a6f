"""An int8 model is kept only if it is fast and close enough."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from embedder_container import DECODE_VERSION
from embedder_container.fetch import verify
from embedder_container.inference import Model
from embedder_container.models import load_description, read_description
from tests.embedder.tiny_clip import TINY_CLIP
from tools.quantise import NOT_WORTHWHILE, main

NO_MINIMUM = ("--min-speedup", "0", "--min-recall", "0")


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    shutil.copytree(TINY_CLIP, tmp_path / "tiny-clip")
    return tmp_path


def quantise(models_dir: Path, *arguments: str) -> int:
    return main([*arguments, "tiny-clip"], {"MODELS_DIR": str(models_dir)})


def test_the_int8_model_has_its_own_model_version_and_nearly_the_same_vectors(models_dir: Path) -> None:
    assert quantise(models_dir, *NO_MINIMUM) == 0
    verify(models_dir, "tiny-clip-int8")
    before, after = read_description(TINY_CLIP), load_description(models_dir, "tiny-clip-int8")
    assert after.model_version == f"tiny-clip-int8-1+d{DECODE_VERSION}"
    assert (after.image, after.dimension, after.text_cleaning) == (before.image, before.dimension, before.text_cleaning)
    assert (after.folder / "vision.onnx").stat().st_size < (TINY_CLIP / "vision.onnx").stat().st_size
    pixels = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    original, int8 = Model(before, threads=1), Model(after, threads=1)
    assert 0.9 < float(original.embed_pixels(pixels) @ int8.embed_pixels(pixels)) < 1
    np.testing.assert_array_equal(int8.embed_text("owl"), original.embed_text("owl"))


@pytest.mark.parametrize("minimum", [("--min-speedup", "1000"), ("--min-recall", "1.01")])
def test_an_int8_model_that_is_too_slow_or_too_inexact_is_removed(
    models_dir: Path, minimum: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert quantise(models_dir, *NO_MINIMUM, *minimum) == NOT_WORTHWHILE == 3
    assert not (models_dir / "tiny-clip-int8").exists()
    assert "not worth it" in capsys.readouterr().out


def test_the_quantise_command_refuses_an_unknown_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-model"], {"MODELS_DIR": str(tmp_path)}) == 1
    assert "no-such-model" in capsys.readouterr().err
