"""Keeps the memory that is freed between two images: fresh pages cost the processor more than what is done with them.

glibc gives large blocks back to the system as soon as they are free. An image's tensors take some hundred pages, and a
page fault in a virtual machine two microseconds: three quarters of a millisecond an image (docs/embedder.md).
"""

import ctypes
import sys
from functools import cache

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# A batch of eight tensors of 224 by 224 takes 4.8 MB; larger blocks, such as whole files, still go back at once.
KEPT_BLOCK_BYTES = 8 * 1024 * 1024
KEPT_BYTES = 4 * KEPT_BLOCK_BYTES


@cache
def keep_freed_pages() -> None:
    """Have this process keep up to KEPT_BYTES that are free; where the C library is not glibc, nothing changes."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # One heap: each of the others, a thread's, would keep as much.
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
