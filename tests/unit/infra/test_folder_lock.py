"""One run a folder, and what the next one knows of a run that was killed."""

import json
import os
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from infra.folder_lock import (
    HOLDER_FILE,
    FolderError,
    FolderInUseError,
    FolderLock,
    Holder,
    Recovery,
    boot_id,
    end_run,
    is_locked,
)

# Linux numbers processes from 1 to 4,194,304, macOS to 99,999.
NO_PROCESS = 2**22 + 1


def leave(folder: Path, holder: Holder) -> None:
    """What a run of this folder has recorded when it is killed."""
    folder.mkdir(exist_ok=True)
    (folder / HOLDER_FILE).write_text(json.dumps(asdict(holder)))


def test_a_second_lock_is_refused_with_the_holders_process_and_port(tmp_path):
    with FolderLock(tmp_path) as lock:
        lock.begin(4566)
        before = (tmp_path / HOLDER_FILE).read_text()
        with pytest.raises(FolderInUseError, match=rf"in use by process {os.getpid()}, which listens on port 4566\."):
            FolderLock(tmp_path).acquire()

        assert (tmp_path / HOLDER_FILE).read_text() == before
        assert is_locked(tmp_path)


def test_a_released_folder_can_be_locked_again(tmp_path):
    with FolderLock(tmp_path):
        pass

    assert not is_locked(tmp_path)
    with FolderLock(tmp_path):
        assert is_locked(tmp_path)


def test_a_folder_without_a_run_is_not_locked(tmp_path):
    assert not is_locked(tmp_path)
    assert not is_locked(tmp_path / "absent")


def test_a_run_that_was_killed_is_named_by_its_emulator_which_still_holds_the_folder(tmp_path):
    with FolderLock(tmp_path):
        leave(tmp_path, Holder(NO_PROCESS, 4566, emulator=77))
        with pytest.raises(FolderInUseError, match="in use by process 77"):
            FolderLock(tmp_path).acquire(patience=0)


def test_a_run_waits_for_an_emulator_that_has_recorded_its_end_and_still_ends(tmp_path):
    ending = FolderLock(tmp_path)
    ending.acquire()
    releasing = threading.Timer(1.0, ending.release)
    releasing.start()
    with FolderLock(tmp_path):
        assert is_locked(tmp_path)
    releasing.join()


def test_a_folder_that_cannot_be_written_is_reported_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match=r"The folder .*/file/local cannot be written: Not a directory\."):
        FolderLock(tmp_path / "file" / "local").acquire()


@pytest.mark.parametrize(
    ("last", "recovery"),
    [
        (None, Recovery.NOTHING),
        (Holder(NO_PROCESS, boot=boot_id()), Recovery.PROCESSES if boot_id() else Recovery.MACHINE),
        (Holder(NO_PROCESS, boot="another"), Recovery.MACHINE),
        (Holder(NO_PROCESS, boot=""), Recovery.MACHINE),
        # Killed again before it had recovered.
        (Holder(NO_PROCESS, boot=boot_id(), recovery=Recovery.MACHINE), Recovery.MACHINE),
    ],
)
def test_a_run_recovers_what_the_last_one_may_have_lost(tmp_path, last, recovery):
    if last is not None:
        leave(tmp_path, last)
    with FolderLock(tmp_path) as lock:
        lock.begin(4566)

        assert lock.recovery is recovery


def test_a_run_that_stopped_by_itself_leaves_nothing_to_recover(tmp_path):
    with FolderLock(tmp_path) as lock:
        lock.begin(4566)
        end_run(tmp_path)

    with FolderLock(tmp_path) as lock:
        lock.begin(4566)
        assert lock.recovery is Recovery.NOTHING


def test_a_run_that_stopped_before_it_had_recovered_leaves_that_to_the_next(tmp_path):
    leave(tmp_path, Holder(NO_PROCESS, boot="another"))
    for _ in range(2):
        with FolderLock(tmp_path) as lock:
            lock.begin(4566)
            assert lock.recovery is Recovery.MACHINE
            end_run(tmp_path)

    with FolderLock(tmp_path) as lock:
        lock.begin(4566)
        lock.end_recovery()
        end_run(tmp_path)
    assert Holder.read(tmp_path) is None
