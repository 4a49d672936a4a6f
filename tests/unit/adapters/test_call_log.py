"""Calls to AWS are counted and timed by service, whether they succeed or not."""

from collections.abc import Callable
from itertools import count

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from chalicelib.adapters.call_log import CallLog


@pytest.fixture
def clock() -> Callable[[], float]:
    """Ten milliseconds later each time."""
    ticks = count()
    return lambda: next(ticks) / 100


def client(service: str, **options):
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client(service, region_name="eu-west-1", **keys, **options)


def test_calls_and_milliseconds_are_counted_by_service_until_they_are_taken(clock):
    calls = CallLog(clock)
    sqs, sts = calls.watch(client("sqs")), calls.watch(client("sts"))
    with Stubber(sqs) as sqs_stub, Stubber(sts) as sts_stub:
        for _ in range(2):
            sqs_stub.add_response("list_queues", {})
            sqs.list_queues()
        sts_stub.add_response("get_caller_identity", {})
        sts.get_caller_identity()

    assert calls.take() == {"sqs": {"count": 2, "milliseconds": 20.0}, "sts": {"count": 1, "milliseconds": 10.0}}
    assert calls.take() == {}


def test_a_call_that_aws_refuses_is_counted(clock):
    calls = CallLog(clock)
    sqs = calls.watch(client("sqs"))
    with Stubber(sqs) as stub:
        stub.add_client_error("list_queues", "AccessDenied")
        with pytest.raises(ClientError):
            sqs.list_queues()

    assert calls.take() == {"sqs": {"count": 1, "milliseconds": 10.0}}


def test_a_call_that_reaches_nobody_is_counted(clock):
    def reach_nobody(**_):
        raise EndpointConnectionError(endpoint_url="https://sts")

    calls = CallLog(clock)
    sts = calls.watch(client("sts", config=Config(retries={"total_max_attempts": 1})))
    sts.meta.events.register("before-send.sts", reach_nobody)
    with pytest.raises(EndpointConnectionError):
        sts.get_caller_identity()

    assert calls.take() == {"sts": {"count": 1, "milliseconds": 10.0}}


def test_a_presigned_url_is_no_call(clock):
    calls = CallLog(clock)
    s3 = calls.watch(client("s3"))

    s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})

    assert calls.take() == {}
