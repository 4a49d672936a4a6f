"""The memory that the embedder shares with a decoder process."""

import fcntl
import os
import sys
from collections.abc import Iterator

import pytest

from embedder_container.limits import MAX_FILE_BYTES
from embedder_container.slots import KEPT_BYTES, SLOTS, Slots

SQUARE_BYTES = 3 * 224 * 224
linux_alone = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has memfd_create, its seals and its holes")


@pytest.fixture
def memory() -> Iterator[tuple[Slots, int]]:
    """The memory, and the descriptor of it."""
    slots, descriptor = Slots.create(SQUARE_BYTES)
    yield slots, descriptor
    os.close(descriptor)
    slots.close()


def test_what_one_mapping_writes_the_other_one_reads(memory: tuple[Slots, int]) -> None:
    slots, descriptor = memory
    other = Slots(descriptor, SQUARE_BYTES)
    slots.file(1)[:5] = b"hello"
    other.square(1)[:5] = bytes(reversed(other.file(1)[:5]))
    other.close()
    assert bytes(slots.square(1)[:5]) == b"olleh"


def test_no_two_places_overlap(memory: tuple[Slots, int]) -> None:
    slots, _ = memory
    places = [place for slot in range(SLOTS) for place in (slots.file(slot), slots.square(slot))]
    for number, place in enumerate(places, 1):
        place[0] = place[-1] = number
    assert [(place[0], place[-1]) for place in places] == [(number, number) for number in range(1, 2 * SLOTS + 1)]
    assert [len(place) for place in places] == [MAX_FILE_BYTES, SQUARE_BYTES] * SLOTS


@linux_alone
def test_neither_process_can_change_the_size(memory: tuple[Slots, int]) -> None:
    slots, descriptor = memory
    for size in (0, 2 * slots.size):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


@linux_alone
def test_it_has_no_name_and_takes_no_room_until_it_is_used(memory: tuple[Slots, int]) -> None:
    _, descriptor = memory
    assert os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:")
    assert os.fstat(descriptor).st_blocks == 0


@linux_alone
@pytest.mark.parametrize("slot", range(SLOTS))
def test_the_pages_of_a_large_file_are_given_back_and_those_of_a_small_one_kept(
    memory: tuple[Slots, int], slot: int
) -> None:
    slots, descriptor = memory
    slots.square(slot)[:1] = b"s"
    for length, kept in ((KEPT_BYTES - 1, KEPT_BYTES), (MAX_FILE_BYTES, KEPT_BYTES)):
        slots.file(slot)[:length] = b"\1" * length
        slots.release(slot, length)
        assert 512 * os.fstat(descriptor).st_blocks == kept + os.sysconf("SC_PAGESIZE")
    assert (slots.file(slot)[KEPT_BYTES], slots.square(slot)[0]) == (0, ord("s"))
