"""What S3's answers mean: the object's own failure, something that passes, or something that its owner must mend."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.domain.collections import CollectionType
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import SourceDenied, SourceUnavailable
from chalicelib.domain.files import ObjectInfo
from chalicelib.services.ports import Source
from tests.factories import a_collection

HEAD: dict[str, Any] = {"ETag": '"e1"', "ContentLength": 7}


@pytest.fixture
def s3() -> Iterator[Stubber]:
    """A client whose answers the test gives."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with Stubber(boto3.client("s3", region_name="eu-central-1", config=S3_CLIENT, **keys)) as stubber:
        yield stubber


@pytest.fixture
def source(s3: Stubber) -> Source:
    managed = a_collection(type=CollectionType.MANAGED, role_arn=None, external_id=None)
    return S3Sources(s3.client, lambda: pytest.fail("no role is asked for"), lambda *_: s3.client).of(managed)


@pytest.mark.parametrize(
    ("code", "status", "reason", "transient"),
    [
        ("403", 403, "access_denied", False),
        (
            "400",
            400,
            "source_refused",
            False,
        ),  # how S3 tells of a key that is disabled; a HEAD has no body that says so
        ("503", 503, "source_unavailable", True),
        ("SlowDown", 503, "source_unavailable", True),
        ("500", 500, "source_unavailable", True),
        ("429", 429, "source_unavailable", True),
    ],
)
def test_a_look_that_is_refused(
    s3: Stubber, source: Source, code: str, status: int, reason: str, transient: bool
) -> None:
    s3.add_client_error("head_object", code, http_status_code=status)
    seen = source.head_objects(["a.jpg"])["a.jpg"]
    assert isinstance(seen, ReadFailure)
    assert (seen.code, seen.transient, bool(seen.message)) == (reason, transient, True)


def test_an_object_that_is_not_there(s3: Stubber, source: Source) -> None:
    s3.add_client_error("head_object", "404", http_status_code=404)
    assert source.head_objects(["a.jpg"]) == {"a.jpg": None}


@pytest.mark.parametrize(
    ("kept", "readable"),
    [
        ({}, True),
        ({"StorageClass": "GLACIER_IR"}, True),
        ({"StorageClass": "STANDARD_IA"}, True),
        ({"StorageClass": "INTELLIGENT_TIERING"}, True),
        ({"StorageClass": "GLACIER"}, False),
        ({"StorageClass": "DEEP_ARCHIVE"}, False),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}, False),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'}, False),
        (
            {
                "StorageClass": "GLACIER",
                "Restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2026 00:00:00 GMT"',
            },
            True,
        ),
    ],
)
def test_an_object_in_an_archive_can_be_read_only_once_it_is_restored(
    s3: Stubber, source: Source, kept: dict[str, str], readable: bool
) -> None:
    s3.add_response("head_object", HEAD | kept)
    seen = source.head_objects(["a.jpg"])["a.jpg"]
    if readable:
        assert seen == ObjectInfo("a.jpg", "e1", 7)
    else:
        assert isinstance(seen, ReadFailure) and (seen.code, seen.transient) == ("archived", False)


@pytest.mark.parametrize(
    ("code", "status", "refusal"),
    [
        ("AccessDenied", 403, SourceDenied),
        ("AllAccessDisabled", 403, SourceDenied),
        ("NoSuchBucket", 404, SourceDenied),
        ("SlowDown", 503, SourceUnavailable),
        ("InternalError", 500, SourceUnavailable),
        ("RequestTimeout", 400, SourceUnavailable),
    ],
)
def test_a_listing_that_is_refused_says_whether_its_owner_must_act(
    s3: Stubber, source: Source, code: str, status: int, refusal: type[SourceUnavailable]
) -> None:
    s3.add_client_error("list_objects_v2", code, http_status_code=status)
    with pytest.raises(SourceUnavailable) as refused:
        list(source.list_objects(None))
    assert type(refused.value) is refusal


def test_a_listing_whose_second_page_is_refused_does_not_look_like_its_end(s3: Stubber, source: Source) -> None:
    first = {"Contents": [{"Key": "pictures/a.jpg", "ETag": '"e1"', "Size": 7}], "IsTruncated": True}
    s3.add_response("list_objects_v2", {**first, "NextContinuationToken": "more"})
    s3.add_client_error("list_objects_v2", "SlowDown", http_status_code=503)
    seen = source.list_objects(None)
    assert next(seen).key == "pictures/a.jpg"
    with pytest.raises(SourceUnavailable):
        next(seen)
