"""The client tells the end of the embedder's process, which a picture may cause, from the embedder's own errors."""

import io
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib.adapters.embedder.client import LambdaEmbedder
from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed
from chalicelib.domain.errors import EmbedderEnded, EmbedderUnavailable
from tests.fakes.modelled import ModelledClient

# As Lambda answers them: https://github.com/floci-io/floci/issues/3314 shows them side by side.
EXITED = {
    "errorType": "Runtime.ExitError",
    "errorMessage": "RequestId: 59f8af4e Error: Runtime exited with error: signal: killed",
}
TIMED_OUT = {
    "errorType": "Sandbox.Timedout",
    "errorMessage": "RequestId: 5ded4dda Error: Task timed out after 3.00 seconds",
}
FORMERLY_TIMED_OUT = {"errorMessage": "2023-06-04T12:04:07Z 698aba69 Task timed out after 3.00 seconds"}
RAISED = {"errorType": "ValueError", "errorMessage": "unknown op", "requestId": "96ae7299", "stackTrace": ["…"]}
NOT_IMPORTED = {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'numpy'", "stackTrace": []}


class FailingFunction:
    """A function whose invocations fail with this payload."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def invoke(self, **_: Any) -> dict[str, Any]:
        return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(self._payload)}


class AnsweringFunction:
    """A function that returns this answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def invoke(self, **_: Any) -> dict[str, Any]:
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(self._answer).encode())}


def error_of(payload: bytes) -> EmbedderUnavailable:
    client: Any = ModelledClient("lambda", FailingFunction(payload))
    embedder = LambdaEmbedder(client, "embedder")
    with pytest.raises(EmbedderUnavailable) as caught:
        embedder.embed_objects([ObjectToEmbed("https://a", "https://b")])
    return caught.value


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ("2024-05-06T07:08:09", datetime(2024, 5, 6, 7, 8, 9)),
        ("2024-05-06T07:08:09+05:30", datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        (None, None),
    ],
)
def test_the_time_of_taking_keeps_the_zone_that_it_has(taken: str | None, expected: datetime | None) -> None:
    picture = {"vector": "AAAA", "size": 1, "md5": "0", "width": 1, "height": 1, "format": "PNG", "taken": taken}
    client: Any = ModelledClient("lambda", AnsweringFunction({"model": "lite-1+d3", "results": [picture]}))
    image = LambdaEmbedder(client, "embedder").embed_image(b"")
    assert isinstance(image, ImageEmbedding)
    assert image.taken == expected


@pytest.mark.parametrize("payload", [EXITED, TIMED_OUT, FORMERLY_TIMED_OUT])
def test_the_end_of_the_functions_process_is_told(payload):
    error = error_of(json.dumps(payload).encode())
    assert isinstance(error, EmbedderEnded)
    assert payload["errorMessage"] in str(error.__cause__), "the log says how it ended"


@pytest.mark.parametrize(
    "payload", [json.dumps(RAISED).encode(), json.dumps(NOT_IMPORTED).encode(), b"null", b"[]", b"not JSON"]
)
def test_any_other_error_of_the_function_blames_no_picture(payload):
    assert not isinstance(error_of(payload), EmbedderEnded)
