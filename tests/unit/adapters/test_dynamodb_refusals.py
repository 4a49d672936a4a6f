"""Calls that DynamoDB refuses for now, or does not answer, are unavailable: a 503, or a message that is retried."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chalicelib.adapters.dynamodb.refusals import CONFLICT_ATTEMPTS
from chalicelib.adapters.factory import AWSAdapters
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.messages import ReceivedMessage, SyncStep
from chalicelib.domain.uploads import UploadRef
from tests.factories import a_collection, a_record
from tests.fakes.application import CONFIG

URL = "https://dynamodb.eu-central-1.amazonaws.com"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
COLLECTION = a_collection()
REF = UploadRef(COLLECTION.account, COLLECTION.uuid, "an-upload")
STEP = SyncStep(COLLECTION.account, COLLECTION.uuid, "a-sync")
CALLS: dict[str, Callable[[AWSAdapters], object]] = {
    "get an item": lambda ports: ports.accounts.token("digest"),
    "get a collection": lambda ports: ports.collections.get(COLLECTION.account, COLLECTION.uuid),
    "query": lambda ports: list(ports.catalogue.entries(COLLECTION.uuid, None)),
    "query an index": lambda ports: ports.catalogue.find("a-uuid"),
    "read a batch": lambda ports: ports.catalogue.get_many(COLLECTION.uuid, ["a.jpg"]),
    "delete a batch": lambda ports: ports.catalogue.delete_page(COLLECTION.uuid),
    "delete an item": lambda ports: ports.catalogue.delete(a_record(COLLECTION, "a.jpg")),
    "update an item": lambda ports: ports.quota_ledger.lock(REF, "a.jpg", "owner", NOW, NOW),
    "update a secret": lambda ports: ports.registry.external_id(COLLECTION.account, "bucket", ""),
    "put an item": lambda ports: ports.failure_log.record(ReceivedMessage("m", "sync", "h", 1), "why", NOW),
    "read progress": lambda ports: ports.syncs.key_ranges(STEP.sync),
}


class DynamoDB:
    """Adapters on a DynamoDB that refuses the first so many requests, with a code or by an error of the connection."""

    def __init__(self, refusal: str | Exception, refused: int = 1_000) -> None:
        self.requests: list[str] = []
        self._refusal, self._refused = refusal, refused
        self.ports = AWSAdapters(CONFIG, self._client)

    def _client(self, service: str, **_: Any) -> Any:
        once = Config(retries={"mode": "standard", "total_max_attempts": 1})  # botocore's own pauses take seconds
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        client = boto3.client(service, region_name="eu-central-1", config=once, **keys)
        client.meta.events.register("before-send.dynamodb", self._answer)
        return client

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.requests.append(request.headers["X-Amz-Target"].decode().rpartition(".")[2])
        refused = len(self.requests) <= self._refused
        if refused and isinstance(self._refusal, Exception):
            raise self._refusal
        body = {"__type": f"com.amazonaws.dynamodb.v20120810#{self._refusal}", "message": "no"} if refused else {}
        response = AWSResponse(URL, 400 if refused else 200, {}, None)
        response._content = json.dumps(body).encode()  # it is read from the connection otherwise
        return response


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "refusal",
    [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "InternalServerError",
        ReadTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
    ],
    ids=str,
)
def test_a_call_that_is_refused_for_now_is_unavailable(
    call: Callable[[AWSAdapters], object], refusal: str | Exception
) -> None:
    with pytest.raises(Unavailable):
        call(DynamoDB(refusal).ports)


def test_a_single_write_that_meets_a_transaction_is_repeated() -> None:
    dynamodb = DynamoDB("TransactionConflictException", refused=3)
    dynamodb.ports.catalogue.delete(a_record(COLLECTION, "a.jpg"))
    assert dynamodb.requests == ["DeleteItem"] * 4


def test_a_single_write_that_meets_a_transaction_each_time_is_unavailable() -> None:
    dynamodb = DynamoDB("TransactionConflictException")
    with pytest.raises(Unavailable):
        dynamodb.ports.catalogue.delete(a_record(COLLECTION, "a.jpg"))
    assert dynamodb.requests == ["DeleteItem"] * CONFLICT_ATTEMPTS


def test_a_mistake_of_our_own_is_no_outage() -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        DynamoDB("ValidationException").ports.collections.get(COLLECTION.account, COLLECTION.uuid)
