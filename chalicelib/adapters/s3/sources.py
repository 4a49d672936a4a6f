"""Collections' buckets on S3: a customer's through the role they created, the managed one with our own permission."""

import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.parallel import call_each
from chalicelib.domain.bucket_access import POLICY_VERSION, session_policy_text
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.embeddings import SOURCE_UNAVAILABLE, ReadFailure
from chalicelib.domain.errors import OutsideFolder, SourceDenied, SourceUnavailable
from chalicelib.domain.files import ARCHIVE_CLASSES, ObjectInfo
from chalicelib.domain.metadata import object_metadata

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_sts.client import STSClient

    from chalicelib.adapters.s3.server_sources import ServerSources

logger = logging.getLogger("similarix.s3")  # its lines go to the log of the function

SESSION_SECONDS = 3600
MAX_SESSIONS = 64  # each with an S3 client, which takes about 0.4 MB
SESSION_RENEWAL_MARGIN = timedelta(minutes=20)  # a presigned URL expires with the credentials that signed it
# A session that was assumed because the one before was refused is not replaced sooner: what is refused now is denied.
REFUSAL_INTERVAL = timedelta(seconds=10)
_HEAD_REFUSALS = {"403": "access_denied", "AccessDenied": "access_denied", "400": "source_refused"}
# Only the bucket's owner can resolve these; any other error may be transient.
_DENIED_CODES = ("403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "NoSuchBucket", "InvalidClientTokenId")
# A listing may be refused so because of the session: it is revoked, orphaned by a role that was made anew, or expired.
_SESSION_CODES = ("403", "AccessDenied", "ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired")
# What a session may do that is only a trial.
_NOTHING = json.dumps({"Version": POLICY_VERSION, "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
TRIAL_SECONDS = 900  # the shortest session that STS offers


@dataclass(frozen=True, slots=True)
class Credentials:
    key: str
    secret: str
    token: str


@dataclass(slots=True)
class Session:
    """A customer's role that we have assumed; ``refused_at`` is when S3 refused the session that it replaced."""

    client: "S3Client"
    expires_at: datetime
    refused_at: datetime | None = None


@dataclass(slots=True)
class S3Sources:
    """Returns the bucket behind a collection, and keeps the sessions of customers' roles that were used last.

    A session is renewed shortly before it expires, and as soon as S3 refuses it: the owner may have revoked it, or made
    the role anew (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html).

    Args:
        own_client: the S3 client with our own credentials.
        make_sts_client: builds the client that assumes roles.
        make_client: builds an S3 client for a region with the credentials of a session.
        servers: the buckets that are not on AWS, made when the first one is read.
    """

    own_client: "S3Client"
    make_sts_client: "Callable[[], STSClient]"
    make_client: "Callable[[str, Credentials], S3Client]"
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    servers: "Callable[[], ServerSources] | None" = None
    _sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict)  # latest used last

    def of(self, collection: Collection) -> "BucketSource":
        if collection.type is CollectionType.MANAGED:
            return BucketSource(self.own_client, collection.bucket, collection.prefix, None)
        if collection.server is not None:
            assert self.servers is not None
            return self.servers().of(collection)
        key = _session_key(collection)
        session = self._sessions.get(key)
        if session is None or session.expires_at - SESSION_RENEWAL_MARGIN < self.now():
            session = self._sessions[key] = self._assume_role(collection)
        self._sessions.move_to_end(key)
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return BucketSource(
            session.client,
            collection.bucket,
            collection.prefix,
            collection.bucket_owner,
            partial(self._replace_refused, collection),
        )

    @contextmanager
    def once(self, collection: Collection) -> "Iterator[BucketSource]":
        """The bucket of a collection that is only checked: its session is not kept, and its connections are closed."""
        if collection.type is CollectionType.MANAGED:
            yield self.of(collection)
            return
        client = self._assume_role(collection).client
        try:
            yield BucketSource(client, collection.bucket, collection.prefix, collection.bucket_owner)
        finally:
            client.close()

    def demands_external_id(self, collection: Collection) -> bool:
        """Whether the collection's role refuses sessions without the external id and with one that nobody has.

        A role that does not would let each customer of ours read the bucket of another:
        https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html

        Raises:
            SourceUnavailable: STS cannot tell now.
        """
        assert collection.role_arn is not None
        sts = self.make_sts_client()
        trials: tuple[Any, ...] = ({}, {"ExternalId": secrets.token_urlsafe(24)})
        for external_id in trials:
            try:
                sts.assume_role(
                    RoleArn=collection.role_arn,
                    RoleSessionName=f"similarix-trial-{collection.uuid}",
                    Policy=_NOTHING,
                    DurationSeconds=TRIAL_SECONDS,
                    **external_id,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "AccessDenied":
                    raise _unavailable("The role's trust policy cannot be checked now.", error) from error
            except BotoCoreError as error:
                raise _unavailable("The role's trust policy cannot be checked now.", error) from error
            else:
                return False
        return True

    def _replace_refused(self, collection: Collection, refused: "S3Client") -> "S3Client | None":
        """The client of another session than the refused one, which is dropped; None if another would not help.

        Raises:
            SourceUnavailable: STS cannot tell now.
        """
        key, now = _session_key(collection), self.now()
        session = self._sessions.get(key)
        if session is not None and session.client is not refused:
            return session.client
        if session is not None and session.refused_at is not None and session.refused_at + REFUSAL_INTERVAL > now:
            return None
        try:
            assumed = self._assume_role(collection)
        except SourceDenied:  # the role is gone too, or trusts us no more: its objects are denied
            if session is not None:
                session.refused_at = now
            return None
        assumed.refused_at = now
        self._sessions[key] = assumed
        return assumed.client

    def _assume_role(self, collection: Collection) -> Session:
        assert collection.role_arn is not None and collection.external_id is not None
        try:
            session = self.make_sts_client().assume_role(
                RoleArn=collection.role_arn,
                RoleSessionName=f"similarix-{collection.uuid}",
                ExternalId=collection.external_id,
                Policy=session_policy_text(collection),
                DurationSeconds=SESSION_SECONDS,
            )["Credentials"]
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(f"The role {collection.role_arn} cannot be assumed.", error) from error
        credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
        return Session(self.make_client(collection.region, credentials), session["Expiration"])


def _session_key(collection: Collection) -> str:
    return f"{collection.uuid} {collection.role_arn}"  # the role of a collection may change


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
                    raise _unavailable(_why_not_listed(self.bucket, error), error) from error
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


def _unavailable(sentence: str, error: Exception) -> SourceUnavailable:
    """The error for a caller; what AWS said is for the log alone, because it may name roles and policies of ours."""
    logger.warning(sentence, extra={"aws_error": str(error)})
    return _error_type(error)(sentence)


def _transient_failure(bucket: str, error: Exception) -> ReadFailure:
    sentence = f"The bucket {bucket} could not be reached."
    logger.warning(sentence, extra={"aws_error": str(error)})
    return ReadFailure("source_unavailable", sentence, transient=True)
