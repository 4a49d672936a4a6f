"""A model's folder is complete and equal to its pins, or the build fails."""

import fcntl
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from embedder_container import DECODE_VERSION
from embedder_container.download import DOWNLOAD_ATTEMPTS, Download, FetchError
from embedder_container.embed import main as embed
from embedder_container.fetch import fetch, main, verify
from embedder_container.models import SHIPPED_MODELS, registry
from tests.embedder.store import ObjectStore
from tests.embedder.tiny_clip import REFERENCE, TINY_CLIP

GRAPH_FILE = b"graph " * 1000
LARGE_FILE = bytes(range(251)) * 12_000


def write_description(models_dir: Path, vision: dict[str, Any]) -> Path:
    """Write a model 'tiny' whose description is lite's, with one file; returns its folder."""
    folder = models_dir / "tiny"
    folder.mkdir()
    description = {**registry()["lite"], "name": "tiny", "files": {"vision.onnx": vision}}
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def fast_download(lines: list[str] | None = None) -> Download:
    """Return a download with a read timeout of half a second that appends its reports to `lines`."""
    return Download([].append if lines is None else lines.append, read_timeout_seconds=0.5, retry_seconds=0.01)


def pin(data: bytes, url: str) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "url": url}


def test_fetch_and_verify_find_the_shipped_model_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lite"], {}) == 0
    assert main(["--verify", "lite"], {}) == 0
    assert "model lite is complete" in capsys.readouterr().out


def test_fetch_names_each_changed_and_each_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(SHIPPED_MODELS / "lite", tmp_path / "lite")
    graph = tmp_path / "lite" / "text.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    (tmp_path / "lite" / "tokenizer.json").unlink()
    assert main(["lite"], {"MODELS_DIR": str(tmp_path)}) == 1
    message = capsys.readouterr().err
    assert "text.onnx has the sha256" in message
    assert "tokenizer.json is missing" in message


def test_a_models_file_is_downloaded_once(tmp_path: Path, store: ObjectStore) -> None:
    folder = write_description(tmp_path, pin(GRAPH_FILE, store.put("vision.onnx", GRAPH_FILE)))
    fetch(tmp_path, "tiny")
    assert (folder / "vision.onnx").read_bytes() == GRAPH_FILE
    store.objects.clear()
    fetch(tmp_path, "tiny")
    verify(tmp_path, "tiny")


@pytest.mark.parametrize("served", [GRAPH_FILE[:-1], GRAPH_FILE + b"!", GRAPH_FILE[:-1] + b"!", b""])
def test_a_download_that_differs_from_its_pin_is_not_moved_into_place(
    tmp_path: Path, store: ObjectStore, served: bytes
) -> None:
    folder = write_description(tmp_path, pin(GRAPH_FILE, store.put("vision.onnx", served)))
    with pytest.raises(FetchError, match=r"vision\.onnx"):
        fetch(tmp_path, "tiny", download=fast_download())
    assert "vision.onnx" not in [path.name for path in folder.iterdir()]


def test_a_damaged_model_file_is_downloaded_again(tmp_path: Path, store: ObjectStore) -> None:
    folder = write_description(tmp_path, pin(GRAPH_FILE, store.put("vision.onnx", GRAPH_FILE)))
    (folder / "vision.onnx").write_bytes(b"half")
    fetch(tmp_path, "tiny")
    assert (folder / "vision.onnx").read_bytes() == GRAPH_FILE


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/vision.onnx", "file:///etc/hostname"])
def test_a_file_whose_url_cannot_be_reached_is_named(tmp_path: Path, url: str) -> None:
    write_description(tmp_path, pin(GRAPH_FILE, url))
    with pytest.raises(FetchError, match=r"vision\.onnx"):
        fetch(tmp_path, "tiny", download=fast_download())


@pytest.mark.parametrize("name", ["no-such-model", "../lite", "", "LITE"])
def test_the_fetch_command_refuses_an_unknown_model(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name], {}) == 1
    assert "model" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--verify"], ["--what"]])
def test_wrong_usage_of_the_fetch_command_prints_its_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments, {})
    assert "embedder_container.fetch" in capsys.readouterr().err


@pytest.mark.parametrize("behaviour", ["cuts", "cuts-silently", "stalls-midway"])
def test_an_interrupted_download_resumes(tmp_path: Path, store: ObjectStore, behaviour: str) -> None:
    folder = write_description(tmp_path, pin(LARGE_FILE, store.put(f"{behaviour}/vision.onnx", LARGE_FILE)))
    fetch(tmp_path, "tiny", download=fast_download())
    assert (folder / "vision.onnx").read_bytes() == LARGE_FILE
    assert store.ranges[0] is None
    assert all(resumed is not None for resumed in store.ranges[1:])
    assert len(store.ranges) > 1
    assert [path.name for path in folder.iterdir()] != ["model.json"]


def test_a_download_resumes_from_the_part_of_an_earlier_process(tmp_path: Path, store: ObjectStore) -> None:
    folder = write_description(tmp_path, pin(LARGE_FILE, store.put("vision.onnx", LARGE_FILE)))
    (folder / ".vision.onnx.part").write_bytes(LARGE_FILE[:1_000_000])
    fetch(tmp_path, "tiny", download=fast_download())
    assert (folder / "vision.onnx").read_bytes() == LARGE_FILE
    assert store.ranges == ["bytes=1000000-"]


