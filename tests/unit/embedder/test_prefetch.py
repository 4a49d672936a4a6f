"""Files are fetched a few ahead; what is here first goes first, and each goes once."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder_container.prefetch import Prefetch


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as running:
        yield running


class Store:
    """Fetches end when they are told to."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.ends: dict[int, threading.Event] = {number: threading.Event() for number in range(20)}
        self._changed = threading.Condition()

    def fetch(self, number: int) -> int:
        with self._changed:
            self.asked.append(number)
            self._changed.notify_all()
        self.ends[number].wait()
        return number

    def wait_until_asked_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= count, timeout=30)


@given(items=st.lists(st.integers()), ahead=st.integers(1, 9), takers=st.integers(1, 3))
def test_each_is_taken_once_however_many_take(items: list[int], ahead: int, takers: int) -> None:
    def take_all() -> list[int]:
        taken = []
        while (future := files.take(wait=True)) is not None:
            taken.append(future.result())
        return taken

    with ThreadPoolExecutor(4) as fetching, ThreadPoolExecutor(takers) as taking:
        files: Prefetch[int, int] = Prefetch(fetching, lambda item: item, items, ahead)
        shares = [taking.submit(take_all) for _ in range(takers)]
        assert sorted(item for share in shares for item in share.result()) == sorted(items)
    assert files.left() == 0


def test_no_more_are_fetched_ahead_than_there_is_room_for(pool: ThreadPoolExecutor) -> None:
    store = Store()
    files: Prefetch[int, int] = Prefetch(pool, store.fetch, range(20), ahead=3)
    store.wait_until_asked_for(3)
    assert sorted(store.asked) == [0, 1, 2]
    store.ends[0].set()
    assert taken(files) == 0
    store.wait_until_asked_for(4)
    assert sorted(store.asked) == [0, 1, 2, 3]
    for end in store.ends.values():
        end.set()


def test_a_slow_one_holds_nobody_up(pool: ThreadPoolExecutor) -> None:
    store = Store()
    files: Prefetch[int, int] = Prefetch(pool, store.fetch, range(3), ahead=3)
    assert files.take(wait=False) is None
    for number in (2, 1):
        store.ends[number].set()
        assert taken(files) == number
    slow = files.take(wait=True)
    store.ends[0].set()
    assert slow is not None
    assert slow.result() == 0
    assert files.take(wait=True) is None


def taken(files: Prefetch[int, int]) -> int:
    """The next that is here, as soon as it is."""
    future: Future[int] | None = None
    while future is None:
        future = files.take(wait=False)
    return future.result()
