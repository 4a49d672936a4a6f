"""The embed command prints one JSON line an input, with the vector that the function would return."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder_container import DECODE_VERSION
from embedder_container.embed import main
from embedder_container.inference import Model
from tests.embedder.samples import SAMPLES
from tests.embedder.tiny_clip import REFERENCE, TINY_CLIP

BISON = str(SAMPLES / "photos" / "bison.jpg")


def run_embed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the command's exit status and its lines."""
    status = main(arguments, {"EMBEDDER_THREADS": "1"})
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_texts_and_files_are_embedded_in_order(lite: Model, capsys: pytest.CaptureFixture[str]) -> None:
    status, (owl, bison) = run_embed(capsys, "--text", "an owl", BISON)
    assert status == 0
    assert (owl["input"], bison["input"]) == ("an owl", BISON)
    assert {(line["model"], line["dimension"]) for line in (owl, bison)} == {(f"lite-1+d{DECODE_VERSION}", 512)}
    np.testing.assert_array_equal(np.float32(owl["vector"]), lite.embed_text("an owl"))
    assert len(bison["vector"]) == 512


def test_a_folder_with_a_description_can_be_used_as_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    file = TINY_CLIP / "images" / "chelsea.png"
    status, (text, image) = run_embed(capsys, "--model", str(TINY_CLIP), "--text", "dog", str(file))
    assert (status, text["model"], text["dimension"]) == (0, f"tiny-clip-1+d{DECODE_VERSION}", 32)
    np.testing.assert_allclose(text["vector"], REFERENCE["texts"][0]["embedding"], atol=1e-4)
    np.testing.assert_allclose(image["vector"], REFERENCE["images"]["chelsea.png"]["embedding"], atol=1e-4)


def test_a_file_that_cannot_be_embedded_has_an_error_and_the_next_file_is_embedded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("dear diary")
    status, lines = run_embed(capsys, str(tmp_path / "notes.txt"), str(tmp_path / "nothing.jpg"), BISON)
    assert status == 1
    assert [line.get("error", {}).get("code") for line in lines] == ["not_an_image", "source_not_found", None]


def test_full_decoding_has_a_model_version_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    large = str(TINY_CLIP / "images" / "large_2401x1603.jpg")
    _, (reduced,) = run_embed(capsys, "--model", str(TINY_CLIP), large)
    _, (full,) = run_embed(capsys, "--model", str(TINY_CLIP), "--full-decode", large)
    assert (reduced["model"], full["model"]) == (f"tiny-clip-1+d{DECODE_VERSION}", f"tiny-clip-1+d{DECODE_VERSION}x")
    np.testing.assert_allclose(full["vector"], REFERENCE["images"]["large_2401x1603.jpg"]["embedding"], atol=1e-4)
    assert np.dot(reduced["vector"], full["vector"]) > 0.998


@pytest.mark.parametrize("model", ["no-such-model", "/no/such/folder"])
def test_the_embed_command_refuses_an_unknown_model(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model, "--text", "owl"], {}) == 1
    assert "model" in capsys.readouterr().err


def test_the_embed_command_names_the_command_that_fetches_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--model", "clip-vit-b-32", "--text", "owl"], {"MODELS_DIR": str(tmp_path)}) == 1
    assert "embedder_container.fetch clip-vit-b-32" in capsys.readouterr().err


def test_the_embed_module_runs_as_a_command() -> None:
    command = [sys.executable, "-m", "embedder_container.embed", "--text", "an owl"]
    done = subprocess.run(command, cwd=SAMPLES.parent, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["input"] == "an owl"
