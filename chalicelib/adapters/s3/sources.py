"""Collections' buckets on S3: a customer's through the role they created, the managed one with our own permission."""

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.s3.bucket_source import BucketSource, unavailable
from chalicelib.domain.bucket_access import POLICY_VERSION, session_policy_text
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.errors import SourceDenied

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_sts.client import STSClient

    from chalicelib.adapters.s3.server_sources import ServerSources


SESSION_SECONDS = 3600
MAX_SESSIONS = 64  # each with an S3 client, which takes about 0.4 MB
SESSION_RENEWAL_MARGIN = timedelta(minutes=20)  # a presigned URL expires with the credentials that signed it
# A session that was assumed because the one before was refused is not replaced sooner: what is refused now is denied.
REFUSAL_INTERVAL = timedelta(seconds=10)
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
                    raise unavailable("The role's trust policy cannot be checked now.", error) from error
            except BotoCoreError as error:
                raise unavailable("The role's trust policy cannot be checked now.", error) from error
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
            raise unavailable(f"The role {collection.role_arn} cannot be assumed.", error) from error
        credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
        return Session(self.make_client(collection.region, credentials), session["Expiration"])


def _session_key(collection: Collection) -> str:
    return f"{collection.uuid} {collection.role_arn}"  # the role of a collection may change
