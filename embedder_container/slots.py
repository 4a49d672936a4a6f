"""Memory that the embedder and one decoder process share: a file goes in, its square and its thumbnail come out.

It is an anonymous file (memfd_create, Linux 3.17), because Lambda has no `/dev/shm`. The decoder process maps it before
its walls close and needs no descriptor for it afterwards. Each process has a memory of its own, which ends with it: no
decoder can see what another one has.

Whatever the decoder process has written is as untrusted as its replies. The size is sealed: no process can cut the
memory short, at which reading it would end the embedder.
"""

import fcntl
import mmap
import os
import sys
import tempfile
from contextlib import suppress

from embedder_container import limits

# One picture is decoded while the next one waits: the decoder process begins with it at once.
SLOTS = 2
# What a slot keeps of a large file's pages; a photograph of 24 megapixels has about so much.
KEPT_BYTES = 8 * 1024 * 1024


class Slots:
    """SLOTS places, each for one picture: its file, or in place of it the thumbnail; and its square.

    Args:
        descriptor: of the anonymous file.
        square_bytes: the size of a square, RGB.
    """

    def __init__(self, descriptor: int, square_bytes: int) -> None:
        self._square_bytes = square_bytes
        self._memory = _mapped(descriptor, SLOTS * self._slot_bytes)
        self._view = memoryview(self._memory)

    @staticmethod
    def create(square_bytes: int) -> tuple["Slots", int]:
        """Return a new memory, zeros that take no room yet, and the descriptor for the other process."""
        descriptor = _anonymous_file()
        try:
            os.ftruncate(descriptor, SLOTS * _slot_bytes(square_bytes))
            with suppress(OSError, AttributeError):  # only Linux has seals, and only memfd_create's files
                fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            return Slots(descriptor, square_bytes), descriptor
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def size(self) -> int:
        """The bytes of address space that the memory takes."""
        return len(self._memory)

    def file(self, slot: int) -> memoryview:
        """Return MAX_FILE_BYTES, which the file's are the first of, later the thumbnail's."""
        start = slot * self._slot_bytes
        return self._view[start : start + limits.MAX_FILE_BYTES]

    def square(self, slot: int) -> memoryview:
        """Return the bytes of the square."""
        start = slot * self._slot_bytes + _pages(limits.MAX_FILE_BYTES)
        return self._view[start : start + self._square_bytes]

    def release(self, slot: int, used_bytes: int) -> None:
        """Give the pages of a file of so many bytes back to the system, if it is a large one."""
        if used_bytes > KEPT_BYTES:
            start = slot * self._slot_bytes + KEPT_BYTES
            with suppress(OSError, AttributeError):  # Linux's alone: elsewhere they stay until the process is replaced
                self._memory.madvise(mmap.MADV_REMOVE, start, _pages(used_bytes) - KEPT_BYTES)

    def close(self) -> None:
        """Unmap the memory; nothing may hold a part of it."""
        self._view.release()
        self._memory.close()

    @property
    def _slot_bytes(self) -> int:
        return _slot_bytes(self._square_bytes)


def _slot_bytes(square_bytes: int) -> int:
    return _pages(limits.MAX_FILE_BYTES) + _pages(square_bytes)


def _pages(length: int) -> int:
    """Return a length in whole pages."""
    return -(-length // mmap.PAGESIZE) * mmap.PAGESIZE


def _anonymous_file() -> int:
    with suppress(OSError, AttributeError):
        return os.memfd_create("pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:  # it has no name
        return os.dup(file.fileno())


def _mapped(descriptor: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, trackfd=False)
    return mmap.mmap(descriptor, size)  # keeps a descriptor of the memory, from which nothing else can be reached
