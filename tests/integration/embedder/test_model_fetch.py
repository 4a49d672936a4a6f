"""A model's folder is complete and exactly what was pinned, or the build fails."""

import fcntl
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from embedder_container import DECODE_VERSION
from embedder_container.download import DOWNLOAD_ATTEMPTS, Download, FetchError
from embedder_container.fetch import ensure, fault, main, verify
from embedder_container.models import MODELS_SHIPPED, load_description, registry
from tests.embedder.store import Store

GRAPH = b"graph " * 1000
LARGE = bytes(range(251)) * 12_000


def described(**changed: Any) -> dict[str, Any]:
    """lite's card, changed."""
    return {"name": "lite", **registry()["lite"], **changed}


def write_card(models_dir: Path, **files: dict[str, Any]) -> Path:
    """A model called 'tiny' whose card is lite's, with other files."""
    folder = models_dir / "tiny"
    folder.mkdir()
    card = described(name="tiny", files={name.replace("_", "."): file for name, file in files.items()})
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def impatient(lines: list[str] | None = None) -> Download:
    """A download that gives a silent server half a second, and tells its progress to `lines`."""
    return Download([].append if lines is None else lines.append, silence_seconds=0.5, pause_seconds=0.01)


def pin(data: bytes, url: str | None = None) -> dict[str, Any]:
    pinned = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return pinned | ({"url": url} if url else {})


def test_the_shipped_model_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lite"], {}) == 0
    assert main(["--verify", "lite"], {}) == 0
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
        ensure(tmp_path, "tiny", download=impatient())
    assert "vision.onnx" not in [path.name for path in folder.iterdir()]


def test_a_damaged_file_is_fetched_again(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(GRAPH, store.put("vision.onnx", GRAPH)))
    (folder / "vision.onnx").write_bytes(b"half")
    ensure(tmp_path, "tiny")
    assert (folder / "vision.onnx").read_bytes() == GRAPH


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/vision.onnx", "file:///etc/hostname"])
def test_a_source_out_of_reach_is_named(tmp_path: Path, url: str) -> None:
    write_card(tmp_path, vision_onnx=pin(GRAPH, url))
    with pytest.raises(FetchError, match=r"vision\.onnx"):
        ensure(tmp_path, "tiny", download=impatient())


@pytest.mark.parametrize(
    ("file", "extra"), [("../x.onnx", {}), ("x.onnx", {"shipped": "../app.py"}), ("x.onnx", {"shipped": "/etc/passwd"})]
)
def test_a_file_outside_the_models_folder_is_refused(tmp_path: Path, file: str, extra: dict[str, str]) -> None:
    (tmp_path / "lite").mkdir()
    (tmp_path / "lite" / "model.json").write_text(json.dumps(described(files={file: pin(GRAPH) | extra})))
    with pytest.raises(ValueError, match="outside its folder"):
        load_description(tmp_path, "lite")


@pytest.mark.parametrize("name", ["no-such-model", "../lite", "", "LITE"])
def test_an_unknown_model_is_said_to_be_unknown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name], {}) == 1
    assert "model" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--verify"], ["--what"]])
def test_wrong_usage_explains_itself(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments, {})
    assert "embedder_container.fetch" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["cuts", "cuts-silently", "stalls-midway"])
def test_a_download_that_stops_goes_on_from_there(tmp_path: Path, store: Store, way: str) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(LARGE, store.put(f"{way}/vision.onnx", LARGE)))
    ensure(tmp_path, "tiny", download=impatient())
    assert (folder / "vision.onnx").read_bytes() == LARGE
    assert store.ranges[0] is None
    assert all(later is not None for later in store.ranges[1:])
    assert len(store.ranges) > 1
    assert [path.name for path in folder.iterdir()] != ["model.json"]


def test_what_an_earlier_process_got_is_not_fetched_again(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(LARGE, store.put("vision.onnx", LARGE)))
    (folder / ".vision.onnx.part").write_bytes(LARGE[:1_000_000])
    ensure(tmp_path, "tiny", download=impatient())
    assert (folder / "vision.onnx").read_bytes() == LARGE
    assert store.ranges == ["bytes=1000000-"]


def test_a_server_that_knows_no_ranges_sends_the_whole(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(LARGE, store.put("no-ranges/vision.onnx", LARGE)))
    (folder / ".vision.onnx.part").write_bytes(LARGE[:1000])
    ensure(tmp_path, "tiny", download=impatient())
    assert (folder / "vision.onnx").read_bytes() == LARGE


def test_a_rest_that_does_not_fit_is_thrown_away(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(LARGE, store.put("vision.onnx", LARGE)))
    (folder / ".vision.onnx.part").write_bytes(b"of another file")
    with pytest.raises(FetchError, match="not what is pinned"):
        ensure(tmp_path, "tiny", download=impatient())
    ensure(tmp_path, "tiny", download=impatient())
    assert (folder / "vision.onnx").read_bytes() == LARGE


