"""Two S3 servers of different makers, as collections on an endpoint meet them: checked, listed, read and synced.

The application's services run on the real adapters and on the embedder's own transfers; the rest is fakes.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from chalicelib.adapters.s3.server_checker import ServerAccessChecker
from chalicelib.domain.bucket_access import AccessFindings
from chalicelib.domain.collections import Collection, SyncStatus
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.storage_servers import ETagMeaning
from embedder_container.errors import Code, ItemError
from embedder_container.limits import MAX_FILE_BYTES
from embedder_container.servers import Servers
from embedder_container.transfer import START_BYTES, Transfers
from tests.contract.test_sources import SourcesContract, SourcesSubject, downloaded
from tests.fakes.application import services_on
from tests.fakes.embedder import FakeEmbedder
from tests.storage_servers import SERVERS, as_stored, owners_client, server_sources, storage_server
from tests.unit.services.harness import Harness

BUCKET = "photographs"
AWKWARD_KEYS = (
    "a b+c.jpg", "100%.jpg", "q?x=1&y.jpg", "'q'.jpg", "#h.jpg", "b.jpg", "b-1.jpg", "b/1.jpg", "B/1.jpg",
    "b/e\u0301.jpg", "b/\u00e9.jpg", "b/\U0001f600.jpg", "c/\uff5e.jpg", "c/\ue000.jpg",
)  # fmt: skip
LARGE_KEY = "large.jpg"  # read in two requests
KEYS = (*AWKWARD_KEYS, LARGE_KEY)


class Sources:
    """The real sources of buckets on servers of this machine, and the embedder's downloads from them."""

    def __init__(self) -> None:
        self.servers = server_sources()
        self.of = self.servers.of
        self._transfers = Transfers(servers=Servers(is_local=True))

    def fetch(self, url: str) -> bytes | ReadFailure | None:
        try:
            return self._transfers.download(url, MAX_FILE_BYTES, ItemError(Code.TOO_LARGE, "It is too large."))
        except ItemError as error:
            return ReadFailure(error.code, error.message, error.transient)


@dataclass
class World:
    """A bucket of a server, a collection on it, and the application."""

    name: str
    folder: Path
    client: Any
    app: Harness
    sources: Sources
    collection: Collection

    def put(self, *keys: str, body: bytes = b"picture of ") -> None:
        for key in keys:
            self.client.put_object(Bucket=BUCKET, Key=key, Body=body + key.encode())

    def check(self, **key: Any) -> AccessFindings:
        assert self.collection.server is not None
        changed = replace(self.collection, server=replace(self.collection.server, **key))
        return ServerAccessChecker(self.sources.servers).check(changed)


@pytest.fixture(scope="module", params=SERVERS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp(request.param)
    with storage_server(request.param, folder) as endpoint:
        yield world_of(request.param, folder, endpoint)


def world_of(name: str, folder: Path, endpoint: str) -> World:
    app, sources = Harness(), Sources()
    embedder = FakeEmbedder(sources, app.ports.storage)  # type: ignore[arg-type]  # it needs ``fetch`` alone
    app.ports = replace(app.ports, sources=sources, embedder=embedder)
    app.embedder, app.app = embedder, services_on(app.ports)
    server = as_stored(endpoint)
    collection = app.add(bucket=BUCKET, region="us-east-1", role_arn=None, external_id=None, server=server)
    world = World(name, folder, owners_client(endpoint), app, sources, collection)
    world.client.create_bucket(Bucket=BUCKET)
    world.put(*AWKWARD_KEYS)
    world.put(LARGE_KEY, body=b"a large picture " * START_BYTES)
    return world


def test_the_servers_order_names_and_etags_are_found_to_be_those_of_s3(world: World) -> None:
    assert world.check() == AccessFindings([], [], ETagMeaning.OPAQUE)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ({"sealed_secret": b"another-secret"}, "signature_refused"),
        ({"access_key_id": "nobody"}, "access_key_unknown"),
        ({"url": "http://127.0.0.1:1"}, "endpoint_unreachable"),
    ],
)
def test_what_is_wrong_has_its_own_words(world: World, key: dict[str, Any], code: str) -> None:
    (problem,) = world.check(**key).problems
    assert problem.code in (code, "list_denied"), "a server may call a key that it does not know only forbidden"


def test_a_listing_goes_on_after_each_key_and_a_head_agrees_with_it(world: World) -> None:
    source = world.sources.of(world.collection)
    listed = {found.key: found for found in source.list_objects(None)}
    assert list(listed) == sorted(KEYS, key=str.encode)
    for position, key in enumerate(listed):
        assert [found.key for found in source.list_objects(key)] == list(listed)[position + 1 :]
    assert source.head_objects([*listed, "none.jpg"]) == {**listed, "none.jpg": None}
    assert all(isinstance(found, ObjectInfo) and found.modified for found in listed.values())


def test_a_presigned_url_serves_each_key_to_the_embedder_and_to_a_browser(world: World) -> None:
    source = world.sources.of(world.collection)
    for key in KEYS:
        body = world.sources.fetch(source.presigned_get(key, seconds=60))
        assert isinstance(body, bytes) and body.endswith(key.encode())
    saved = requests.get(source.presigned_get("b.jpg", seconds=60, file_name="owl ü.jpg"), timeout=10)
    assert saved.content == b"picture of b.jpg"


def test_a_bucket_is_indexed_followed_and_emptied(world: World) -> None:
    app, collection = world.app, world.collection
    state = app.sync(collection)
    assert (state.status, state.progress.tally.done) == (SyncStatus.COMPLETED, len(KEYS)), app.reasons()
    assert app.searchable(collection) == set(KEYS)
    assert app.sync(collection).progress.to_do == 0

    world.put("b.jpg", body=b"another picture of ")
    world.client.delete_object(Bucket=BUCKET, Key="#h.jpg")
    tally = app.sync(collection).progress.tally
    assert (tally.done, tally.removed) == (1, 1)
    record = app.record("b.jpg", collection)
    assert record is not None and record.embedding is not None
    assert record.embedding.md5 == hashlib.md5(b"another picture of b.jpg", usedforsecurity=False).hexdigest()
    assert app.searchable(collection) == {*KEYS} - {"#h.jpg"}


@pytest.fixture(scope="module")
def server_subject(world: World) -> SourcesSubject:
    world.client.create_bucket(Bucket="contract")

    def put(key: str, body: bytes) -> None:
        world.client.put_object(Bucket="contract", Key=key, Body=body)

    def put_all(keys: Sequence[str]) -> None:
        if world.name != "s3proxy":
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda key: put(key, b""), keys))
            return
        # It takes ten seconds for as many requests: copies of the first one's file have its attributes.
        put(keys[0], b"")
        stored = world.folder / "buckets" / "contract"
        for key in keys[1:]:
            shutil.copy2(stored / keys[0], stored / key)

    return SourcesSubject(
        sources=world.sources.servers,
        bucket="contract",
        collection_on=lambda bucket, prefix: replace(world.collection, uuid=str(uuid4()), bucket=bucket, prefix=prefix),
        put=put,
        put_all=put_all,
        download=downloaded,
        is_of_files=True,
        sorts_by_utf_16=world.name == "s3proxy",
    )


class TestSources(SourcesContract):
    """Each server, in a bucket of its own, holds to what S3 and the fakes do."""

    @pytest.fixture
    def subject(self, server_subject: SourcesSubject) -> SourcesSubject:
        return server_subject
