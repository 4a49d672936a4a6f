"""Files: who may see them, when they can be tried again, and what a deletion removes."""

from datetime import timedelta

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import (
    InvalidRequest,
    NotDownloadable,
    NotFound,
    NotRetriable,
    SourceUnavailable,
    Unavailable,
)
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.uploads import NameRule
from chalicelib.services.files import REQUEST_LOCK_TIME
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness, WorkerKilled, die


def record_of(world: Harness, key: str, collection: Collection | None = None) -> FileRecord:
    record = world.record(key, collection)
    assert record is not None
    return record


@pytest.fixture
def synced(world: Harness) -> Harness:
    """A collection with an indexed file, an unreadable one, and one that was removed."""
    world.put("a.jpg")
    world.put("broken.jpg", body=UNREADABLE)
    world.put("gone.jpg")
    world.sync()
    world.bucket.delete("gone.jpg")
    world.sync()
    return world


@pytest.fixture
def uploaded(world: Harness) -> FileRecord:
    """A file of a managed collection."""
    collection = world.add_managed()
    world.app.uploads.upload(world.caller, collection, "a.jpg", b"a picture")
    return record_of(world, f"{collection.prefix}a.jpg", collection)


def test_removed_file_is_not_found(synced: Harness) -> None:
    account = synced.collection.account
    assert synced.app.files.get(account, record_of(synced, "a.jpg").uuid).key == "a.jpg"
    with pytest.raises(NotFound):
        synced.app.files.get(account, record_of(synced, "gone.jpg").uuid)


def test_failed_file_can_be_shown_but_not_searched_by(synced: Harness) -> None:
    account, broken = synced.collection.account, record_of(synced, "broken.jpg")
    assert synced.app.files.get(account, broken.uuid).reason == "not_an_image"
    with pytest.raises(NotFound):
        synced.app.files.get_indexed(account, broken.uuid)


def test_another_accounts_file_is_not_found_with_the_message_of_a_missing_one(synced: Harness) -> None:
    existing, missing = record_of(synced, "a.jpg").uuid, "4f6c5d1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"
    messages = []
    for account, file_id in (("a stranger", existing), (synced.collection.account, missing)):
        with pytest.raises(NotFound) as refused:
            synced.app.files.get(account, file_id)
        messages.append(refused.value.message)
    assert messages[0] == messages[1]


def test_file_of_a_collection_in_deletion_is_not_found(synced: Harness) -> None:
    file_id = record_of(synced, "a.jpg").uuid
    synced.ports.registry.begin_deletion(synced.current(), synced.clock())
    with pytest.raises(NotFound):
        synced.app.files.get(synced.collection.account, file_id)


def test_download_is_saved_under_the_last_part_of_its_key(world: Harness) -> None:
    world.put("b/c/ä 1.jpg")
    world.sync()
    url = world.app.files.download(record_of(world, "b/c/ä 1.jpg"), inline=False).url
    assert world.ports.sources.fetch(url) == "picture of b/c/ä 1.jpg".encode()
    assert url.endswith("save-as=%C3%A4%201.jpg")


@pytest.mark.parametrize(
    ("key", "saved_as"), [("a.png", "a.jpg"), ("a.scr", "a.scr.jpg"), ("a\u202egpj.scr", "agpj.scr.jpg")]
)
def test_download_is_saved_with_the_extension_of_its_bytes(world: Harness, key: str, saved_as: str) -> None:
    world.put(key)
    world.sync()
    url = world.app.files.download(record_of(world, key), inline=False).url
    assert url.endswith(f"save-as={saved_as}")


@pytest.mark.parametrize("fault", ["denied", "archived"])
def test_a_file_whose_object_cannot_be_read_now_has_no_download_and_the_caller_is_told_why(
    world: Harness, fault: str
) -> None:
    world.put("a.jpg")
    world.sync()
    file = record_of(world, "a.jpg")
    getattr(world.bucket, fault).add("a.jpg")
    with pytest.raises(NotDownloadable, match="as the test wants it"):
        world.app.files.download(file, inline=False)
    getattr(world.bucket, fault).clear()
    assert world.app.files.download(file, inline=False)


def test_a_download_from_a_bucket_that_is_down_can_be_tried_later_and_that_of_a_gone_object_is_not_found(
    world: Harness,
) -> None:
    world.put("a.jpg")
    world.sync()
    file = record_of(world, "a.jpg")
    world.bucket.down = True
    with pytest.raises(SourceUnavailable):
        world.app.files.download(file, inline=False)
    world.bucket.down = False
    world.bucket.delete("a.jpg")
    with pytest.raises(NotFound):
        world.app.files.download(file, inline=False)


