"""The bucket of artifacts, on an S3 in memory."""

from types import SimpleNamespace
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
from botocore.exceptions import ClientError

from infra.artifacts import Artifacts
from tests.fakes.modelled import ModelledClient


class FakeS3:
    """Buckets and keys, in memory."""

    meta = SimpleNamespace(endpoint_url="https://s3.example.com")

    def __init__(self, region="eu-central-1", status="404"):
        self.buckets: dict[str, dict] = {}
        self.objects: dict[tuple[str, str], bytes] = {}
        self.uploads = 0
        self._status = status

    def head_bucket(self, Bucket, ExpectedBucketOwner):  # noqa: N803
        if Bucket not in self.buckets:
            raise ClientError({"Error": {"Code": self._status, "Message": ""}}, "HeadBucket")

    def create_bucket(self, Bucket, **options):  # noqa: N803
        self.buckets[Bucket] = options

    def put_public_access_block(self, Bucket, PublicAccessBlockConfiguration):  # noqa: N803
        self.buckets[Bucket]["private"] = all(PublicAccessBlockConfiguration.values())

    def head_object(self, Bucket, Key):  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "404", "Message": ""}}, "HeadObject")

    def upload_file(self, path, bucket, key):
        self.uploads += 1
        self.objects[bucket, key] = b""

    def put_object(self, Bucket, Key, Body, ContentType):  # noqa: N803
        self.objects[Bucket, Key] = Body


def artifacts_on(s3, region="us-east-1"):
    """Of an account, on a client that takes what S3's own description allows."""
    return Artifacts(ModelledClient("s3", s3), "123456789012", region)


def archive(path, names, compression):
    with ZipFile(path, "w", compression) as zipped:
        for name in names:
            zipped.writestr(name, name * 100)
    return path


@pytest.mark.parametrize(
    ("region", "location"),
    [
        ("us-east-1", {}),
        ("eu-central-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}),
    ],
)
def test_the_bucket_of_artifacts_is_created_once_and_is_private(region, location):
    s3 = FakeS3()
    for _ in range(2):
        artifacts_on(s3, region).prepare()

    assert s3.buckets == {f"similarix-artifacts-123456789012-{region}": location | {"private": True}}


def test_the_bucket_of_another_account_is_not_used():
    with pytest.raises(ClientError, match="403"):
        artifacts_on(FakeS3(status="403")).prepare()


def test_archives_of_the_same_files_are_uploaded_once_whatever_their_order_and_compression(tmp_path):
    s3 = FakeS3()
    artifacts = artifacts_on(s3)
    first = artifacts.add_archive(archive(tmp_path / "1.zip", ["a.py", "b.py"], ZIP_DEFLATED))
    second = artifacts.add_archive(archive(tmp_path / "2.zip", ["b.py", "a.py"], ZIP_STORED))
    third = artifacts.add_archive(archive(tmp_path / "3.zip", ["a.py", "c.py"], ZIP_STORED))

    assert first == second != third
    assert s3.uploads == 2


def test_the_url_of_a_template_names_its_bucket_and_key():
    s3 = FakeS3()
    url = artifacts_on(s3).add_template("{}")
    _, bucket, key = url.removeprefix("https://").split("/", 2)

    assert s3.objects[bucket, key] == b"{}"
