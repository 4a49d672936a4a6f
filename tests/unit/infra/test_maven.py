"""Java archives are used only as they were locked."""

import hashlib
from pathlib import Path

import pytest

from infra.maven import Locked, MavenError, cache_folder, fetch, read_lock, to_json
from infra.opensearch.distribution import LOCK, MODULES


class Registry:
    """Returns one body, and records the artifacts that were requested."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.requested: list[str] = []

    def __call__(self, locked: Locked, folder: Path) -> Path:
        self.requested.append(locked.artifact)
        path = folder / "downloaded"
        path.write_bytes(self.body)
        return path


def locked(body: bytes, artifact: str = "org.example:part:1.2") -> Locked:
    return Locked(artifact, hashlib.sha256(body).hexdigest())


def test_an_archive_is_downloaded_once_and_then_taken_from_the_cache(tmp_path: Path):
    registry = Registry(b"classes")
    (first,) = fetch([locked(b"classes")], tmp_path, download=registry)
    (second,) = fetch([locked(b"classes")], tmp_path, download=registry)
    assert first == second
    assert (first.name, first.read_bytes()) == ("part-1.2.jar", b"classes")
    assert registry.requested == ["org.example:part:1.2"]


def test_an_archive_with_other_bytes_than_the_locked_ones_is_refused_and_not_cached(tmp_path: Path):
    with pytest.raises(MavenError, match=r"org\.example:part:1\.2 has the sha256"):
        fetch([locked(b"classes")], tmp_path, download=Registry(b"something else"))
    assert fetch([locked(b"classes")], tmp_path, download=Registry(b"classes"))[0].read_bytes() == b"classes"


def test_archives_are_returned_in_the_order_of_the_request(tmp_path: Path):
    artifacts = [locked(b"classes", f"org.example:part{n}:1") for n in range(20)]
    files = fetch(artifacts, tmp_path, download=Registry(b"classes"))
    assert [path.name for path in files] == [f"part{n}-1.jar" for n in range(20)]


def test_the_file_name_of_an_artifact_ends_in_its_packaging():
    assert Locked("org.example:plugin:3.6.0.0:zip", "").file_name == "plugin-3.6.0.0.zip"


def test_a_lock_reads_as_it_was_written(tmp_path: Path):
    path = tmp_path / "lock.json"
    path.write_text(to_json({"lib": [locked(b"a", "b:c:1"), locked(b"b", "a:b:2")]}))
    assert read_lock(path) == {"lib": [locked(b"b", "a:b:2"), locked(b"a", "b:c:1")]}


def test_the_folder_of_the_cache_is_a_setting():
    assert cache_folder({"SIMILARIX_CACHE": "/elsewhere"}) == Path("/elsewhere")
    assert cache_folder({}) == Path.home() / ".cache" / "similarix"


def test_every_part_of_the_opensearch_node_is_locked():
    folders = read_lock(LOCK)
    assert set(folders) == {"lib", "plugins/opensearch-knn"} | {f"modules/{name}" for name in MODULES}
    assert all(len(artifact.sha256) == 64 for artifacts in folders.values() for artifact in artifacts)
