"""One run a folder: a lock on the folder of a local system, held by its processes as long as one of them lives.

The lock is the operating system's, so it never outlives them. The file beside it says who holds it, and outlives a run
that was killed: that is how the next one knows.
"""

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.private_files import FILE_MODE, FOLDER_MODE, close_to_others, write_private

LOCK_FILE, HOLDER_FILE = "lock", "holder.json"
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")  # Linux has it; elsewhere a crash counts as the machine's
PROBE_SECONDS = 0.5  # longer than a look at the lock takes
STOP_SECONDS = 30  # that the emulator of a run that was killed may take to end


class FolderError(Exception):
    """A folder cannot be used; the message says why. ``make run`` prints it."""


class UnwritableFolderError(FolderError):
    """The folder cannot be written."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"The folder {folder} cannot be written: {error.strerror}.")


class FolderInUseError(FolderError):
    """Another process holds the folder."""


class Recovery(StrEnum):
    """What an earlier run may have lost when it ended.

    ``NOTHING``: it was stopped, or its recovery is done. ``PROCESSES``: its processes were killed, so what they were
    doing at that moment is unfinished. ``MACHINE``: the machine stopped, so what the disk had not written is lost too.
    """

    NOTHING = "nothing"
    PROCESSES = "processes"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Holder:
    """The run that holds a folder, or that held it and did not stop by itself.

    Args:
        pid: of the process that took the lock.
        emulator: the emulator's process, the leader of its functions' group.
        boot: the machine's start that the run belongs to; empty where it is not known.
        recovery: what this run has to recover, and has not yet.
    """

    pid: int
    port: int | None = None
    emulator: int | None = None
    boot: str = ""
    recovery: Recovery = Recovery.NOTHING

    @classmethod
    def read(cls, folder: Path) -> "Holder | None":
        try:
            raw = json.loads((folder / HOLDER_FILE).read_text())
            return cls(raw["pid"], raw["port"], raw["emulator"], raw["boot"], Recovery(raw["recovery"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


class FolderLock:
    """``with FolderLock(folder):`` or ``acquire`` and ``release``; ``fd`` is for a child that shall hold it, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._fd: int | None = None
        self._holder = Holder(os.getpid(), boot=boot_id())

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self, patience: float = STOP_SECONDS) -> None:
        """Creates the folder if there is none.

        Args:
            patience: seconds to wait for the emulator of a run that has been killed.

        Raises:
            FolderInUseError: another run holds the folder; nothing in it was touched.
            FolderError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            self._fd = os.open(self.folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, FILE_MODE)
        except OSError as error:
            raise UnwritableFolderError(self.folder, error) from error
        started = time.monotonic()
        while not _flock(self._fd):
            holder = Holder.read(self.folder)
            # Without a record, a run is just beginning, or its emulator is just ending. And `is_locked` is a moment.
            is_ending = holder is None or not is_alive(holder.pid)
            if time.monotonic() - started > (patience if is_ending else PROBE_SECONDS):
                self.release()
                raise FolderInUseError(_in_use_message(self.folder, holder))
            time.sleep(0.1)
        try:
            close_to_others(self.folder)
        except OSError as error:
            self.release()
            raise UnwritableFolderError(self.folder, error) from error

    def release(self) -> None:
        """Does nothing if the lock is not held here; a child that has it keeps it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    @property
    def fd(self) -> int | None:
        return self._fd

    @property
    def recovery(self) -> Recovery:
        """What this run has to recover, and has not yet."""
        return self._holder.recovery

    def begin(self, port: int) -> None:
        """Record that this run holds the folder, and what it has to recover of an earlier one.

        Raises:
            FolderError: the folder cannot be written.
        """
        try:
            self._write(replace(self._holder, port=port, recovery=_recovery(Holder.read(self.folder), boot_id())))
        except OSError as error:
            raise UnwritableFolderError(self.folder, error) from error

    def record_emulator(self, pid: int) -> None:
        self._write(replace(self._holder, emulator=pid))

    def end_recovery(self) -> None:
        self._write(replace(self._holder, recovery=Recovery.NOTHING))

    def _write(self, holder: Holder) -> None:
        write_private(self.folder / HOLDER_FILE, json.dumps(asdict(holder)))
        self._holder = holder


def end_run(folder: Path) -> None:
    """Record that a run has stopped by itself; one that has not recovered yet leaves that to the next."""
    holder = Holder.read(folder)
    if holder is not None and holder.recovery is Recovery.NOTHING:
        (folder / HOLDER_FILE).unlink()


def is_locked(folder: Path) -> bool:
    """Whether a run holds the folder now."""
    try:
        fd = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _flock(fd)
    finally:
        os.close(fd)


def _recovery(last: Holder | None, boot: str) -> Recovery:
    """What is left to recover of the last run, by what it has recorded of itself; None says that it stopped."""
    if last is None:
        return Recovery.NOTHING
    if last.recovery is Recovery.MACHINE or not boot or last.boot != boot:
        return Recovery.MACHINE
    return Recovery.PROCESSES


def _in_use_message(folder: Path, holder: Holder | None) -> str:
    who = "another process"
    if holder is not None:
        who = f"process {holder.pid if is_alive(holder.pid) else holder.emulator}"
        who += f", which listens on port {holder.port}" if holder.port else ""
    return f"The folder {folder} is in use by {who}. Stop that, or choose another folder."


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def boot_id() -> str:
    with suppress(OSError):
        return BOOT_ID_FILE.read_text().strip()
    return ""


def _flock(fd: int) -> bool:
    """Whether the lock could be taken."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
