"""Which requests to the emulator store something, and which may change its settings."""

import pytest

from infra.emulator_durability import release
from infra.emulator_requests import changes_settings, described, writes

CREDENTIAL = "AKIA/20260301/us-east-1/{service}/aws4_request"


def request(service: str, action: str = "", *, method: str = "POST", path: str = "/", presigned: bool = False):
    """A request as the emulator's server describes it, signed in a header or in its URL."""
    credential = CREDENTIAL.format(service=service)
    headers = [(b"x-amz-target", f"Service_1.{action}".encode())] if action else []
    query = ""
    if presigned:
        query = f"X-Amz-Credential={credential.replace('/', '%2F')}"
    else:
        headers.append((b"authorization", f"AWS4-HMAC-SHA256 Credential={credential}, Signature=0".encode()))
    return described({"method": method, "path": path, "query_string": query.encode(), "headers": headers})


@pytest.mark.parametrize(
    "stored",
    [
        request("dynamodb", "PutItem"),
        request("dynamodb", "BatchWriteItem"),
        request("dynamodb", "TransactWriteItems"),
        request("sqs", "SendMessage"),
        request("s3", method="PUT", path="/bucket/photos/owl.jpg"),
        request("s3", method="PUT", path="/bucket/photos/owl.jpg", presigned=True),
    ],
)
def test_a_request_that_stores_something_writes_and_changes_no_settings(stored):
    assert writes(stored)
    assert not changes_settings(stored)


@pytest.mark.parametrize(
    "read",
    [
        request("dynamodb", "GetItem"),
        request("dynamodb", "Query"),
        request("dynamodb", "TransactGetItems"),
        request("dynamodb", "DeleteItem"),
        request("dynamodb", "UpdateItem"),
        request("sqs", "ReceiveMessage"),
        request("sqs", "DeleteMessage"),
        request("sqs", "ChangeMessageVisibility"),
        request("sqs", "GetQueueAttributes"),
        request("s3", method="GET", path="/bucket/photos/owl.jpg"),
        request("s3", method="DELETE", path="/bucket/photos/owl.jpg"),
        request("lambda", path="/2015-03-31/functions/embedder/invocations"),
        request("sts"),
        request("logs", "PutLogEvents"),
    ],
)
def test_reads_deletions_and_invocations_are_possible_on_a_full_disk_and_change_no_settings(read):
    assert not writes(read)
    assert not changes_settings(read)


@pytest.mark.parametrize(
    "setting",
    [
        request("dynamodb", "CreateTable"),
        request("dynamodb", "UpdateTimeToLive"),
        request("sqs", "CreateQueue"),
        request("sqs", "SetQueueAttributes"),
        request("s3", method="PUT", path="/bucket"),
        request("iam"),
        request("cloudformation"),
        request("lambda", path="/2015-03-31/functions"),
    ],
)
def test_a_request_that_may_change_settings_has_them_saved(setting):
    assert changes_settings(setting)


def test_a_call_of_the_api_and_an_uploaded_form_are_told_apart():
    call = described({"method": "POST", "path": "/_aws/execute-api/similarix/live/api/search/", "headers": []})
    form = described(
        {"method": "POST", "path": "/bucket", "headers": [(b"content-type", b"multipart/form-data; boundary=x")]}
    )

    assert (writes(call), changes_settings(call)) == (False, False)
    assert (writes(form), changes_settings(form)) == (True, False)


def test_every_message_counts_as_received_and_only_received_ones_become_visible():
    received = {"receive_count": 1, "visible_at": 2000.0}
    delayed = {"receive_count": 0, "visible_at": 2000.0}
    waiting = {"receive_count": 2, "visible_at": 500.0}
    release([received, delayed, waiting], now=1000.0)

    assert [each["visible_at"] for each in (received, delayed, waiting)] == [1000.0, 2000.0, 500.0]
    assert [each["receive_count"] for each in (received, delayed, waiting)] == [1, 1, 2]