@pytest.mark.parametrize("key", ["a/../b.jpg", "./b.jpg", "a/./b.jpg", "../b.jpg"])
def test_a_file_whose_key_no_url_can_name_is_found_and_its_download_refused_with_the_way_to_get_it(
    world: Harness, key: str
) -> None:
    world.put(key, "a..b/...jpg")
    world.sync()
    assert world.searchable() == {key, "a..b/...jpg"}
    with pytest.raises(NotDownloadable, match="get-object"):
        world.app.files.download(record_of(world, key), inline=False)
    assert world.app.files.download(record_of(world, "a..b/...jpg"), inline=False)


def test_a_picture_that_is_shown_inline_has_the_type_of_its_bytes(world: Harness) -> None:
    world.put("a.scr")
    world.sync()
    assert world.app.files.download(record_of(world, "a.scr"), inline=True).url.endswith("show-as=image%2Fjpeg")


class TestRetry:
    def test_file_that_can_be_read_by_now_is_indexed(self, synced: Harness) -> None:
        broken = record_of(synced, "broken.jpg")
        synced.put("broken.jpg")
        assert synced.app.files.retry(broken.account, broken.uuid).state is FileState.PENDING
        synced.work()
        assert record_of(synced, "broken.jpg").state is FileState.INDEXED

    def test_file_that_is_still_unreadable_fails_again_with_its_reason(self, synced: Harness) -> None:
        broken = record_of(synced, "broken.jpg")
        synced.app.files.retry(broken.account, broken.uuid)
        synced.work()
        retried = record_of(synced, "broken.jpg")
        assert (retried.state, retried.reason) == (FileState.FAILED, "not_an_image")
        assert retried.version > broken.version

    def test_only_a_failed_file_is_retried_and_only_once_at_a_time(self, synced: Harness) -> None:
        broken, indexed = record_of(synced, "broken.jpg"), record_of(synced, "a.jpg")
        with pytest.raises(NotRetriable):
            synced.app.files.retry(indexed.account, indexed.uuid)
        synced.app.files.retry(broken.account, broken.uuid)
        with pytest.raises(NotRetriable):
            synced.app.files.retry(broken.account, broken.uuid)

    def test_retry_is_refused_when_a_worker_writes_the_record_first(self, synced: Harness) -> None:
        broken = record_of(synced, "broken.jpg")
        synced.interleave("catalogue", "save", lambda: synced.apply("broken.jpg", retry=True))
        with pytest.raises(NotRetriable):
            synced.app.files.retry(broken.account, broken.uuid)
        assert synced.work() == []
        assert record_of(synced, "broken.jpg").state is FileState.FAILED

    def test_a_file_whose_retry_cannot_be_sent_stays_failed(self, synced: Harness) -> None:
        broken = record_of(synced, "broken.jpg")
        synced.ports.queues.down = True
        with pytest.raises(ConnectionError):
            synced.app.files.retry(broken.account, broken.uuid)
        assert record_of(synced, "broken.jpg") == broken

    def test_a_retry_that_dies_before_the_record_is_saved_is_made_by_the_worker(self, synced: Harness) -> None:
        broken = record_of(synced, "broken.jpg")
        synced.put("broken.jpg")
        synced.interleave("catalogue", "save", die)
        with pytest.raises(WorkerKilled):
            synced.app.files.retry(broken.account, broken.uuid)
        assert synced.work() == []
        assert record_of(synced, "broken.jpg").state is FileState.INDEXED

    def test_so_is_a_retry_of_many_files(self, synced: Harness) -> None:
        synced.put("broken.jpg")
        synced.interleave("catalogue", "save_all", die)
        with pytest.raises(WorkerKilled):
            synced.app.file_retries.retry(synced.collection, None, lambda: 20.0)
        assert synced.work() == []
        assert record_of(synced, "broken.jpg").state is FileState.INDEXED


