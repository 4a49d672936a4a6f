"""Who fails several times in a row is left in peace for a while."""

import pytest

from chalicelib.adapters.opensearch.circuit_breaker import CircuitBreaker, CircuitOpen


class Broken(Exception):
    pass


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(failures=3, pause_seconds=10, now=clock)


def fail(circuit: CircuitBreaker, times: int, error: type[Exception] = Broken) -> None:
    for _ in range(times):
        with pytest.raises(error), circuit.guard((Broken,)):
            raise error


def succeed(circuit: CircuitBreaker) -> None:
    with circuit.guard((Broken,)):
        pass


def test_it_stays_closed_while_calls_succeed_in_between(circuit: CircuitBreaker):
    for _ in range(5):
        fail(circuit, 2)
        succeed(circuit)


def test_it_opens_after_failures_in_a_row_and_nothing_is_tried(circuit: CircuitBreaker):
    fail(circuit, 3)
    with pytest.raises(CircuitOpen), circuit.guard((Broken,)):
        pytest.fail("it was tried")


def test_after_the_pause_one_call_that_succeeds_closes_it(circuit: CircuitBreaker, clock: Clock):
    fail(circuit, 3)
    clock.seconds = 10
    succeed(circuit)
    fail(circuit, 2)
    succeed(circuit)


def test_after_the_pause_one_call_that_fails_opens_it_again(circuit: CircuitBreaker, clock: Clock):
    fail(circuit, 3)
    clock.seconds = 10
    fail(circuit, 1)
    with pytest.raises(CircuitOpen), circuit.guard((Broken,)):
        pytest.fail("it was tried")


def test_errors_of_another_kind_say_that_it_answers(circuit: CircuitBreaker):
    fail(circuit, 2)
    fail(circuit, 10, KeyError)
    succeed(circuit)
