"""The part of an access check that reads objects: as many of them as it takes to know whether the role may."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from chalicelib.adapters.parallel import call_each
from chalicelib.adapters.s3.bucket_source import BucketSource
from chalicelib.domain.bucket_access import (
    AccessFindings,
    AccessProblem,
    ReadTrial,
    empty_folder,
    existing_spelling,
    findings_of_trials,
)
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import SourceUnavailable
from chalicelib.domain.files import ARCHIVE_CLASSES

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

T = TypeVar("T")
FIRST_TRIALS = 8  # spread over the first page: one readable object among them is enough
MORE_TRIALS = 48  # of the first page, if none of the first could be read
MAX_FOLDERS = 16  # that are looked into if nothing on the first page could be read
OBJECTS_OF_A_FOLDER = 20
_DENIED_CODES = ("AccessDenied", "403", "AllAccessDisabled")
# S3's response to a read of an object under SSE-C without its key:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
_CUSTOMER_KEY_CODES = ("InvalidRequest", "InvalidArgument")
_GONE_CODES = ("NoSuchKey", "404")


@dataclass(frozen=True, slots=True)
class ObjectTrials:
    source: BucketSource
    collection: Collection

    def findings(self) -> AccessFindings:
        """List the folder and try some of its objects.

        The listing comes first: it tells which objects are in an archive and which have no bytes to read.

        Raises:
            SourceUnavailable: S3 cannot tell now.
            BotoCoreError: S3 cannot be reached.
        """
        try:
            page = self._list(self.source.prefix)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _DENIED_CODES:
                raise SourceUnavailable("S3 could not check the bucket.") from error
            return AccessFindings([self._list_denied()])
        objects = self._with_bytes(page)
        if not objects and not page.get("IsTruncated"):
            return AccessFindings([], [empty_folder(self.collection, self._existing_spelling())])
        candidates = [each for each in objects if not _is_archived(each)]
        trials = self._try(spread(candidates, FIRST_TRIALS))
        if ReadTrial.READABLE not in trials.values():
            trials |= self._try(spread([each for each in candidates if each["Key"] not in trials], MORE_TRIALS))
        if ReadTrial.READABLE not in trials.values() and page.get("IsTruncated"):
            trials |= self._try(self._objects_of_folders())
        trials |= {each["Key"]: ReadTrial.ARCHIVED for each in objects if _is_archived(each)}
        return findings_of_trials(self.collection, dict(sorted(trials.items()))) if trials else AccessFindings()

    def _objects_of_folders(self) -> "list[ObjectTypeDef]":
        """The first object that is not archived of some of the folders, which are spread over all."""
        found: list[ObjectTypeDef] = []
        for folder in spread(self._folders(self.source.prefix), MAX_FOLDERS):
            objects = self._with_bytes(self._list(folder, limit=OBJECTS_OF_A_FOLDER))
            found += [each for each in objects if not _is_archived(each)][:1]
        return found

    def _try(self, objects: "Sequence[ObjectTypeDef]") -> dict[str, ReadTrial]:
        trials = zip((each["Key"] for each in objects), call_each(self._read, objects), strict=True)
        return {key: trial for key, trial in trials if trial is not None}

    def _read(self, listed: "ObjectTypeDef") -> ReadTrial | None:
        """Read an object's first byte; None if the object is gone."""
        try:
            self.source.client.get_object(
                Bucket=self.source.bucket, Key=listed["Key"], Range="bytes=0-0", **self._owner
            )["Body"].close()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _GONE_CODES:
                return None
            if code == "InvalidObjectState":
                return ReadTrial.ARCHIVED
            if code in _CUSTOMER_KEY_CODES:
                return ReadTrial.CUSTOMER_KEY
            if code in _DENIED_CODES or code.startswith("KMS."):
                return ReadTrial.DENIED
            raise SourceUnavailable("S3 could not check the bucket.") from error
        return ReadTrial.READABLE

    def _existing_spelling(self) -> str | None:
        return existing_spelling(self.source.prefix, self._folders)

    def _folders(self, prefix: str) -> list[str]:
        """The prefixes of the folders in a folder, the first thousand."""
        page = self.source.client.list_objects_v2(
            Bucket=self.source.bucket, Prefix=prefix, Delimiter="/", **self._owner
        )
        return [each["Prefix"] for each in page.get("CommonPrefixes", [])]

    def _list(self, prefix: str, limit: int = 1000) -> "ListObjectsV2OutputTypeDef":
        return self.source.client.list_objects_v2(
            Bucket=self.source.bucket, Prefix=prefix, MaxKeys=limit, **self._owner
        )

    def _with_bytes(self, page: "ListObjectsV2OutputTypeDef") -> "list[ObjectTypeDef]":
        return [each for each in page.get("Contents", []) if each["Size"] and self.collection.holds(each["Key"])]

    def _list_denied(self) -> AccessProblem:
        return AccessProblem(
            "list_denied",
            f"The role may not list the bucket {self.source.bucket}: allow s3:ListBucket on it. The bucket must also "
            "belong to the same AWS account as the role.",
            "role_arn",
        )

    @property
    def _owner(self) -> Any:
        return {"ExpectedBucketOwner": self.source.owner} if self.source.owner else {}


def _is_archived(listed: "ObjectTypeDef") -> bool:
    return listed.get("StorageClass") in ARCHIVE_CLASSES


def spread(items: Sequence[T], count: int) -> list[T]:
    """So many of the items, evenly spaced, the first among them."""
    step = max(1, -(-len(items) // count))
    return list(items[::step])
