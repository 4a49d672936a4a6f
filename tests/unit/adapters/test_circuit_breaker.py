"""The circuit breaker: a service that has failed several times in a row is not called for a while."""

import pytest

from chalicelib.adapters.opensearch.circuit_breaker import CircuitBreaker
from chalicelib.adapters.opensearch.errors import CircuitOpen


class ServiceFailed(Exception):
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
    return CircuitBreaker(failure_threshold=3, open_seconds=10, now=clock)


def fail(circuit: CircuitBreaker, times: int, error: type[Exception] = ServiceFailed) -> None:
    for _ in range(times):
        with pytest.raises(error), circuit.guard((ServiceFailed,)):
            raise error


def succeed(circuit: CircuitBreaker) -> None:
    with circuit.guard((ServiceFailed,)):
        pass


def assert_open(circuit: CircuitBreaker) -> None:
    with pytest.raises(CircuitOpen), circuit.guard((ServiceFailed,)):
        pytest.fail("the call was made")


def test_the_circuit_stays_closed_while_calls_succeed_between_failures(circuit: CircuitBreaker):
    for _ in range(5):
        fail(circuit, 2)
        succeed(circuit)


def test_the_circuit_opens_after_failures_in_a_row_and_no_call_is_made(circuit: CircuitBreaker):
    fail(circuit, 3)
    assert_open(circuit)


def test_one_call_that_succeeds_after_the_pause_closes_the_circuit(circuit: CircuitBreaker, clock: Clock):
    fail(circuit, 3)
    clock.seconds = 10
    succeed(circuit)
    fail(circuit, 2)
    succeed(circuit)


def test_one_call_that_fails_after_the_pause_opens_the_circuit_again(circuit: CircuitBreaker, clock: Clock):
    fail(circuit, 3)
    clock.seconds = 10
    fail(circuit, 1)
    assert_open(circuit)


def test_an_error_of_another_type_shows_that_the_service_answers(circuit: CircuitBreaker):
    fail(circuit, 2)
    fail(circuit, 10, KeyError)
    succeed(circuit)
