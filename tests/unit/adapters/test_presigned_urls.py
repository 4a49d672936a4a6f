"""Where presigned URLs and forms lead on AWS: to the bucket's region, which they are signed for."""

from functools import partial

import boto3
import pytest

from chalicelib.adapters.factory import S3_CLIENT, AWSAdapters
from chalicelib.adapters.s3.storage import S3Storage
from chalicelib.domain.collections import CollectionType
from chalicelib.domain.uploads import ManagedArea
from tests.factories import a_collection
from tests.fakes.application import CONFIG

AREA = ManagedArea("a", "c")
KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}  # signing sends no request


@pytest.fixture
def storage() -> S3Storage:
    client = boto3.client("s3", region_name="eu-central-1", endpoint_url=None, config=S3_CLIENT, **KEYS)
    return S3Storage(client, "managed", "thumbnails.of.ours")


def test_a_presigned_form_is_sent_to_the_address_of_the_region(storage: S3Storage) -> None:
    form = storage.presigned_form(AREA, "uploads/a/c/u", size=5, content_type="image/png", seconds=600)
    assert form.url == "https://managed.s3.eu-central-1.amazonaws.com/"
    assert (form.fields["key"], form.fields["Content-Type"]) == ("uploads/a/c/u", "image/png")


def test_a_presigned_url_leads_to_the_address_of_the_region(storage: S3Storage) -> None:
    url = storage.presigned_get(AREA, "objects/a/c/ü 1.jpg", seconds=900)
    assert url.startswith("https://managed.s3.eu-central-1.amazonaws.com/objects/a/c/%C3%BC%201.jpg?")


def test_a_bucket_name_with_dots_is_in_the_path_because_certificates_do_not_cover_it(storage: S3Storage) -> None:
    url = storage.thumbnail_upload_url("c", "f", seconds=900)
    assert url.startswith("https://s3.eu-central-1.amazonaws.com/thumbnails.of.ours/c/f.jpg?")


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566/my.photos/a.jpg?"),
        ("http://localhost:4566", "http://localhost:4566/my.photos/a.jpg?"),
        (None, "https://s3.eu-west-1.amazonaws.com/my.photos/a.jpg?"),
    ],
)
def test_a_bucket_name_with_dots_is_no_part_of_a_hosts_name_on_a_local_system_either(
    endpoint: str | None, url: str
) -> None:
    client = partial(boto3.client, region_name="eu-west-1", endpoint_url=endpoint, **KEYS)
    collection = a_collection(type=CollectionType.MANAGED, bucket="my.photos", prefix="")
    assert AWSAdapters(CONFIG, client).sources.of(collection).presigned_get("a.jpg", seconds=60).startswith(url)
