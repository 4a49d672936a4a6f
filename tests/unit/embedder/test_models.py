"""The registry's descriptions are complete, and a malformed description is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from embedder_container import DECODE_VERSION
from embedder_container.download import FetchError
from embedder_container.fetch import find_problem, verify
from embedder_container.models import MODEL_FILES, REQUIRED_KEYS, load_description, read_description, registry
from tests.embedder.tiny_clip import TINY_CLIP

ROOT = Path(__file__).parents[3]
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


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A model's folder of one's own, whose model.json has the required keys alone."""
    folder = tmp_path / "My Folder"
    shutil.copytree(TINY_CLIP, folder, ignore=shutil.ignore_patterns("images", "reference.json"))
    description = json.loads((folder / "model.json").read_text())
    del description["files"], description["description"], description["text"]["clean"]
    (folder / "model.json").write_text(json.dumps(description))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def change(folder: Path, path: str, value: Any = None) -> None:
    """Sets a key of a folder's model.json, or deletes it."""
    file = folder / "model.json"
    description = fields = json.loads(file.read_text())
    *parents, key = path.split(".")
    for parent in parents:
        fields = fields[parent]
    if value is None:
        del fields[key]
    else:
        fields[key] = value
    file.write_text(json.dumps(description))


def test_a_folder_with_a_slash_is_a_model_whatever_the_folders_name(own_folder: Path, tmp_path: Path) -> None:
    model = load_description(tmp_path / "nowhere", str(own_folder))
    assert (model.name, model.folder) == ("tiny-clip", own_folder)
    assert [file.name for file in model.files] == list(MODEL_FILES)
    assert [find_problem(model.path(file.name), file) for file in model.files] == [None, None, None]
    verify(tmp_path / "nowhere", str(own_folder))


@pytest.mark.parametrize("key", REQUIRED_KEYS)
def test_a_missing_key_is_named(own_folder: Path, key: str) -> None:
    change(own_folder, key)
    with pytest.raises(ValueError, match=rf"model\.json lacks '{key}'; docs/embedder\.md"):
        read_description(own_folder)


def test_every_key_that_a_description_must_have_is_documented() -> None:
    documented = (ROOT / "docs" / "embedder.md").read_text()
    assert [key for key in REQUIRED_KEYS if f"`{key}`" not in documented] == []


def test_a_name_that_no_model_version_can_have_is_refused(own_folder: Path) -> None:
    change(own_folder, "name", "My/Model")
    with pytest.raises(ValueError, match="name is 'My/Model'"):
        read_description(own_folder)


def test_a_folder_without_a_description_names_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.json does not exist: the folder of a model has vision\.onnx"):
        load_description(tmp_path, str(tmp_path))


def test_a_missing_file_of_a_folder_is_named(own_folder: Path, tmp_path: Path) -> None:
    (own_folder / "text.onnx").unlink()
    with pytest.raises(FetchError, match=r"text\.onnx is missing"):
        verify(tmp_path, str(own_folder))


def test_the_error_of_an_unknown_name_says_how_a_folder_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"known models: lite, .*\./my-model"):
        load_description(tmp_path, "my-model")


@pytest.mark.parametrize("name", ["no-such-model", "../lite", "", "LITE"])
def test_an_unknown_or_invalid_name_of_a_model_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="model"):
        load_description(tmp_path, name)
