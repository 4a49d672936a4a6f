"""Buckets on S3-compatible servers, read with the access key of the collection.

Nothing that a server says is trusted beyond what can be checked: a listing that is not in the order of its keys, or not
of the folder, ends the sync before anything is taken for removed.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.s3.bucket_source import BucketSource
from chalicelib.adapters.s3.server_errors import NOT_FOUND_CODES, SERVER_ERRORS, code_of, outage, refusal
from chalicelib.domain.collections import KEY_LIMIT, Collection
from chalicelib.domain.embeddings import SOURCE_UNAVAILABLE, ReadFailure
from chalicelib.domain.errors import SourceDenied, SourceUnavailable
from chalicelib.domain.files import NO_ETAG, ObjectInfo
from chalicelib.domain.metadata import Metadata, object_metadata
from chalicelib.domain.storage_servers import AccessKey, ETagMeaning

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

PAGE_KEYS = 1000  # that S3 lists at once
MAX_CLIENTS = 64  # each takes about 0.4 MB
ETAG_LIMIT = 128  # characters; longer ones are hashed
SIZE_LIMIT = 2**53  # bytes
CHECK_SECONDS = 20.0  # of a check, for all its requests: API Gateway waits for 29
_REFUSALS = {"403": "access_denied", "AccessDenied": "access_denied", "401": "access_denied", "400": "source_refused"}
# Makes the client of a server, in a region, with a key; its requests end at the deadline, if there is one.
MakeClient = Callable[[str, str, AccessKey, float | None], "S3Client"]


@dataclass(slots=True)
class ServerSources:
    """Returns the bucket behind a collection, and keeps the clients that were used last.

    Args:
        open_secret: decrypts the secret of an account's collection.
    """

    open_secret: Callable[[str, str, bytes], str]
    make_client: MakeClient
    _clients: "OrderedDict[tuple[str, bytes], S3Client]" = field(default_factory=OrderedDict)  # latest used last

    def of(self, collection: Collection) -> "ServerSource":
        """Raises SourceUnavailable if the key cannot be decrypted now, SourceDenied if it never can be."""
        assert collection.server is not None
        key = (collection.uuid, collection.server.sealed_secret)  # another key of the collection is sealed otherwise
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self._client(collection, None)
        self._clients.move_to_end(key)
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        return ServerSource(client, collection.bucket, collection.prefix, None, collection=collection)

    @contextmanager
    def once(self, collection: Collection) -> "Iterator[ServerSource]":
        """The bucket of a collection that is only checked, within ``CHECK_SECONDS``; its client is not kept."""
        client = self._client(collection, time.monotonic() + CHECK_SECONDS)
        try:
            yield ServerSource(client, collection.bucket, collection.prefix, None, collection=collection)
        finally:
            client.close()

    def _client(self, collection: Collection, deadline: float | None) -> "S3Client":
        server = collection.server
        assert server is not None
        secret = self.open_secret(collection.account, collection.uuid, server.sealed_secret)
        return self.make_client(server.url, collection.region, AccessKey(server.access_key_id, secret), deadline)


@dataclass(slots=True, kw_only=True)
class ServerSource(BucketSource):
    collection: Collection

    def list_objects(self, after: str | None) -> Iterator[ObjectInfo]:
        last = after
        try:
            while True:
                start: Any = {"StartAfter": last} if last is not None else {}
                page = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=PAGE_KEYS, **start)
                listed = page.get("Contents", [])
                for entry in listed:
                    last = self._next_key(entry["Key"], last)
                    yield self._object(last, entry.get("ETag"), entry["Size"], entry.get("LastModified"))
                # No token is used to go on: one that a server loses would look like the end of the bucket.
                if not page["IsTruncated"] and len(listed) < PAGE_KEYS:
                    return
                if not listed:
                    raise self._denied("breaks its listing off, so it cannot be known what the bucket holds")
        except SERVER_ERRORS as error:
            problem = refusal(error, self.collection)
            if problem is not None:
                raise SourceDenied(problem.message) from error
            raise SourceUnavailable(outage(error, self.collection)) from error

    def _next_key(self, key: str, last: str | None) -> str:
        """The key that is listed after ``last``; raises SourceDenied if it cannot be."""
        if not key.startswith(self.prefix):
            raise self._denied("lists objects outside the folder that it is asked for")
        if len(key.encode()) > KEY_LIMIT:
            raise self._denied(f"lists an object whose key has more than {KEY_LIMIT:,} bytes")
        if last is not None and key <= last:
            raise self._denied("does not list objects in the order of their keys' UTF-8 bytes, as S3 does")
        return key

    def _denied(self, what: str) -> SourceDenied:
        assert self.collection.server is not None
        return SourceDenied(f"The server {self.collection.server.host} {what}. Nothing was removed.")

    def _head(self, key: str) -> ObjectInfo | ReadFailure | None:
        try:
            head = self.client.head_object(Bucket=self.bucket, Key=key)
            metadata = object_metadata(head.get("Metadata", {}))
            return self._object(key, head.get("ETag"), head["ContentLength"], head.get("LastModified"), metadata)
        except ClientError as error:
            code = code_of(error)
            if code in NOT_FOUND_CODES:
                return None
            if code in _REFUSALS:
                message = f"The server refuses to let the access key read the object ({code})."
                return ReadFailure(_REFUSALS[code], message, transient=False)
            return ReadFailure(SOURCE_UNAVAILABLE, outage(error, self.collection), transient=True)
        except SERVER_ERRORS as error:
            return ReadFailure(SOURCE_UNAVAILABLE, outage(error, self.collection), transient=True)

    def _object(
        self, key: str, etag: str | None, size: int, modified: datetime | None, metadata: Metadata | None = None
    ) -> ObjectInfo:
        """An object as the catalogue takes it; raises ValueError for a size that none has."""
        if not 0 <= size < SIZE_LIMIT:
            raise ValueError("an object has an impossible size")
        modified = modified.replace(microsecond=0) if modified is not None else None
        assert self.collection.server is not None
        is_opaque = self.collection.server.etags is ETagMeaning.OPAQUE
        return ObjectInfo(key, plain_etag(etag) if is_opaque else NO_ETAG, size, modified, metadata)


def plain_etag(etag: str | None) -> str:
    """An ETag without its marks, and never longer than ``ETAG_LIMIT``."""
    plain = (etag or "").removeprefix("W/").strip('"')
    return plain if len(plain) <= ETAG_LIMIT else hashlib.sha256(plain.encode()).hexdigest()
