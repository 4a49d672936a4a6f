"""Archives that are the same bytes whenever they are made."""

import os
from zipfile import ZipFile

from hypothesis import given
from hypothesis import strategies as st

from infra.archive import read_archive, write_archive

NAMES = st.text("abcdefgh/._-", min_size=1, max_size=20).filter(lambda name: not name.endswith("/"))


@given(st.dictionaries(NAMES, st.binary(max_size=200)), st.booleans())
def test_an_archive_has_the_files_it_was_made_of_and_their_order_changes_no_byte(tmp_path_factory, files, compressed):
    folder = tmp_path_factory.mktemp("archives")
    write_archive(folder / "one.zip", files, compressed=compressed)
    write_archive(folder / "two.zip", dict(reversed(files.items())), compressed=compressed)

    assert (folder / "one.zip").read_bytes() == (folder / "two.zip").read_bytes()
    assert read_archive(folder / "one.zip") == files


def test_an_entry_has_neither_the_time_nor_the_umask_of_this_machine(tmp_path):
    before = os.umask(0o077)
    try:
        write_archive(tmp_path / "a.zip", {"a.py": b""})
    finally:
        os.umask(before)
    with ZipFile(tmp_path / "a.zip") as archive:
        (entry,) = archive.infolist()

    assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert entry.external_attr >> 16 == 0o644


def test_a_half_written_archive_is_not_at_its_path(tmp_path):
    write_archive(tmp_path / "a.zip", {"a.py": b""})

    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
