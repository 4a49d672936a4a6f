"""Calls side by side."""

from threading import Barrier, Event

import pytest

from chalicelib.adapters.parallel import MAX_PARALLEL_CALLS, call_each


def test_results_are_in_the_order_of_the_items() -> None:
    last_has_ended = Event()

    def call(item: int) -> int:
        if item == 0:
            assert last_has_ended.wait(10)
        elif item == 3:
            last_has_ended.set()
        return item * 2

    assert call_each(call, range(4)) == [0, 2, 4, 6]


def test_as_many_calls_as_there_are_threads_run_at_once() -> None:
    together = Barrier(MAX_PARALLEL_CALLS, timeout=10)
    assert len(call_each(lambda _: together.wait(), range(MAX_PARALLEL_CALLS))) == MAX_PARALLEL_CALLS


def test_the_first_error_is_raised_when_all_calls_have_ended() -> None:
    ended = []

    def call(item: int) -> None:
        if item == 1:
            raise ValueError("one")
        if item == 3:
            raise ValueError("three")
        ended.append(item)

    with pytest.raises(ValueError, match="one"):
        call_each(call, range(20))
    assert sorted(ended) == [0, 2, *range(4, 20)]


def test_nothing_is_called_for_no_items() -> None:
    assert call_each(lambda item: item, []) == []
