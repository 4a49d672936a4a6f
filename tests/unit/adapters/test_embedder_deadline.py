"""The embedder's client: it asks once, and gives up before the function that waits for it must end."""

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from chalicelib.adapters.embedder.client import LambdaEmbedder
from chalicelib.adapters.factory import embedder_client
from chalicelib.domain.errors import EmbedderUnavailable
from chalicelib.domain.messages import Queue
from chalicelib.services.pipeline.change_worker import SECONDS_FOR_A_GROUP
from chalicelib.services.pipeline.upload_completion import LOCK_WAIT_SECONDS
from infra.workers import API, EMBEDDER, WORKERS, Worker

URL = "https://lambda.eu-central-1.amazonaws.com"
ANSWER_SECONDS = 2  # that a request needs beside what it waits for
FAILURES = [
    AWSResponse(URL, status, {"x-amzn-ErrorType": kind}, None)
    for status, kind in ((429, "TooManyRequestsException"), (500, "ServiceException"), (503, "SlowDown"))
] + [ReadTimeoutError(endpoint_url=URL), ConnectTimeoutError(endpoint_url=URL)]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: str(getattr(failure, "status_code", failure)))
def test_a_call_that_fails_is_not_repeated(failure: Any) -> None:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client = boto3.client("lambda", region_name="eu-central-1", config=embedder_client(API.timeout), **keys)
    requests: list[str] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        requests.append(request.url)
        if isinstance(failure, Exception):
            raise failure
        failure._content = b"{}"  # the body, which is read from the connection otherwise
        return failure  # type: ignore[no-any-return]

    client.meta.events.register("before-send.lambda", answer)
    with pytest.raises(EmbedderUnavailable):
        LambdaEmbedder(client, "embedder").embed_texts(["an owl"])
    assert len(requests) == 1


def test_a_request_that_has_waited_for_a_lock_has_time_for_the_embedder_and_to_answer() -> None:
    assert LOCK_WAIT_SECONDS + embedder_client(API.timeout).read_timeout + ANSWER_SECONDS < API.timeout


@pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
def test_a_worker_gives_up_before_it_must_end(row: Worker) -> None:
    client = embedder_client(row.timeout)
    assert client.read_timeout + client.connect_timeout < row.timeout


@pytest.mark.parametrize("row", [row for row in WORKERS if row.timeout > EMBEDDER.timeout], ids=lambda row: row.queue)
def test_a_worker_that_has_the_time_waits_as_long_as_the_embedder_may_run(row: Worker) -> None:
    assert embedder_client(row.timeout).read_timeout > EMBEDDER.timeout
    # A second message has no time left, but for the worker that checks it before each group.
    assert row.batch_size == 1 or (row.queue is Queue.CHANGES and EMBEDDER.timeout <= SECONDS_FOR_A_GROUP)
