"""The walls around a decoder process, for the day when a codec runs an attacker's code.

Linux alone, by system calls through ctypes: no library on PyPI for seccomp installs in Lambda's image, which has no
libseccomp (docs/decisions/0054). None of them needs a capability, `/dev/shm` or a file system that can be written, and
all are in Lambda's kernel, 5.10. Landlock (5.13) is not, and has nothing left to forbid.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Callable, Iterator, Sequence

# https://man7.org/linux/man-pages/man2/prctl.2.html, seccomp.2.html, capset.2.html
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CAPABILITY_VERSION_3 = 0x20080522
_SET_MODE_FILTER = 1
# On all threads; and without the slower mode of the processor that kernels before 5.16 switch on with a filter. It
# guards a process from code of its own, which this one has none of to guard from.
_FILTER_FLAGS = 1 | 4
_SYSTEM_CALLS = {"capset": 126, "seccomp": 317}  # x86-64

_ARCHITECTURE = 0xC000003E  # AUDIT_ARCH_X86_64
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
# As if the kernel were older: the C library then tries an older call, which may be among those allowed.
_UNKNOWN = 0x00050000 | errno.ENOSYS
_CLONE_THREAD, _PROT_EXEC = 0x10000, 4
# Instructions of classic BPF: load a word, and return; jump if equal, and if a bit is set.
_LOAD, _RETURN, _IF_EQUAL, _IF_BIT = 0x20, 0x06, 0x15, 0x45
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16

# What decoding in memory takes: reading requests and writing replies, memory, threads of a codec, time, its own limits.
# https://github.com/torvalds/linux/blob/v5.10/arch/x86/entry/syscalls/syscall_64.tbl
_ALLOWED = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "munmap": 11, "brk": 12, "rt_sigaction": 13,
    "rt_sigprocmask": 14, "rt_sigreturn": 15, "readv": 19, "writev": 20, "sched_yield": 24, "mremap": 25, "mincore": 27,
    "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60, "getcwd": 79,
    "gettimeofday": 96, "getrlimit": 97, "getrusage": 98,
    "sysinfo": 99, "times": 100, "sigaltstack": 131, "setrlimit": 160, "gettid": 186, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
    "exit_group": 231, "set_robust_list": 273, "getrandom": 318, "membarrier": 324, "rseq": 334,
}  # fmt: skip
_MMAP, _MPROTECT, _CLONE, _TGKILL, _PRLIMIT = 9, 10, 56, 234, 302


def forbid_inspection() -> None:
    """Keep other processes of the same user from reading this one: its memory, its environment and its open files.

    Raises:
        OSError: the system cannot.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def confine() -> list[str]:
    """Forbid this process to open a file or a socket, to start a process, and to look into or signal another one.

    It must have loaded everything that it will use. What it has open stays open. Nothing here can be undone.

    Returns:
        the walls that this system does not have, each with the reason.
    """
    missing = []
    for name, build in _WALLS:
        try:
            build()
        except (OSError, ValueError) as error:  # ValueError: of setrlimit
            missing.append(f"{name} ({error})")
    return missing


def _forbid_descriptors() -> None:
    # Not even one that takes the place of another that was closed.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _drop_capabilities() -> None:
    """Drop root's rights, which a container of a developer's may have: with them other walls have doors."""
    header = struct.pack("<II", _CAPABILITY_VERSION_3, 0)
    _system_call("capset", ctypes.create_string_buffer(header), ctypes.create_string_buffer(bytes(24)))


def _forbid_new_rights() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _filter_system_calls() -> None:
    instructions = b"".join(_program(os.getpid()))
    buffer = ctypes.create_string_buffer(instructions)
    program = struct.pack("HxxxxxxP", len(instructions) // 8, ctypes.addressof(buffer))
    # With these flags the call returns 0, or the number of a thread that cannot be confined.
    if _system_call("seccomp", _SET_MODE_FILTER, _FILTER_FLAGS, ctypes.create_string_buffer(program)):
        raise OSError(errno.ESRCH, "a thread cannot be confined")


_WALLS: tuple[tuple[str, Callable[[], None]], ...] = (
    ("no new descriptors", _forbid_descriptors),
    ("not inspected by others", forbid_inspection),
    ("no capabilities", _drop_capabilities),
    ("no new rights", _forbid_new_rights),
    ("a filter of system calls", _filter_system_calls),
)


def _program(process: int) -> Iterator[bytes]:
    """Return the filter: https://www.kernel.org/doc/html/v5.10/userspace-api/seccomp_filter.html."""
    yield _instruction(_LOAD, _ARCHITECTURE_OFFSET)
    yield _instruction(_IF_EQUAL, _ARCHITECTURE, 1, 0)
    yield _instruction(_RETURN, _REFUSE)
    yield _instruction(_LOAD, _NUMBER_OFFSET)
    for number in _ALLOWED.values():
        yield from _if_called(number, [_instruction(_RETURN, _ALLOW)])
    # No memory that holds code, threads but no processes, signals and limits of this process alone.
    yield from _if_called(_MMAP, _by_argument(2, _IF_BIT, _PROT_EXEC, _REFUSE, _ALLOW))
    yield from _if_called(_MPROTECT, _by_argument(2, _IF_BIT, _PROT_EXEC, _REFUSE, _ALLOW))
    yield from _if_called(_CLONE, _by_argument(0, _IF_BIT, _CLONE_THREAD, _ALLOW, _REFUSE))
    yield from _if_called(_TGKILL, _by_argument(0, _IF_EQUAL, process, _ALLOW, _REFUSE))
    yield from _if_called(_PRLIMIT, _by_argument(0, _IF_EQUAL, 0, _ALLOW, _REFUSE))
    yield _instruction(_RETURN, _UNKNOWN)


def _if_called(number: int, then: Sequence[bytes]) -> Iterator[bytes]:
    yield _instruction(_IF_EQUAL, number, 0, len(then))
    yield from then


def _by_argument(index: int, test: int, value: int, if_so: int, otherwise: int) -> list[bytes]:
    """Return on the lower half of an argument; all those that are tested are 32 bits wide."""
    return [
        _instruction(_LOAD, _ARGUMENTS_OFFSET + 8 * index),
        _instruction(test, value, 0, 1),
        _instruction(_RETURN, if_so),
        _instruction(_RETURN, otherwise),
    ]


def _instruction(code: int, value: int, if_so: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_so, otherwise, value)


def _prctl(option: int, value: int) -> None:
    _check_linux()
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = (ctypes.c_ulong(number) for number in (value, 0, 0, 0))
    if libc.prctl(option, *numbers) != 0:
        _raise_errno()


def _system_call(name: str, *arguments: object) -> int:
    _check_linux()
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, f"not written for {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result: int = libc.syscall(ctypes.c_long(_SYSTEM_CALLS[name]), *arguments)
    if result < 0:
        _raise_errno()
    return result


def _check_linux() -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, f"{sys.platform} has none")


def _raise_errno() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
