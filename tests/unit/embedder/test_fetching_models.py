"""A model's folder is complete and exactly what was pinned, or the build fails."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from embedder_container.fetch import FetchError, ensure, main, verify
from embedder_container.models import load_card
from embedder_container.settings import MODELS_SHIPPED

from .store import Store

GRAPH = b"graph " * 1000


def write_card(models_dir: Path, **files: dict[str, Any]) -> Path:
    """A model called 'tiny' whose card is lite's, with other files."""
    card = json.loads((MODELS_SHIPPED / "lite" / "model.json").read_text())
    card |= {"name": "tiny", "files": {name.replace("_", "."): file for name, file in files.items()}}
    folder = models_dir / "tiny"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def pin(data: bytes, url: str | None = None) -> dict[str, Any]:
    pinned = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return pinned | ({"url": url} if url else {})


def test_the_shipped_model_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lite"], {}) == 0
    assert main(["verify", "lite"], {}) == 0
    assert "model lite is complete" in capsys.readouterr().out


def test_a_changed_or_missing_file_fails_loudly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(MODELS_SHIPPED / "lite", tmp_path / "lite")
    graph = tmp_path / "lite" / "text.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    (tmp_path / "lite" / "tokenizer.json").unlink()
    assert main(["lite"], {"MODELS_DIR": str(tmp_path)}) == 1
    complaint = capsys.readouterr().err
    assert "text.onnx has the sha256" in complaint
    assert "tokenizer.json is missing" in complaint


def test_a_file_with_a_url_is_fetched_once(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(GRAPH, store.put("vision.onnx", GRAPH)))
    ensure(tmp_path, "tiny")
    assert (folder / "vision.onnx").read_bytes() == GRAPH
    store.objects.clear()
    ensure(tmp_path, "tiny")
    verify(tmp_path, "tiny")


@pytest.mark.parametrize("served", [GRAPH[:-1], GRAPH + b"!", GRAPH[:-1] + b"!", b""])
def test_what_is_not_what_was_pinned_is_never_put_in_place(tmp_path: Path, store: Store, served: bytes) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(GRAPH, store.put("vision.onnx", served)))
    with pytest.raises(FetchError, match=r"vision\.onnx"):
        ensure(tmp_path, "tiny")
    assert [path.name for path in folder.iterdir()] == ["model.json"]


def test_a_damaged_file_is_fetched_again(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(GRAPH, store.put("vision.onnx", GRAPH)))
    (folder / "vision.onnx").write_bytes(b"half")
    ensure(tmp_path, "tiny")
    assert (folder / "vision.onnx").read_bytes() == GRAPH


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/vision.onnx", "file:///etc/hostname"])
def test_a_source_out_of_reach_is_named(tmp_path: Path, url: str) -> None:
    write_card(tmp_path, vision_onnx=pin(GRAPH, url))
    with pytest.raises(FetchError, match=r"vision\.onnx"):
        ensure(tmp_path, "tiny")


def test_a_file_outside_the_models_folder_is_refused(tmp_path: Path) -> None:
    card = json.loads((MODELS_SHIPPED / "lite" / "model.json").read_text())
    (tmp_path / "lite").mkdir()
    (tmp_path / "lite" / "model.json").write_text(json.dumps(card | {"files": {"../x.onnx": pin(GRAPH)}}))
    with pytest.raises(ValueError, match="outside its folder"):
        load_card(tmp_path, "lite")


@pytest.mark.parametrize("name", ["no-such-model", "../lite", "", "LITE"])
def test_an_unknown_model_is_said_to_be_unknown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name], {}) == 1
    assert "model" in capsys.readouterr().err


def test_no_name_at_all_explains_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {}) == 2
    assert main(["verify"], {}) == 2
    assert "embedder_container.fetch" in capsys.readouterr().err