def test_a_server_that_only_stalls_is_given_up(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(GRAPH, store.url("stalls")))
    lines: list[str] = []
    with pytest.raises(FetchError, match="timed out"):
        ensure(tmp_path, "tiny", download=Download(lines.append, silence_seconds=0.05, pause_seconds=0))
    assert len(lines) == DOWNLOAD_ATTEMPTS - 1
    assert not (folder / "vision.onnx").exists()


def test_a_server_that_sends_without_end_is_cut_off_at_the_pinned_size(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(GRAPH, store.url("sends-too-much")))
    with pytest.raises(FetchError, match="expected at most"):
        ensure(tmp_path, "tiny", download=impatient())
    assert not (folder / "vision.onnx").exists()


def test_a_redirect_is_followed(tmp_path: Path, store: Store) -> None:
    store.put("elsewhere/vision.onnx", GRAPH)
    folder = write_card(tmp_path, vision_onnx=pin(GRAPH, store.url("redirects/elsewhere/vision.onnx")))
    ensure(tmp_path, "tiny", download=impatient())
    assert (folder / "vision.onnx").read_bytes() == GRAPH


@pytest.mark.parametrize("path", ["redirects-to-file", "redirects-to-plain-http", "redirects-to-itself"])
def test_a_redirect_that_leads_astray_is_refused(tmp_path: Path, store: Store, path: str) -> None:
    write_card(tmp_path, vision_onnx=pin(GRAPH, store.url(path)))
    with pytest.raises(FetchError, match=r"vision\.onnx|not https"):
        ensure(tmp_path, "tiny", download=impatient())


def test_two_fetches_of_one_file_do_not_mix(tmp_path: Path, store: Store) -> None:
    folder = write_card(tmp_path, vision_onnx=pin(GRAPH, store.put("vision.onnx", GRAPH)))
    with (folder / ".vision.onnx.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match="another process"):
            ensure(tmp_path, "tiny", download=impatient())


def test_progress_is_told_in_tenths(tmp_path: Path, store: Store) -> None:
    lines: list[str] = []
    write_card(tmp_path, vision_onnx=pin(LARGE, store.put("vision.onnx", LARGE)))
    ensure(tmp_path, "tiny", download=impatient(lines))
    assert lines[-1] == "vision.onnx: 3 of 3 MB"
    assert len(lines) <= 10


def test_a_file_without_a_pin_is_refused_unless_asked_for_and_pinned_from_then_on(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpinned = {"url": store.put("vision.onnx", GRAPH), "max_size": 10_000}
    entry = {**registry()["lite"], "shipped": False, "files": {"vision.onnx": unpinned}}
    monkeypatch.setitem(cast(dict[str, Any], registry()), "tiny", entry)
    with pytest.raises(FetchError, match="not pinned"):
        ensure(tmp_path, "tiny", download=impatient())
    lines: list[str] = []
    ensure(tmp_path, "tiny", accept_unpinned=True, download=impatient(), say=lines.append)
    assert hashlib.sha256(GRAPH).hexdigest() in lines[0]
    verify(tmp_path, "tiny")
    (tmp_path / "tiny" / "vision.onnx").write_bytes(GRAPH[:-1] + b"!")
    with pytest.raises(FetchError, match="sha256"):
        verify(tmp_path, "tiny")


@pytest.mark.parametrize("name", registry())
def test_each_registered_model_is_described_whole(name: str, tmp_path: Path) -> None:
    card = load_description(tmp_path, name)
    assert (card.name, card.model_version) == (name, f"{name}-{card.revision}+d{DECODE_VERSION}")
    assert {file.name for file in card.files} == {"vision.onnx", "text.onnx", "tokenizer.json"}
    assert card.licence
    assert card.description
    for file in card.files:
        if file.url is None:
            assert fault(card.path(file.name), file) is None
        else:
            assert file.url.startswith("https://")


def test_nothing_is_hard_wired_to_one_dimension(tmp_path: Path) -> None:
    assert {load_description(tmp_path, name).dimension for name in registry()} == {512, 768}


@pytest.mark.parametrize(
    "change",
    [
        {"image": {**registry()["lite"]["image"], "resize": "stretch"}},
        {"text": {**registry()["lite"]["text"], "clean": "wash"}},
        {"files": {"x.onnx": {"url": "https://hub.example/x.onnx"}}},
        {"dimension": "many"},
        {"licence": None, "text": {}},
    ],
)
def test_a_card_that_makes_no_sense_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "lite").mkdir()
    (tmp_path / "lite" / "model.json").write_text(json.dumps(described(**change)))
    with pytest.raises(ValueError, match=r"model\.json"):
        load_description(tmp_path, "lite")
