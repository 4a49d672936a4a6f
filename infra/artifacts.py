"""The bucket from which CloudFormation reads what it deploys; its keys are named by content."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


class Artifacts:
    """Uploads each content once."""

    def __init__(self, s3: "S3Client", account: str, region: str) -> None:
        self._s3 = s3
        self._region = region
        self._owner = account
        self.bucket = f"similarix-artifacts-{account}-{region}"

    def prepare(self) -> None:
        """Create the bucket unless it exists.

        Raises:
            ClientError: it cannot be created, or another account has a bucket of this name.
        """
        try:
            self._s3.head_bucket(Bucket=self.bucket, ExpectedBucketOwner=self._owner)
        except ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
        else:
            return
        # us-east-1 is the one region that may not be named.
        location: Any = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        self._s3.create_bucket(Bucket=self.bucket, **({} if self._region == "us-east-1" else location))
        self._s3.put_public_access_block(
            Bucket=self.bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        )

    def add_archive(self, path: Path) -> str:
        """Upload an archive of code; returns its ``s3://`` URI, the same for the same files."""
        key = f"code/{_digest_of_archive(path)}.zip"
        if not self._exists(key):
            self._s3.upload_file(str(path), self.bucket, key)
        return f"s3://{self.bucket}/{key}"

    def add_template(self, body: str) -> str:
        """Upload a template, which may be larger than CloudFormation accepts in a request; returns its URL."""
        key = f"templates/{hashlib.sha256(body.encode()).hexdigest()}.json"
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=body.encode(), ContentType="application/json")
        return f"{self._s3.meta.endpoint_url}/{self.bucket}/{key}"

    def _exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return False
            raise
        return True


def _digest_of_archive(path: Path) -> str:
    """Of the files in it, not of the archive: their order and compression differ from build to build."""
    with ZipFile(path) as archive:
        files = sorted(
            (entry.filename, hashlib.sha256(archive.read(entry)).hexdigest()) for entry in archive.infolist()
        )
    return hashlib.sha256(repr(files).encode()).hexdigest()
