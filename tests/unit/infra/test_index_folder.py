"""Which files of a folder are pictures to copy, and which copies are out of date."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra import index_folder
from infra.index_folder import RemoteObject, has_changed, scan
from infra.local_system import DEFAULT_FOLDER

COPIED_AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


def write(path: Path, body: bytes = b"picture", modified: datetime = COPIED_AT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    os.utime(path, (modified.timestamp(), modified.timestamp()))
    return path


def copy_of(body: bytes) -> RemoteObject:
    return RemoteObject(hashlib.md5(body, usedforsecurity=False).hexdigest(), len(body), COPIED_AT)


def test_pictures_are_found_by_their_suffix_in_every_folder(tmp_path):
    names = ["a.jpg", "2024/été/b.JPEG", "2024/c.heic"]
    for name in names:
        write(tmp_path / name)
    write(tmp_path / "notes.txt")
    found = scan(tmp_path)

    assert (sorted(found.pictures), found.others, found.unusable) == (sorted(names), 1, [])
    assert found.pictures["2024/c.heic"] == tmp_path / "2024" / "c.heic"


def test_hidden_files_and_folders_and_links_to_folders_are_left_out(tmp_path):
    for name in (".hidden.jpg", ".thumbnails/a.jpg"):
        write(tmp_path / "pictures" / name)
    write(tmp_path / "elsewhere" / "b.jpg")
    (tmp_path / "pictures" / "link").symlink_to(tmp_path / "elsewhere")

    assert scan(tmp_path / "pictures").pictures == {}


def test_a_name_that_is_not_utf_8_is_reported(tmp_path):
    write(tmp_path / "caf\udce9.jpg")
    found = scan(tmp_path)

    assert found.pictures == {}
    assert "not UTF-8" in found.unusable[0]


def test_a_link_that_leads_nowhere_is_reported(tmp_path):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")

    assert scan(tmp_path).unusable == ["gone.jpg: the file cannot be read"]


def test_a_file_without_a_copy_has_changed(tmp_path):
    assert has_changed(write(tmp_path / "a.jpg"), None)


def test_a_file_of_another_size_has_changed_however_old_it_is(tmp_path):
    path = write(tmp_path / "a.jpg", b"longer than before", COPIED_AT - timedelta(days=9))

    assert has_changed(path, copy_of(b"picture"))


def test_a_file_of_the_same_size_that_is_older_than_its_copy_is_not_read(tmp_path):
    assert not has_changed(write(tmp_path / "a.jpg", b"PICTURE"), copy_of(b"picture"))


@pytest.mark.parametrize(("body", "changed"), [(b"picture", False), (b"PICTURE", True)])
def test_the_bytes_of_a_file_that_is_newer_than_its_copy_decide(tmp_path, body, changed):
    path = write(tmp_path / "a.jpg", body, COPIED_AT + timedelta(seconds=1))

    assert has_changed(path, copy_of(b"picture")) == changed


def test_the_index_command_names_the_folder_unless_it_is_the_default():
    assert index_folder.command("~/Pictures", DEFAULT_FOLDER) == "make index PICTURES=~/Pictures"
    assert index_folder.command("~/Pictures", Path("other")) == "make index PICTURES=~/Pictures FOLDER=other"


def test_a_system_that_was_never_set_up_is_reported_in_a_sentence(tmp_path, capsys):
    assert index_folder.main(["--folder", str(tmp_path), str(tmp_path)]) == 1
    assert "No local system has been set up" in capsys.readouterr().err
