"""How S3's responses are read: as the object's failure, a transient one, or one that the owner must resolve."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.adapters.s3.storage import S3Storage
from chalicelib.domain.collections import CollectionType
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import SourceDenied, SourceUnavailable, Unavailable
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.uploads import ManagedArea
from chalicelib.services.ports import Source
from tests.factories import NOW, a_collection

HEAD: dict[str, Any] = {"ETag": '"e1"', "ContentLength": 7}


@pytest.fixture
def s3() -> Iterator[Stubber]:
    """A client whose responses the test sets."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with Stubber(boto3.client("s3", region_name="eu-central-1", config=S3_CLIENT, **keys)) as stubber:
        yield stubber


@pytest.fixture
def source(s3: Stubber) -> Source:
    managed = a_collection(type=CollectionType.MANAGED, role_arn=None, external_id=None)
    return S3Sources(s3.client, lambda: pytest.fail("no role is assumed"), lambda *_: s3.client).of(managed)


@pytest.mark.parametrize(
    ("code", "status", "reason", "transient"),
    [
        ("403", 403, "access_denied", False),
        ("400", 400, "source_refused", False),  # a disabled KMS key; a HEAD has no body that says so
        ("503", 503, "source_unavailable", True),
        ("SlowDown", 503, "source_unavailable", True),
        ("500", 500, "source_unavailable", True),
        ("429", 429, "source_unavailable", True),
    ],
)
def test_a_refused_head_is_a_failure_that_says_whether_it_is_transient(
    s3: Stubber, source: Source, code: str, status: int, reason: str, transient: bool
) -> None:
    s3.add_client_error("head_object", code, http_status_code=status)
    failure = source.head_objects(["pictures/a.jpg"])["pictures/a.jpg"]
    assert isinstance(failure, ReadFailure)
    assert (failure.code, failure.transient, bool(failure.message)) == (reason, transient, True)


def test_a_head_of_an_object_that_does_not_exist_is_none(s3: Stubber, source: Source) -> None:
    s3.add_client_error("head_object", "404", http_status_code=404)
    assert source.head_objects(["pictures/a.jpg"]) == {"pictures/a.jpg": None}


@pytest.mark.parametrize(
    ("storage", "readable"),
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
def test_an_archived_object_can_be_read_only_after_it_is_restored(
    s3: Stubber, source: Source, storage: dict[str, str], readable: bool
) -> None:
    s3.add_response("head_object", HEAD | storage)
    head = source.head_objects(["pictures/a.jpg"])["pictures/a.jpg"]
    if readable:
        assert head == ObjectInfo("pictures/a.jpg", "e1", 7)
    else:
        assert isinstance(head, ReadFailure) and (head.code, head.transient) == ("archived", False)


def test_a_head_is_asked_once_for_identity_time_and_metadata(s3: Stubber, source: Source) -> None:
    words = {"product_id": "A1", "place": "=?UTF-8?Q?Z=C3=BCrich?=", "not.a.name": "x"}
    s3.add_response("head_object", HEAD | {"Metadata": words})
    head = source.head_objects(["pictures/a.jpg"])["pictures/a.jpg"]
    assert isinstance(head, ObjectInfo) and head.metadata == {"product_id": "A1", "place": "Zürich"}
    s3.assert_no_pending_responses()


def test_a_head_says_when_the_object_was_stored(s3: Stubber, source: Source) -> None:
    s3.add_response("head_object", HEAD | {"LastModified": NOW})
    head = source.head_objects(["pictures/a.jpg"])["pictures/a.jpg"]
    assert isinstance(head, ObjectInfo) and head.modified == NOW


@pytest.mark.parametrize(
    ("code", "status", "error_type"),
    [
        ("AccessDenied", 403, SourceDenied),
        ("AllAccessDisabled", 403, SourceDenied),
        ("NoSuchBucket", 404, SourceDenied),
        ("SlowDown", 503, SourceUnavailable),
        ("InternalError", 500, SourceUnavailable),
        ("RequestTimeout", 400, SourceUnavailable),
    ],
)
def test_the_error_of_a_refused_listing_says_whether_the_owner_must_act(
    s3: Stubber, source: Source, code: str, status: int, error_type: type[SourceUnavailable]
) -> None:
    s3.add_client_error("list_objects_v2", code, http_status_code=status)
    with pytest.raises(SourceUnavailable) as raised:
        list(source.list_objects(None))
    assert type(raised.value) is error_type


def test_a_listing_whose_second_page_is_refused_raises_instead_of_ending(s3: Stubber, source: Source) -> None:
    first = {
        "Contents": [{"Key": "pictures/a.jpg", "ETag": '"e1"', "Size": 7, "LastModified": NOW}],
        "IsTruncated": True,
    }
    s3.add_response("list_objects_v2", {**first, "NextContinuationToken": "more"})
    s3.add_client_error("list_objects_v2", "SlowDown", http_status_code=503)
    objects = source.list_objects(None)
    assert next(objects).key == "pictures/a.jpg"
    with pytest.raises(SourceUnavailable):
        next(objects)


def test_storage_that_takes_no_files_now_is_unavailable(s3: Stubber) -> None:
    area = ManagedArea("account", "collection")
    s3.add_client_error("put_object", "SlowDown", http_status_code=503)
    with pytest.raises(Unavailable, match="takes no files at the moment"):
        S3Storage(s3.client, "managed", "thumbnails").put(area, area.prefixes[0] + "owl.jpg", b"an owl", "image/jpeg")