def test_a_server_without_range_support_sends_the_whole_file(tmp_path: Path, store: ObjectStore) -> None:
    folder = write_description(tmp_path, pin(LARGE_FILE, store.put("no-ranges/vision.onnx", LARGE_FILE)))
    (folder / ".vision.onnx.part").write_bytes(LARGE_FILE[:1000])
    fetch(tmp_path, "tiny", download=fast_download())
    assert (folder / "vision.onnx").read_bytes() == LARGE_FILE


def test_a_part_of_another_file_is_discarded(tmp_path: Path, store: ObjectStore) -> None:
    folder = write_description(tmp_path, pin(LARGE_FILE, store.put("vision.onnx", LARGE_FILE)))
    (folder / ".vision.onnx.part").write_bytes(b"of another file")
    with pytest.raises(FetchError, match="not what is pinned"):
        fetch(tmp_path, "tiny", download=fast_download())
    fetch(tmp_path, "tiny", download=fast_download())
    assert (folder / "vision.onnx").read_bytes() == LARGE_FILE


def test_a_download_fails_after_several_silent_requests(tmp_path: Path, store: ObjectStore) -> None:
    folder = write_description(tmp_path, pin(GRAPH_FILE, store.url("stalls")))
    lines: list[str] = []
    with pytest.raises(FetchError, match="timed out"):
        fetch(tmp_path, "tiny", download=Download(lines.append, read_timeout_seconds=0.05, retry_seconds=0))
    assert len(lines) == DOWNLOAD_ATTEMPTS - 1
    assert not (folder / "vision.onnx").exists()


def test_a_download_stops_beyond_the_pinned_size(tmp_path: Path, store: ObjectStore) -> None:
    folder = write_description(tmp_path, pin(GRAPH_FILE, store.url("sends-too-much")))
    with pytest.raises(FetchError, match="expected at most"):
        fetch(tmp_path, "tiny", download=fast_download())
    assert not (folder / "vision.onnx").exists()


def test_a_download_follows_a_redirect(tmp_path: Path, store: ObjectStore) -> None:
    store.put("elsewhere/vision.onnx", GRAPH_FILE)
    folder = write_description(tmp_path, pin(GRAPH_FILE, store.url("redirects/elsewhere/vision.onnx")))
    fetch(tmp_path, "tiny", download=fast_download())
    assert (folder / "vision.onnx").read_bytes() == GRAPH_FILE


@pytest.mark.parametrize("path", ["redirects-to-file", "redirects-to-plain-http", "redirects-to-itself"])
def test_an_unsafe_or_endless_redirect_is_refused(tmp_path: Path, store: ObjectStore, path: str) -> None:
    write_description(tmp_path, pin(GRAPH_FILE, store.url(path)))
    with pytest.raises(FetchError, match=r"vision\.onnx|not https"):
        fetch(tmp_path, "tiny", download=fast_download())


def test_two_processes_cannot_download_one_file_at_once(tmp_path: Path, store: ObjectStore) -> None:
    folder = write_description(tmp_path, pin(GRAPH_FILE, store.put("vision.onnx", GRAPH_FILE)))
    with (folder / ".vision.onnx.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match="another process"):
            fetch(tmp_path, "tiny", download=fast_download())


def test_progress_is_reported_in_tenths(tmp_path: Path, store: ObjectStore) -> None:
    lines: list[str] = []
    write_description(tmp_path, pin(LARGE_FILE, store.put("vision.onnx", LARGE_FILE)))
    fetch(tmp_path, "tiny", download=fast_download(lines))
    assert lines[-1] == "vision.onnx: 3 of 3 MB"
    assert len(lines) <= 10


def test_an_unpinned_file_is_accepted_only_on_request_and_is_pinned_from_then_on(
    tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpinned = {"url": store.put("vision.onnx", GRAPH_FILE), "max_size": 10_000}
    entry = {**registry()["lite"], "shipped": False, "files": {"vision.onnx": unpinned}}
    monkeypatch.setitem(cast(dict[str, Any], registry()), "tiny", entry)
    with pytest.raises(FetchError, match="not pinned"):
        fetch(tmp_path, "tiny", download=fast_download())
    lines: list[str] = []
    fetch(tmp_path, "tiny", accept_unpinned=True, download=fast_download(), report=lines.append)
    assert hashlib.sha256(GRAPH_FILE).hexdigest() in lines[0]
    verify(tmp_path, "tiny")
    (tmp_path / "tiny" / "vision.onnx").write_bytes(GRAPH_FILE[:-1] + b"!")
    with pytest.raises(FetchError, match="sha256"):
        verify(tmp_path, "tiny")


def test_a_model_that_is_added_to_the_registry_is_fetched_verified_and_embeds(
    tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = json.loads((TINY_CLIP / "model.json").read_text("utf-8"))
    for name in ("vision.onnx", "text.onnx"):
        section["files"][name]["url"] = store.put(name, (TINY_CLIP / name).read_bytes())
    del section["name"]
    monkeypatch.setitem(cast(dict[str, Any], registry()), "my-clip", section)
    environ = {"MODELS_DIR": str(tmp_path)}
    assert main(["my-clip"], environ) == 0
    assert main(["--verify", "my-clip"], environ) == 0
    capsys.readouterr()
    assert embed(["--model", "my-clip", "--text", "dog"], environ) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["model"], line["dimension"]) == (f"my-clip-1+d{DECODE_VERSION}", 32)
    np.testing.assert_allclose(line["vector"], REFERENCE["texts"][0]["embedding"], atol=1e-4)