class TestDelete:
    def test_deletion_removes_object_thumbnail_index_entry_and_usage(
        self, world: Harness, uploaded: FileRecord
    ) -> None:
        world.app.files.delete(uploaded.account, uploaded.uuid)
        managed = world.ports.sources.bucket(world.ports.storage.bucket)
        assert (managed.objects, world.ports.storage.thumbnails, dict(world.vectors.documents)) == ({}, {}, {})
        usage = world.ports.quota_ledger.usage(uploaded.account, "2026-03")
        assert (usage.managed_files, usage.managed_bytes, usage.uploads) == (0, 0, 1)
        with pytest.raises(NotFound):
            world.app.files.delete(uploaded.account, uploaded.uuid)

    def test_deletion_leaves_nothing_of_the_picture_in_the_catalogue(
        self, world: Harness, uploaded: FileRecord
    ) -> None:
        world.app.files.delete(uploaded.account, uploaded.uuid)
        left = world.ports.catalogue.records[uploaded.collection, uploaded.key]
        assert left.state is FileState.REMOVED
        assert (left.embedding, left.thumbnail, left.etag, left.size) == (None, None, "", 0)

    def test_deletion_leaves_nothing_of_the_picture_when_a_worker_writes_the_record_at_the_same_time(
        self, world: Harness, uploaded: FileRecord
    ) -> None:
        batch = IndexBatch(uploaded.account, uploaded.collection, (ObjectHint(uploaded.key),))
        indexer = world.app.indexer
        world.interleave("catalogue", "save", lambda: indexer.apply(batch), times=2)
        world.app.files.delete(uploaded.account, uploaded.uuid)
        assert world.ports.catalogue.records[uploaded.collection, uploaded.key].embedding is None

    def test_file_of_the_same_name_is_embedded_anew_after_a_deletion(
        self, world: Harness, uploaded: FileRecord
    ) -> None:
        world.app.files.delete(uploaded.account, uploaded.uuid)
        collection = world.ports.collections.get(uploaded.account, uploaded.collection)
        world.app.uploads.upload(world.caller, collection, "a.jpg", b"another picture", NameRule.REFUSE)
        assert world.searchable(collection) == {uploaded.key}

    def test_file_that_a_sync_finds_removed_keeps_its_embedding(self, synced: Harness) -> None:
        synced.bucket.delete("a.jpg")
        synced.sync()
        removed = record_of(synced, "a.jpg")
        assert removed.state is FileState.REMOVED
        assert removed.embedding is not None

    def test_file_in_a_customers_bucket_is_not_deleted(self, synced: Harness) -> None:
        record = record_of(synced, "a.jpg")
        with pytest.raises(InvalidRequest):
            synced.app.files.delete(record.account, record.uuid)
        assert "a.jpg" in synced.bucket.objects

    def test_deletion_is_refused_while_an_upload_holds_the_lock_of_the_file(
        self, world: Harness, uploaded: FileRecord
    ) -> None:
        now = world.clock()
        upload = next(iter(world.ports.quota_ledger.uploads))
        assert world.ports.quota_ledger.lock(upload, uploaded.key, "a worker", now, now + timedelta(seconds=200))
        with pytest.raises(Unavailable):
            world.app.files.delete(uploaded.account, uploaded.uuid)
        world.clock.pass_by(timedelta(seconds=201))
        world.app.files.delete(uploaded.account, uploaded.uuid)
        assert world.searchable() == set()

    def test_interrupted_deletion_is_finished_by_the_next_one(self, world: Harness, uploaded: FileRecord) -> None:
        world.vectors.down = True
        with pytest.raises(Unavailable):
            world.app.files.delete(uploaded.account, uploaded.uuid)
        world.vectors.down = False
        world.app.files.delete(uploaded.account, uploaded.uuid)
        assert world.ports.quota_ledger.usage(uploaded.account, "2026-03").managed_files == 0
        assert dict(world.vectors.documents) == {}

    def test_lock_of_a_request_outlasts_the_request(self) -> None:
        assert timedelta(seconds=29) < REQUEST_LOCK_TIME, "API Gateway waits no longer"


def test_a_file_is_found_by_its_path_and_another_collections_is_not(synced: Harness, uploaded: FileRecord) -> None:
    managed = synced.ports.collections.get(uploaded.account, uploaded.collection)
    assert managed is not None
    for collection, path, found in (
        (synced.current(), "a.jpg", True),
        (synced.current(), "gone.jpg", False),
        (synced.current(), "/a.jpg", False),
        (synced.current(), "x" * 2000, False),
        (managed, "a.jpg", True),
        (managed, uploaded.key, False),
        (managed, "broken.jpg", False),
    ):
        page = synced.app.files.page_of_path(collection, path, None)
        assert [collection.path_of(record.key) for record in page.records] == [path] * found, path
    broken = synced.app.files.page_of_path(synced.current(), "broken.jpg", FileState.FAILED, reason="not_an_image")
    assert [record.key for record in broken.records] == ["broken.jpg"]
    assert synced.app.files.page_of_path(synced.current(), "broken.jpg", FileState.INDEXED).records == []
    assert synced.app.files.page_of_path(synced.current(), "broken.jpg", None, reason="empty").records == []
