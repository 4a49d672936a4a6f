"""What is tried again, after how long, and what is not."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarix_sdk import NO_RETRIES, Client, RetryPolicy
from similarix_sdk.errors import ConnectionFailed, RateLimited, SourceDenied, TimedOut, Unavailable
from similarix_sdk.requests import Response
from tests import loops
from tests.fakes.http_api import HttpApi
from tests.unit.sdk.conftest import async_client, blocking_client


def refusal(status: int, error: str, **headers: str) -> httpx.Response:
    info = {"error": error, "message": "Later.", "request_id": "r"}
    body = {"version": "1.0.2", "success": False, "info": info, "result": {}}
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_pause_is_what_the_response_asks_for(client: Client, http_api: HttpApi, pauses: list[float]) -> None:
    http_api.failures = [refusal(429, "rate_limited", retry_after="7"), refusal(503, "contention", retry_after="1")]
    assert client.collections.list() == ()
    assert pauses == [7.0, 1.0]


def test_a_pause_may_be_a_date(client: Client, http_api: HttpApi, pauses: list[float]) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    http_api.failures = [refusal(503, "unavailable", retry_after=at)]
    client.collections.list()
    assert 25 < pauses[0] <= 30


def test_a_longer_pause_than_wanted_is_raised_at_once_with_its_length(
    client: Client, http_api: HttpApi, pauses: list[float]
) -> None:
    http_api.failures = [refusal(429, "rate_limited", retry_after="3600")]
    with pytest.raises(RateLimited) as raised:
        client.search("owl")
    assert (raised.value.retry_after, pauses) == (3600.0, [])


def test_what_fails_every_time_is_raised_after_the_last_attempt(
    client: Client, http_api: HttpApi, pauses: list[float]
) -> None:
    http_api.failures = [refusal(503, "store_unavailable") for _ in range(9)]
    with pytest.raises(Unavailable):
        client.search("owl")
    assert len(http_api.requests) == RetryPolicy().attempts
    assert len(pauses) == RetryPolicy().attempts - 1


def test_a_connection_that_breaks_is_tried_again(client: Client, http_api: HttpApi, pauses: list[float]) -> None:
    http_api.failures = [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")]
    assert client.collections.list() == ()
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("error", "kind"), [(httpx.ReadTimeout("slow"), TimedOut), (httpx.ReadError(""), ConnectionFailed)]
)
def test_a_connection_that_never_works_raises_the_errors_of_this_package(
    http_api: HttpApi, pauses: list[float], error: httpx.TransportError, kind: type[ConnectionFailed]
) -> None:
    http_api.failures = [error] * 9
    client = blocking_client(http_api, pauses)
    with pytest.raises(kind):
        client.collections.list()
    http_api.failures = [error]
    with pytest.raises(kind):
        loops.run(async_client(http_api, pauses, NO_RETRIES).collections.list())


def test_a_request_that_was_carried_out_and_not_answered_is_carried_out_once(
    client: Client, http_api: HttpApi, pauses: list[float]
) -> None:
    """The idempotency key of the repeated request is that of the first, so it gets the first one's answer."""

    class LosesTheFirstAnswer(HttpApi):
        lost = False

        def _answer(self, request: httpx.Request) -> httpx.Response:
            answer = super()._answer(request)
            if not self.lost:
                self.lost = True
                raise httpx.ReadError("lost")
            return answer

    api = LosesTheFirstAnswer()
    created = blocking_client(api, pauses).collections.create_managed("n").collection
    assert [collection.uuid for collection in blocking_client(api, pauses).collections.list()] == [created.uuid]
    first, second = (request.headers["idempotency-key"] for request in api.requests[:2])
    assert first == second


def test_the_bytes_of_an_upload_are_sent_again_from_their_beginning(
    client: Client, http_api: HttpApi, collection: str
) -> None:
    seen: list[int] = []
    http_api.failures = [httpx.WriteError("broken"), refusal(503, "embedder_unavailable", retry_after="1")]
    uploaded = client.uploads.send(collection, b"an owl", path="a.jpg", progress=lambda sent, of: seen.append(sent))
    assert client.files.read(uploaded.uuid) == b"an owl"
    assert seen.count(6) >= 3


def test_a_key_that_is_in_use_is_waited_for(client: Client, http_api: HttpApi, pauses: list[float]) -> None:
    http_api.failures = [refusal(409, "idempotency_key_in_use")]
    client.collections.create_managed("n")
    assert len(pauses) == 1


def test_a_bucket_that_its_owner_must_open_first_is_not_tried_again(
    client: Client, http_api: HttpApi, pauses: list[float]
) -> None:
    http_api.failures = [refusal(503, "source_denied", retry_after="1")]
    with pytest.raises(SourceDenied):
        client.collections.list()
    assert pauses == []


@given(st.integers(1, 30), st.floats(0, 1))
def test_pauses_grow_and_stay_below_the_longest(attempt: int, drawn: float) -> None:
    policy = RetryPolicy(attempts=31, draw=lambda: drawn)
    pause = policy.pause(attempt, Response(503, {}))
    assert pause is not None
    assert min(0.25 * 2 ** (attempt - 1), 30) <= pause <= min(0.5 * 2 ** (attempt - 1), 60)


@given(st.integers(100, 599))
def test_no_other_status_is_tried_again(status: int) -> None:
    assert (RetryPolicy().pause(1, Response(status, {})) is not None) == (status in (429, 500, 502, 503, 504))


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "Thu, 99 Nov"])
def test_a_pause_that_is_none_is_left_out(value: str) -> None:
    assert RetryPolicy(draw=lambda: 1).pause(1, Response(503, {"retry-after": value})) == 0.5
