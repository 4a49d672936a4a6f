"""One JSON line an input, with the vector that the function would give."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder_container.embed import main
from embedder_container.inference import Model
from tests.embedder.samples import SAMPLES
from tests.unit.embedder.test_reference_vectors import FOLDER, REFERENCE

BISON = str(SAMPLES / "photos" / "bison.jpg")


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    status = main(arguments, {"EMBEDDER_THREADS": "1"})
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_texts_and_files_are_embedded_in_order(lite: Model, capsys: pytest.CaptureFixture[str]) -> None:
    status, (owl, bison) = lines(capsys, "--text", "an owl", BISON)
    assert status == 0
    assert (owl["input"], bison["input"]) == ("an owl", BISON)
    assert {(line["model"], line["dimension"]) for line in (owl, bison)} == {("lite-1+d2", 512)}
    np.testing.assert_array_equal(np.float32(owl["vector"]), lite.embed_text("an owl"))
    assert len(bison["vector"]) == 512


def test_a_folder_is_a_model_too(capsys: pytest.CaptureFixture[str]) -> None:
    picture = FOLDER / "images" / "chelsea.png"
    status, (text, image) = lines(capsys, "--model", str(FOLDER), "--text", "dog", str(picture))
    assert (status, text["model"], text["dimension"]) == (0, "tiny-clip-1+d2", 32)
    np.testing.assert_allclose(text["vector"], REFERENCE["texts"][0]["embedding"], atol=1e-4)
    np.testing.assert_allclose(image["vector"], REFERENCE["images"]["chelsea.png"]["embedding"], atol=1e-4)


def test_what_cannot_be_embedded_has_its_reason_and_harms_no_neighbour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("dear diary")
    status, found = lines(capsys, str(tmp_path / "notes.txt"), str(tmp_path / "nothing.jpg"), BISON)
    assert status == 1
    assert [line.get("error", {}).get("code") for line in found] == ["not_an_image", "source_not_found", None]


def test_the_exact_mode_is_another_vector_space(capsys: pytest.CaptureFixture[str]) -> None:
    large = str(FOLDER / "images" / "large_2401x1603.jpg")
    _, (reduced,) = lines(capsys, "--model", str(FOLDER), large)
    _, (exact,) = lines(capsys, "--model", str(FOLDER), "--exact", large)
    assert (reduced["model"], exact["model"]) == ("tiny-clip-1+d2", "tiny-clip-1+d2x")
    np.testing.assert_allclose(exact["vector"], REFERENCE["images"]["large_2401x1603.jpg"]["embedding"], atol=1e-4)
    assert np.dot(reduced["vector"], exact["vector"]) > 0.998


@pytest.mark.parametrize("model", ["no-such-model", "/no/such/folder"])
def test_an_unknown_model_is_said_to_be_unknown(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model, "--text", "owl"], {}) == 1
    assert "model" in capsys.readouterr().err


def test_a_model_that_was_not_fetched_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "clip-vit-b-32", "--text", "owl"], {"MODELS_DIR": str(tmp_path)}) == 1
    assert "embedder_container.fetch clip-vit-b-32" in capsys.readouterr().err


def test_it_runs_as_a_command() -> None:
    command = [sys.executable, "-m", "embedder_container.embed", "--text", "an owl"]
    done = subprocess.run(command, cwd=SAMPLES.parent, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["input"] == "an owl"
