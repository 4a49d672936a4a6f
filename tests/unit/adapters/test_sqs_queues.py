"""Batches leave in as few requests as SQS allows, and what it does not take is an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.sqs.queues import MAX_BYTES_PER_REQUEST, MAX_MESSAGES_PER_REQUEST, SQSQueues
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.messages import INDEX_BATCH_SIZE, IndexBatch, Queue
from tests.factories import a_batch, a_collection

COLLECTION = a_collection()
LONG = "\U0001f600" * 256  # 1,024 bytes, the longest key, three times as long in JSON
BATCHES = st.lists(
    st.builds(
        lambda count, key: a_batch(COLLECTION, *(f"{number}{key}" for number in range(count))),
        st.integers(1, INDEX_BATCH_SIZE),
        st.sampled_from(["a", LONG[:-4]]),
    ),
    max_size=45,
)


class Client:
    """Takes requests, and refuses the bodies that name ``refused``."""

    def __init__(self, refused: str = "nothing") -> None:
        self.requests: list[list[Any]] = []
        self._refused = refused

    def send_message(self, **message: Any) -> None:
        self.requests.append([message])

    def send_message_batch(self, **request: Any) -> Any:
        self.requests.append(request["Entries"])
        failed = [entry for entry in request["Entries"] if self._refused in entry["MessageBody"]]
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in failed]}


def queues(client: Client) -> SQSQueues:
    return SQSQueues(client, {queue: f"https://sqs/{queue}" for queue in Queue})  # type: ignore[arg-type]


@given(BATCHES)
def test_requests_are_within_the_limits_of_sqs_and_none_could_take_the_next_one_too(batches: list[IndexBatch]) -> None:
    client = Client()
    queues(client).send_batches(batches)
    bodies = [[entry["MessageBody"] for entry in entries] for entries in client.requests]
    assert [IndexBatch.from_json(body) for of_request in bodies for body in of_request] == batches
    sizes = [sum(len(body.encode()) for body in of_request) for of_request in bodies]
    assert all(size <= MAX_BYTES_PER_REQUEST for size in sizes)
    assert all(len(of_request) <= MAX_MESSAGES_PER_REQUEST for of_request in bodies)
    for of_request, size, after in zip(bodies, sizes, bodies[1:], strict=False):
        is_full = len(of_request) == MAX_MESSAGES_PER_REQUEST
        assert is_full or size + len(after[0].encode()) > MAX_BYTES_PER_REQUEST


@given(BATCHES.filter(bool))
def test_the_entries_of_a_request_have_ids_of_their_own_and_the_account_as_their_group(
    batches: list[IndexBatch],
) -> None:
    client = Client()
    queues(client).send_changes(batches)
    for entries in client.requests:
        assert len(entries) == 1 or len({entry["Id"] for entry in entries}) == len(entries)
        assert {entry["MessageGroupId"] for entry in entries} == {COLLECTION.account}


def test_a_batch_that_sqs_does_not_take_is_an_error_that_says_how_many() -> None:
    batches = [a_batch(COLLECTION, f"{number}.jpg") for number in range(3)]
    with pytest.raises(Unavailable, match="1 of 3 messages: InternalError"):
        queues(Client(refused="2.jpg")).send_batches(batches)
