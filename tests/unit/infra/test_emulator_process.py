"""What an emulator that was killed has left of an object that it was writing."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from infra.emulator_process import repair_objects

OLD, NEW = b"old bytes", b"new and longer bytes"


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def write(file: Path, body: bytes, metadata: dict[str, object] | None, *, seconds: int = 0) -> Path:
    """An object's two files, the metadata written some seconds before the bytes, or after them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    os.utime(file, (1_000_000, 1_000_000))
    if metadata is not None:
        metadata_file = file.with_name(f"{file.name}.meta.json")
        metadata_file.write_text(json.dumps(metadata))
        os.utime(metadata_file, (1_000_000 - seconds, 1_000_000 - seconds))
    return file


def metadata(file: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads(file.with_name(f"{file.name}.meta.json").read_text())
    return read


def test_a_complete_object_stays_as_it_is(tmp_path):
    file = write(tmp_path / "bucket" / "a.jpg", OLD, {"etag": etag(OLD), "size": len(OLD)})
    before = file.with_name("a.jpg.meta.json").read_text()
    repair_objects(tmp_path)

    assert (file.read_bytes(), file.with_name("a.jpg.meta.json").read_text()) == (OLD, before)


def test_an_object_that_was_half_overwritten_gets_the_etag_of_its_new_bytes(tmp_path):
    described = {"etag": etag(OLD), "size": len(OLD), "content_type": "image/jpeg"}
    file = write(tmp_path / "bucket" / "a.jpg", NEW, described, seconds=60)
    repair_objects(tmp_path)

    assert metadata(file) == {"etag": etag(NEW), "size": len(NEW), "content_type": "image/jpeg"}


def test_a_new_object_without_metadata_is_deleted(tmp_path):
    file = write(tmp_path / "bucket" / "a.jpg", NEW, None)
    repair_objects(tmp_path)

    assert not file.exists()


def test_files_that_were_never_moved_to_their_place_are_deleted(tmp_path):
    unfinished = write(tmp_path / "bucket" / "a.jpg.tmp", NEW, None)
    repair_objects(tmp_path)

    assert not unfinished.exists()


def test_a_multipart_etag_is_kept_when_the_size_is_right(tmp_path):
    described = {"etag": '"0123456789abcdef0123456789abcdef-2"', "size": len(NEW)}
    file = write(tmp_path / "bucket" / "a.jpg", NEW, described, seconds=60)
    repair_objects(tmp_path)

    assert metadata(file) == described


def test_metadata_that_is_no_json_is_written_anew(tmp_path):
    file = write(tmp_path / "bucket" / "a.jpg", NEW, None)
    file.with_name("a.jpg.meta.json").touch()
    repair_objects(tmp_path)

    assert metadata(file) == {"etag": etag(NEW), "size": len(NEW)}


@pytest.mark.parametrize("folder", ["absent", "."])
def test_a_folder_without_objects_has_nothing_to_repair(tmp_path, folder):
    repair_objects(tmp_path / folder)

    assert list(tmp_path.iterdir()) == []
