"""Items are fetched a few ahead; the first to arrive is popped first, and each is popped once."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder_container.prefetch import Prefetch

ITEMS = 20


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


class BlockedSource:
    """A source whose fetches end when the test sets their events."""

    def __init__(self) -> None:
        self.requested: list[int] = []
        self.ends: dict[int, threading.Event] = {number: threading.Event() for number in range(ITEMS)}
        self._changed = threading.Condition()

    def fetch(self, number: int) -> int:
        with self._changed:
            self.requested.append(number)
            self._changed.notify_all()
        self.ends[number].wait()
        return number

    def wait_for_requests(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requested) >= count, timeout=30)


@given(items=st.lists(st.integers()), ahead=st.integers(1, 9), consumers=st.integers(1, 3))
def test_each_item_is_popped_once_by_any_number_of_consumers(items: list[int], ahead: int, consumers: int) -> None:
    def pop_all() -> list[int]:
        popped = []
        while (future := prefetch.pop(wait=True)) is not None:
            popped.append(future.result())
        return popped

    with ThreadPoolExecutor(4) as fetch_pool, ThreadPoolExecutor(consumers) as consumer_pool:
        prefetch: Prefetch[int, int] = Prefetch(fetch_pool, lambda item: item, items, ahead)
        futures = [consumer_pool.submit(pop_all) for _ in range(consumers)]
        assert sorted(item for future in futures for item in future.result()) == sorted(items)
    assert prefetch.remaining() == 0


def test_no_more_items_are_fetched_ahead_than_allowed(pool: ThreadPoolExecutor) -> None:
    source = BlockedSource()
    prefetch: Prefetch[int, int] = Prefetch(pool, source.fetch, range(ITEMS), ahead=3)
    source.wait_for_requests(3)
    assert sorted(source.requested) == [0, 1, 2]
    source.ends[0].set()
    assert pop_finished(prefetch) == 0
    source.wait_for_requests(4)
    assert sorted(source.requested) == [0, 1, 2, 3]
    for end in source.ends.values():
        end.set()


def test_a_slow_fetch_does_not_delay_the_others(pool: ThreadPoolExecutor) -> None:
    source = BlockedSource()
    prefetch: Prefetch[int, int] = Prefetch(pool, source.fetch, range(3), ahead=3)
    assert prefetch.pop(wait=False) is None
    for number in (2, 1):
        source.ends[number].set()
        assert pop_finished(prefetch) == number
    slow = prefetch.pop(wait=True)
    source.ends[0].set()
    assert slow is not None
    assert slow.result() == 0
    assert prefetch.pop(wait=True) is None


def pop_finished(prefetch: Prefetch[int, int]) -> int:
    """Return the next finished item as soon as there is one."""
    future: Future[int] | None = None
    while future is None:
        future = prefetch.pop(wait=False)
    return future.result()
