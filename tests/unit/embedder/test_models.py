"""The registry's descriptions are complete, and a malformed description is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from embedder_container import DECODE_VERSION
from embedder_container.fetch import find_problem
from embedder_container.models import load_description, registry

PIN = {"size": 1, "sha256": "0" * 64}


def write_description(models_dir: Path, **changed_fields: Any) -> None:
    """Write a folder 'lite' whose description is the registry's with some fields changed."""
    (models_dir / "lite").mkdir()
    description = {"name": "lite", **registry()["lite"], **changed_fields}
    (models_dir / "lite" / "model.json").write_text(json.dumps(description))


@pytest.mark.parametrize("name", registry())
def test_each_registered_model_has_a_complete_description(name: str, tmp_path: Path) -> None:
    model = load_description(tmp_path, name)
    assert (model.name, model.model_version) == (name, f"{name}-{model.revision}+d{DECODE_VERSION}")
    assert {file.name for file in model.files} == {"vision.onnx", "text.onnx", "tokenizer.json"}
    assert model.licence
    assert model.description
    for file in model.files:
        if file.url is None:
            assert find_problem(model.path(file.name), file) is None
        else:
            assert file.url.startswith("https://")


def test_registered_models_have_different_dimensions(tmp_path: Path) -> None:
    assert len({load_description(tmp_path, name).dimension for name in registry()}) > 1


def test_the_model_version_of_full_decoding_ends_in_x(tmp_path: Path) -> None:
    write_description(tmp_path, image={**registry()["lite"]["image"], "full_decode": True})
    assert load_description(tmp_path, "lite").model_version == f"lite-1+d{DECODE_VERSION}x"


@pytest.mark.parametrize(
    ("file", "extra"), [("../x.onnx", {}), ("x.onnx", {"shipped": "../app.py"}), ("x.onnx", {"shipped": "/etc/passwd"})]
)
def test_a_file_outside_the_models_folder_is_refused(tmp_path: Path, file: str, extra: dict[str, str]) -> None:
    write_description(tmp_path, files={file: PIN | extra})
    with pytest.raises(ValueError, match="outside its folder"):
        load_description(tmp_path, "lite")


@pytest.mark.parametrize(
    "changed_fields",
    [
        {"image": {**registry()["lite"]["image"], "resize": "stretch"}},
        {"text": {**registry()["lite"]["text"], "clean": "wash"}},
        {"files": {"x.onnx": {"url": "https://hub.example/x.onnx"}}},
        {"dimension": "many"},
        {"licence": None, "text": {}},
    ],
)
def test_a_malformed_description_is_refused(tmp_path: Path, changed_fields: dict[str, Any]) -> None:
    write_description(tmp_path, **changed_fields)
    with pytest.raises(ValueError, match=r"model\.json"):
        load_description(tmp_path, "lite")


@pytest.mark.parametrize("name", ["no-such-model", "../lite", "", "LITE"])
def test_an_unknown_or_invalid_name_of_a_model_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="model"):
        load_description(tmp_path, name)
