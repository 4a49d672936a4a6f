"""Invocations on one machine wait for their turn, and logs and metrics are forgotten."""

import os
import threading
import time

import pytest

from infra.emulator_limits import (
    BULK_WORKERS_AT_ONCE,
    EMBEDDERS_AT_ONCE,
    FUNCTIONS_AT_ONCE,
    QUIET_SECONDS,
    WORKERS_AT_ONCE,
    Demand,
    Turns,
    forget_oldest,
    lane,
    shorten_log,
    workers_at_once,
)
from infra.workers import SCHEDULED, WORKERS

SECONDS = 30


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_callers_beyond_the_limit_wait_and_come_in_the_order_in_which_they_came():
    turns, leave, entered = Turns(2), threading.Semaphore(0), []

    def call(number):
        with turns.turn():
            entered.append(number)
            leave.acquire()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for number, thread in enumerate(threads):
        thread.start()
        until(lambda number=number: len(entered) + turns.waiting == number + 1)
    assert (entered, turns.waiting) == ([0, 1], 4)
    for admitted in range(3, 7):
        leave.release()
        until(lambda admitted=admitted: len(entered) == admitted)
    assert entered == [0, 1, 2, 3, 4, 5]
    for _ in range(2):
        leave.release()
    for thread in threads:
        thread.join(SECONDS)
    assert turns.waiting == 0


def test_a_turn_ends_also_when_its_invocation_fails():
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(RuntimeError), turns.turn():
            raise RuntimeError

    with turns.turn():
        assert turns.waiting == 0


def test_searches_wait_apart_from_all_other_requests():
    search = lane("similarix-api", {"path": "/api/search/"})

    assert search == lane("similarix-api", {"path": "/api/files/1/similar"})
    assert search != lane("similarix-api", {"path": "/api/collections/1/upload/"})
    assert search[1] == FUNCTIONS_AT_ONCE


def test_texts_wait_apart_from_pictures_and_single_pictures_from_batches():
    text = lane("similarix-embedder", {"op": "embed_texts", "texts": ["an owl"]})
    picture = lane("similarix-embedder", {"op": "embed_objects", "objects": [{}]})
    batch = lane("similarix-embedder", {"op": "embed_objects", "objects": [{}, {}]})

    assert len({text, picture, batch}) == 3
    assert {limit for _, limit in (text, picture, batch)} == {EMBEDDERS_AT_ONCE}
    assert lane("similarix-embedder", {"op": "embed_image", "image": ""}) == picture


@pytest.mark.parametrize("row", [*(worker.function for worker in WORKERS), *SCHEDULED], ids=lambda row: row.name)
def test_workers_and_scheduled_functions_do_not_wait(row):
    assert lane(f"similarix-{row.lambda_name}", {"Records": []}) is None


@pytest.mark.parametrize("function", ["similarix-api", "similarix-embedder"])
@pytest.mark.parametrize("event", [None, "text", {}, {"path": None}, {"objects": None}])
def test_an_event_of_any_shape_has_a_place_to_wait(function, event):
    name, limit = lane(function, event)

    assert name.startswith(function)
    assert limit > 0


def test_workers_that_nobody_waits_for_leave_half_of_the_machine_to_the_others():
    bulk = {
        row.queue
        for row in WORKERS
        if workers_at_once(f"a-stack-{row.function.lambda_name}", is_quiet=False) < WORKERS_AT_ONCE
    }

    assert bulk == {"sync", "index", "deletions"} if WORKERS_AT_ONCE > 1 else bulk == set()
    assert max(1, WORKERS_AT_ONCE // 2) == BULK_WORKERS_AT_ONCE


@pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
def test_all_workers_may_take_the_whole_machine_while_nobody_else_wants_it(row):
    assert workers_at_once(f"a-stack-{row.function.lambda_name}", is_quiet=True) == WORKERS_AT_ONCE


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("function", ["api", "changes-worker", "events-worker", "uploads-worker"])
def test_the_machine_is_quiet_a_while_after_the_last_request_or_event(function):
    clock = Clock()
    demand = Demand(clock)
    assert demand.is_quiet
    with demand.invocation(f"a-stack-{function}"):
        clock.now += 100
        assert not demand.is_quiet, "it lasts long"
        with pytest.raises(RuntimeError), demand.invocation("a-stack-api"):
            raise RuntimeError
        clock.now += QUIET_SECONDS
        assert not demand.is_quiet, "the other one is still running"
    assert not demand.is_quiet
    clock.now += QUIET_SECONDS
    assert demand.is_quiet


@pytest.mark.parametrize("function", ["index-worker", "sync-worker", "deletions-worker", "embedder"])
def test_bulk_work_is_no_demand(function):
    demand = Demand(Clock())
    with demand.invocation(f"a-stack-{function}"):
        assert demand.is_quiet
    assert demand.is_quiet


def test_the_oldest_entries_are_forgotten():
    streams = {str(number): number for number in range(10)}
    forget_oldest(streams, 3)

    assert streams == {"7": 7, "8": 8, "9": 9}


def test_a_long_log_is_moved_aside_while_its_writer_goes_on(tmp_path):
    log = tmp_path / "emulator.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old " * 100)
        shorten_log(log, writer.fileno(), max_bytes=1000)
        assert log.stat().st_size == 400, "it is short enough"

        shorten_log(log, writer.fileno(), max_bytes=100)
        writer.write(b"new")

    assert log.read_bytes() == b"new"
    assert (tmp_path / "emulator.log.1").read_bytes() == b"old " * 100


def test_standard_output_that_is_no_file_is_left_alone(tmp_path):
    reading, writing = os.pipe()
    shorten_log(tmp_path / "emulator.log", writing, max_bytes=0)
    os.close(reading)
    os.close(writing)

    assert list(tmp_path.iterdir()) == []
