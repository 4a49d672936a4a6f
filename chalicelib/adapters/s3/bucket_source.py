"""The part of a bucket under a prefix, as one client of S3 reads it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.parallel import call_each
from chalicelib.domain.embeddings import SOURCE_UNAVAILABLE, ReadFailure
from chalicelib.domain.errors import OutsideFolder, SourceDenied, SourceUnavailable
from chalicelib.domain.files import ARCHIVE_CLASSES, ObjectInfo
from chalicelib.domain.metadata import object_metadata

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

logger = logging.getLogger("similarix.s3")  # its lines go to the log of the function

_HEAD_REFUSALS = {"403": "access_denied", "AccessDenied": "access_denied", "400": "source_refused"}
# Only the bucket's owner can resolve these; any other error may be transient.
_DENIED_CODES = ("403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "NoSuchBucket", "InvalidClientTokenId")
# A listing may be refused so because of the session: it is revoked, orphaned by a role that was made anew, or expired.
_SESSION_CODES = ("403", "AccessDenied", "ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired")


@dataclass(slots=True)
class BucketSource:
    """The part of a bucket under a prefix; ``owner`` is the AWS account that the bucket must belong to, if given.

    It refuses keys outside the prefix itself: with our own permission, S3 would tell of every managed collection.
    ``replace_refused`` returns another client for one that S3 has refused, or None; a refusal stands only after that.
    """

    client: "S3Client"
    bucket: str
    prefix: str
    owner: str | None
    replace_refused: "Callable[[S3Client], S3Client | None]" = lambda _: None

    def list_objects(self, after: str | None) -> Iterator[ObjectInfo]:
        last, replaced = after, False
        while True:
            try:
                for s3_object in self._list(last):
                    last = s3_object.key
                    yield s3_object
            except (ClientError, BotoCoreError) as error:
                if replaced or _code(error) not in _SESSION_CODES or not self._replace_client():
                    raise unavailable(_why_not_listed(self.bucket, error), error) from error
                replaced = True
            else:
                return

    def _list(self, after: str | None) -> Iterator[ObjectInfo]:
        start: Any = {"StartAfter": after} if after is not None else {}
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix, **start, **self._expected_owner()
        )
        for page in pages:
            for listed in page.get("Contents", []):
                # A HEAD has whole seconds; some stores list fractions.
                modified = listed["LastModified"].replace(microsecond=0)
                yield ObjectInfo(listed["Key"], listed["ETag"].strip('"'), listed["Size"], modified)

    def head_objects(self, keys: Sequence[str]) -> Mapping[str, ObjectInfo | ReadFailure | None]:
        for key in keys:
            self._check(key)
        heads = dict(zip(keys, call_each(self._head, keys), strict=True))
        refused = [key for key, head in heads.items() if _is_refusal(head)]
        try:
            if refused and self._replace_client():
                heads |= zip(refused, call_each(self._head, refused), strict=True)
        except SourceUnavailable as error:
            failure = ReadFailure(SOURCE_UNAVAILABLE, error.message, transient=True)
            heads |= dict.fromkeys(refused, failure)
        return heads

    def presigned_get(self, key: str, *, seconds: int, file_name: str | None = None, show_as: str | None = None) -> str:
        parameters = {"Bucket": self.bucket, "Key": self._check(key)}
        if file_name is not None:
            disposition = "attachment" if show_as is None else "inline"
            parameters["ResponseContentDisposition"] = f"{disposition}; filename*=UTF-8''{quote(file_name, safe='')}"
        if show_as is not None:
            parameters["ResponseContentType"] = show_as
        return self.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)

    def _check(self, key: str) -> str:
        """The key itself; raises OutsideFolder unless it is under the prefix."""
        if not key.startswith(self.prefix):
            raise OutsideFolder("There is no such file.")
        return key

    def _head(self, key: str) -> ObjectInfo | ReadFailure | None:
        try:
            head = self.client.head_object(Bucket=self.bucket, Key=key, **self._expected_owner())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("404", "NoSuchKey", "NotFound"):
                return None
            if code in _HEAD_REFUSALS:
                message = f"S3 refuses to let this service read the object ({code})."
                return ReadFailure(_HEAD_REFUSALS[code], message, transient=False)
            return _transient_failure(self.bucket, error)
        except BotoCoreError as error:
            return _transient_failure(self.bucket, error)
        # In Intelligent-Tiering only ArchiveStatus says that an object is archived. ongoing-request="false" says that
        # it is restored for a while: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        archived = head.get("StorageClass") in ARCHIVE_CLASSES or "ArchiveStatus" in head
        if archived and 'ongoing-request="false"' not in head.get("Restore", ""):
            return ReadFailure("archived", "The object is in an archive. Restore it, then sync.", transient=False)
        metadata = object_metadata(head.get("Metadata", {}))
        return ObjectInfo(key, head["ETag"].strip('"'), head["ContentLength"], head.get("LastModified"), metadata)

    def _replace_client(self) -> bool:
        """Replace the client that S3 has refused; returns False if no other one would help."""
        client = self.replace_refused(self.client)
        if client is None:
            return False
        self.client = client
        return True

    def _expected_owner(self) -> Any:
        """Guard against a bucket that was deleted and created again by another AWS account."""
        return {"ExpectedBucketOwner": self.owner} if self.owner else {}


def _code(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else ""


def _is_refusal(head: ObjectInfo | ReadFailure | None) -> bool:
    return isinstance(head, ReadFailure) and head.code in _HEAD_REFUSALS.values()


def _error_type(error: Exception) -> type[SourceUnavailable]:
    return SourceDenied if _code(error) in _DENIED_CODES else SourceUnavailable


def _why_not_listed(bucket: str, error: Exception) -> str:
    is_gone = _code(error) == "NoSuchBucket"
    return f"There is no bucket {bucket}." if is_gone else f"The bucket {bucket} cannot be listed."


def unavailable(sentence: str, error: Exception) -> SourceUnavailable:
    """The error for a caller; what AWS said is for the log alone, because it may name roles and policies of ours."""
    logger.warning(sentence, extra={"aws_error": str(error)})
    return _error_type(error)(sentence)


def _transient_failure(bucket: str, error: Exception) -> ReadFailure:
    sentence = f"The bucket {bucket} could not be reached."
    logger.warning(sentence, extra={"aws_error": str(error)})
    return ReadFailure("source_unavailable", sentence, transient=True)
