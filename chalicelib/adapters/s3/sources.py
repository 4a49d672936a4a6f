"""Collections' buckets: customers' through the role they made for us, the managed one with our own permission."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.bucket_access import session_policy
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import SourceDenied, SourceUnavailable
from chalicelib.domain.files import ObjectInfo

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_sts.client import STSClient

HEADS_AT_ONCE = 8  # under urllib3's ten connections a client
RENEW_BEFORE = timedelta(minutes=20)  # a presigned URL dies with the credentials that signed it
_REFUSED = {"403": "access_denied", "AccessDenied": "access_denied", "400": "source_refused"}
# What only the bucket's owner can mend; everything else may pass.
_DENIED = ("403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "NoSuchBucket", "InvalidClientTokenId")
_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


@dataclass(frozen=True, slots=True)
class Credentials:
    key: str
    secret: str
    token: str


@dataclass(slots=True)
class S3Sources:
    """Answers the bucket behind a collection; sessions of customers' roles are kept until shortly before they expire.

    Args:
        make_client: builds an S3 client for a region, with the credentials given or with our own.
    """

    own: "S3Client"
    sts: "Callable[[], STSClient]"
    make_client: "Callable[[str, Credentials], S3Client]"
    _sessions: "dict[str, tuple[datetime, S3Client]]" = field(default_factory=dict)

    def of(self, collection: Collection) -> "BucketSource":
        if collection.type is CollectionType.MANAGED:
            return BucketSource(self.own, collection.bucket, collection.prefix, None)
        # A collection may be given another role.
        session = f"{collection.uuid} {collection.role_arn}"
        expires, client = self._sessions.get(session, (datetime.min.replace(tzinfo=UTC), None))
        if client is None or expires - RENEW_BEFORE < datetime.now(UTC):
            expires, client = self._assume(collection)
            self._sessions[session] = (expires, client)
        return BucketSource(client, collection.bucket, collection.prefix, collection.bucket_owner)

    def _assume(self, collection: Collection) -> "tuple[datetime, S3Client]":
        assert collection.role_arn is not None and collection.external_id is not None
        try:
            answer = self.sts().assume_role(
                RoleArn=collection.role_arn,
                RoleSessionName=f"similarix-{collection.uuid}",
                ExternalId=collection.external_id,
                Policy=_session_policy(collection),
                DurationSeconds=3600,
            )["Credentials"]
        except (ClientError, BotoCoreError) as error:
            raise _refusal(error)(f"The role {collection.role_arn} cannot be assumed: {error}") from error
        credentials = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        return answer["Expiration"], self.make_client(collection.region, credentials)


@dataclass(frozen=True, slots=True)
class BucketSource:
    client: "S3Client"
    bucket: str
    prefix: str
    owner: str | None

    def list_objects(self, after: str | None) -> Iterator[ObjectInfo]:
        start: Any = {"StartAfter": after} if after is not None else {}
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix, **start, **self._owner()
        )
        try:
            for page in pages:
                for entry in page.get("Contents", []):
                    yield ObjectInfo(entry["Key"], entry["ETag"].strip('"'), entry["Size"])
        except (ClientError, BotoCoreError) as error:
            raise _refusal(error)(f"The bucket {self.bucket} cannot be listed: {error}") from error

    def head_objects(self, keys: Sequence[str]) -> Mapping[str, ObjectInfo | ReadFailure | None]:
        with ThreadPoolExecutor(HEADS_AT_ONCE) as pool:
            return dict(zip(keys, pool.map(self._head, keys), strict=True))

    def url(self, key: str, *, seconds: int, file_name: str | None = None) -> str:
        parameters = {"Bucket": self.bucket, "Key": key}
        if file_name is not None:
            parameters["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"
        return self.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)

    def _head(self, key: str) -> ObjectInfo | ReadFailure | None:
        try:
            head = self.client.head_object(Bucket=self.bucket, Key=key, **self._owner())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("404", "NoSuchKey", "NotFound"):
                return None
            if code in _REFUSED:
                return ReadFailure(_REFUSED[code], f"S3 does not let us read the object ({code}).", transient=False)
            return _unanswered(self.bucket, error)
        except BotoCoreError as error:
            return _unanswered(self.bucket, error)
        # Of Intelligent-Tiering, the status tells what the class does not; ongoing-request="false" says that an object
        # has been restored for a while: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        archived = head.get("StorageClass") in _ARCHIVED or "ArchiveStatus" in head
        if archived and 'ongoing-request="false"' not in head.get("Restore", ""):
            return ReadFailure("archived", "The object is in an archive. Restore it, then sync.", transient=False)
        return ObjectInfo(key, head["ETag"].strip('"'), head["ContentLength"])

    def _owner(self) -> Any:
        """Guards against a bucket that was deleted and made again by somebody else."""
        return {"ExpectedBucketOwner": self.owner} if self.owner else {}


def _refusal(error: Exception) -> type[SourceUnavailable]:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return SourceDenied if code in _DENIED else SourceUnavailable


def _unanswered(bucket: str, error: Exception) -> ReadFailure:
    return ReadFailure("source_unavailable", f"The bucket {bucket} did not answer: {error}", transient=True)


def _session_policy(collection: Collection) -> str:
    partition = (collection.role_arn or "arn:aws").split(":")[1]
    policy = session_policy(collection.bucket, collection.prefix, partition)
    return json.dumps(policy, separators=(",", ":"))
