"""An int8 model is kept only if it is fast and close enough; otherwise the model stays in float, and it is said why."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from embedder_container import DECODE_VERSION, optimise
from embedder_container.fetch import verify
from embedder_container.images import decode
from embedder_container.inference import MAX_BATCH_SIZE, Model
from embedder_container.models import load_description, read_description
from embedder_container.quantise import NOT_WORTHWHILE, main, quantise_dynamic
from embedder_container.transforms import to_pixels
from tests.embedder.samples import photo
from tests.embedder.tiny_clip import TINY_CLIP

NO_MINIMUM = ("--min-speedup", "0", "--min-recall", "0")
IMPOSSIBLE = ("--min-speedup", "1000")


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    shutil.copytree(TINY_CLIP, tmp_path / "tiny-clip")
    return tmp_path


def quantise(models_dir: Path, *arguments: str) -> int:
    return main([*arguments, "tiny-clip"], {"MODELS_DIR": str(models_dir)})


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_the_int8_model_has_its_own_model_version_and_nearly_the_same_vectors(models_dir: Path) -> None:
    assert quantise(models_dir, *NO_MINIMUM) == 0
    verify(models_dir, "tiny-clip-int8")
    before, after = read_description(TINY_CLIP), load_description(models_dir, "tiny-clip-int8")
    assert after.model_version == f"tiny-clip-int8-1+d{DECODE_VERSION}"
    assert (after.image, after.dimension, after.text_cleaning) == (before.image, before.dimension, before.text_cleaning)
    assert (after.folder / "vision.onnx").stat().st_size < (TINY_CLIP / "vision.onnx").stat().st_size
    pixels = to_pixels(decode(photo()).image, before.image)
    original, int8 = Model(before, threads=1), Model(after, threads=1)
    assert 0.9 < float(original.embed_pixels(pixels) @ int8.embed_pixels(pixels)) < 1
    np.testing.assert_array_equal(int8.embed_text("owl"), original.embed_text("owl"))


@pytest.mark.parametrize("minimum", [IMPOSSIBLE, ("--min-recall", "1.01")])
def test_an_int8_model_that_is_too_slow_or_too_inexact_is_not_kept(
    models_dir: Path, minimum: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert quantise(models_dir, *NO_MINIMUM, *minimum) == NOT_WORTHWHILE == 3
    assert not (models_dir / "tiny-clip-int8").exists()
    printed = capsys.readouterr().out
    assert printed.count("not worth it") == 2
    assert "tiny-clip stays in float" in printed


def test_a_build_keeps_an_int8_model_in_the_models_place_and_optimises_it(models_dir: Path) -> None:
    assert quantise(models_dir, "--replace", "--fall-back", *NO_MINIMUM) == 0
    before = load_description(models_dir, "tiny-clip")
    assert before.model_version == f"tiny-clip-1-int8+d{DECODE_VERSION}"
    pixels = to_pixels(decode(photo()).image, before.image)
    vector = Model(before, threads=1).embed_pixels(pixels)
    assert optimise.main(["--replace", "tiny-clip"], {"MODELS_DIR": str(models_dir)}) == 0
    after = Model(load_description(models_dir, "tiny-clip"), threads=1)
    np.testing.assert_allclose(after.embed_pixels(pixels), vector, atol=2e-2)  # a step of an activation may tip over


def test_a_build_for_which_int8_is_not_worth_it_goes_on_with_the_model_as_it_was(
    models_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(models_dir / "tiny-clip")
    assert quantise(models_dir, "--replace", "--fall-back", *IMPOSSIBLE) == 0
    assert contents(models_dir / "tiny-clip") == before
    assert "stays in float: 1000 times as fast" in capsys.readouterr().out


def test_a_graph_that_cannot_be_quantised_stays_as_it_was_and_the_output_says_why(
    models_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models_dir / "tiny-clip" / "vision.onnx").write_bytes(b"no graph")
    assert quantise(models_dir, "--replace", "--fall-back") == 0
    assert (models_dir / "tiny-clip" / "vision.onnx").read_bytes() == b"no graph"
    printed = capsys.readouterr().out
    assert "static: fails: " in printed
    assert "dynamic: fails: " in printed


def test_an_images_int8_vector_does_not_depend_on_the_images_that_run_with_it(models_dir: Path) -> None:
    assert quantise(models_dir, *NO_MINIMUM) == 0
    model = Model(load_description(models_dir, "tiny-clip-int8"), threads=1)
    pixels = np.random.default_rng(0).normal(size=(MAX_BATCH_SIZE, 3, 224, 224)).astype(np.float32)
    pixels *= np.arange(1, MAX_BATCH_SIZE + 1, dtype=np.float32).reshape(-1, 1, 1, 1)
    for size in range(1, model.max_batch_size + 1):
        np.testing.assert_array_equal(model.run_vision(pixels[:size])[0], model.run_vision(pixels[:1])[0])


def test_a_graph_that_finds_its_ranges_in_each_run_takes_one_image(models_dir: Path) -> None:
    folder = models_dir / "tiny-clip"
    quantise_dynamic(TINY_CLIP / "vision.onnx", folder / "vision.onnx", np.empty((0,), np.float32))
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({key: description[key] for key in description if key != "files"}))
    assert Model(read_description(folder), threads=1).max_batch_size == 1


def test_the_quantise_command_refuses_an_unknown_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-model"], {"MODELS_DIR": str(tmp_path)}) == 1
    assert "no-such-model" in capsys.readouterr().err


def test_a_model_whose_graphs_were_replaced_by_optimised_ones_is_refused(
    models_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models_dir / "tiny-clip" / "vision.onnx").unlink()
    assert quantise(models_dir, "--fall-back") == 1
    assert "before `optimise --replace`" in capsys.readouterr().err
