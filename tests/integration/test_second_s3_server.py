"""A sync, a resync and a removal of more than 1,000 objects of an S3 server that is not the emulator.

The application's services run on the real adapter of S3 and on the embedder's own transfers; the rest is fakes. What
holds here and on the emulator is no habit of either.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.domain.collections import Collection, SyncStatus
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import SourceDenied
from chalicelib.domain.files import ObjectInfo
from chalicelib.services.ports import Source
from embedder_container.errors import Code, ItemError
from embedder_container.limits import MAX_FILE_BYTES
from embedder_container.transfer import START_BYTES, Transfers
from tests.fakes.application import services_on
from tests.fakes.embedder import FakeEmbedder
from tests.rclone.server import ACCESS_KEY, SECRET_KEY, RcloneUnavailable, rclone_server, s3_client
from tests.unit.services.harness import BUCKET, Harness

AWKWARD_KEYS = (
    "a b+c.jpg", "100%.jpg", "z%2F.jpg", "q?x=1&y.jpg", "'q'.jpg", "#h.jpg", "x;y=z.jpg", "b.jpg", "b-1.jpg", "b/1.jpg",
    "B/1.jpg", "b/e\u0301.jpg", "b/\u00e9.jpg", "b/\U0001f600.jpg", "c/\uff5e.jpg", "c/\ue000.jpg", ".hidden.jpg",
    "no extension", "UPPER.JPG",
)  # fmt: skip
NUMBERED_KEYS = tuple(f"many/{number:04}.jpg" for number in range(1_001))  # more than a page of S3's listing
LARGE_KEY = "large.jpg"  # read in two requests
KEYS = (*AWKWARD_KEYS, *NUMBERED_KEYS, LARGE_KEY)


@dataclass
class RcloneSources:
    """The real sources of the server's buckets, and the embedder's downloads from them."""

    endpoint: str

    def __post_init__(self) -> None:
        credentials = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "SessionToken": ""}
        session = {"Credentials": {**credentials, "Expiration": datetime.now(UTC) + timedelta(hours=1)}}
        sts: Any = SimpleNamespace(assume_role=lambda **_: session)  # the server has no roles
        self._sources = S3Sources(s3_client(self.endpoint), lambda: sts, lambda *_: s3_client(self.endpoint))
        self._transfers = Transfers(self.endpoint)

    def of(self, collection: Collection) -> Source:
        return self._sources.of(collection)

    def fetch(self, url: str) -> bytes | ReadFailure | None:
        try:
            return self._transfers.download(url, MAX_FILE_BYTES, ItemError(Code.TOO_LARGE, "It is too large."))
        except ItemError as error:
            return ReadFailure(error.code, error.message, error.transient)


@dataclass
class Bucket:
    """A bucket of the server, and the application that syncs it."""

    client: Any
    world: Harness

    def put(self, *keys: str, body: bytes = b"picture of ") -> None:
        self._each(lambda key: self.client.put_object(Bucket=BUCKET, Key=key, Body=body + key.encode()), keys)

    def delete(self, *keys: str) -> None:
        self._each(lambda key: self.client.delete_object(Bucket=BUCKET, Key=key), keys)

    def _each(self, act: Any, keys: tuple[str, ...]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(act, keys))


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("rclone")
    try:
        with rclone_server(folder) as endpoint:
            yield endpoint
    except RcloneUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def bucket(endpoint: str) -> Bucket:
    """A bucket with all keys, synced once, in three key ranges."""
    client, world = s3_client(endpoint), Harness()
    sources = RcloneSources(endpoint)
    embedder = FakeEmbedder(sources, world.ports.storage)  # type: ignore[arg-type]  # it needs ``fetch`` alone
    world.ports = replace(world.ports, sources=sources, embedder=embedder)
    world.embedder, world.app = embedder, services_on(world.ports)
    client.create_bucket(Bucket=BUCKET)
    bucket = Bucket(client, world)
    bucket.put(*AWKWARD_KEYS, *NUMBERED_KEYS)
    bucket.put(LARGE_KEY, body=b"a large picture " * START_BYTES)
    world.ports.syncs.save_splits(world.collection.uuid, ["b/\u00e9.jpg", "many/0500.jpg"])
    world.start()
    failed = world.work()
    assert failed == [], world.reasons()
    return bucket


def test_a_first_sync_indexes_every_object_with_the_servers_identity(bucket: Bucket) -> None:
    world = bucket.world
    progress = world.state().progress
    assert world.state().status is SyncStatus.COMPLETED
    assert (progress.listed, progress.tally.done, progress.ignored) == (len(KEYS), len(KEYS), 0)
    assert world.searchable() == set(KEYS)
    listed = world.ports.sources.of(world.collection).list_objects(None)
    assert [(item.key, item.etag, item.size) for item in listed] == [
        (record.key, record.etag, record.size) for record in (world.record(key) for key in sorted(KEYS)) if record
    ]
    record = world.record(LARGE_KEY)
    assert record is not None and record.embedding is not None
    assert record.embedding.md5 == record.etag


def test_a_second_sync_has_nothing_to_do_and_a_change_is_all_that_a_third_one_does(bucket: Bucket) -> None:
    world, embedded = bucket.world, len(bucket.world.embedder.embedded)
    assert world.sync().progress.to_do == 0
    assert len(world.embedder.embedded) == embedded
    changed = AWKWARD_KEYS[:5]
    bucket.put(*changed, body=b"another picture of ")
    state = world.sync()
    assert (state.progress.to_do, state.progress.tally.done) == (5, 5)
    assert len(world.embedder.embedded) == embedded + 5
    for key in changed:
        record = world.record(key)
        assert record is not None
        assert record.etag == hashlib.md5(b"another picture of " + key.encode(), usedforsecurity=False).hexdigest()


def test_objects_and_listings_are_what_the_index_workers_are_told(bucket: Bucket) -> None:
    source = bucket.world.ports.sources.of(bucket.world.collection)
    listed = {item.key: item for item in source.list_objects("many/0989.jpg")}
    assert list(listed) == [key for key in sorted(KEYS) if key > "many/0989.jpg"]
    heads = source.head_objects([*listed, "many/none.jpg"])
    assert heads == {**listed, "many/none.jpg": None}
    missing = replace(bucket.world.collection, bucket="another-bucket")
    with pytest.raises(SourceDenied):
        list(bucket.world.ports.sources.of(missing).list_objects(None))
    assert isinstance(heads["many/0990.jpg"], ObjectInfo)


def test_what_is_deleted_is_removed_and_most_of_it_only_once_it_is_confirmed(bucket: Bucket) -> None:
    world = bucket.world
    bucket.delete(*KEYS)
    assert world.sync().status is SyncStatus.NEEDS_CONFIRMATION
    assert world.searchable() == set(KEYS)
    state = world.sync(confirm_removals=True)
    assert (state.status, state.progress.tally.removed) == (SyncStatus.COMPLETED, len(KEYS))
    assert world.searchable() == set()
    assert world.current().total_files == 0
