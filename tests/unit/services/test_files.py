"""Single files: who may see them, when they can be tried again, and what deleting one takes."""

from datetime import timedelta

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import InvalidRequest, NotFound, NotRetriable, Unavailable
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.services.files import REQUEST_LOCK_TIME
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness


def file(world: Harness, key: str, collection: Collection | None = None) -> FileRecord:
    found = world.record(key, collection)
    assert found is not None
    return found


@pytest.fixture
def synced(world: Harness) -> Harness:
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
    world.app.uploads.upload(world.caller, collection, "a.jpg", b"a picture", only_new=False)
    return file(world, f"{collection.prefix}a.jpg", collection)


def test_what_is_gone_is_not_found_and_what_failed_can_be_looked_at_but_not_searched_by(synced: Harness) -> None:
    account = synced.collection.account
    assert synced.app.files.get(account, file(synced, "a.jpg").uuid).key == "a.jpg"
    assert synced.app.files.get(account, file(synced, "broken.jpg").uuid).reason == "not_an_image"
    with pytest.raises(NotFound):
        synced.app.files.indexed(account, file(synced, "broken.jpg").uuid)
    with pytest.raises(NotFound):
        synced.app.files.get(account, file(synced, "gone.jpg").uuid)


def test_anothers_file_is_no_other_than_none(synced: Harness) -> None:
    mine, nobodys = file(synced, "a.jpg").uuid, "4f6c5d1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"
    said = []
    for account, wanted in (("a stranger", mine), (synced.collection.account, nobodys)):
        with pytest.raises(NotFound) as refused:
            synced.app.files.get(account, wanted)
        said.append(refused.value.message)
    assert said[0] == said[1]


def test_a_file_of_a_collection_that_is_being_deleted_is_not_found(synced: Harness) -> None:
    wanted = file(synced, "a.jpg").uuid
    synced.ports.registry.begin_deletion(synced.current(), synced.clock())
    with pytest.raises(NotFound):
        synced.app.files.get(synced.collection.account, wanted)


def test_a_thumbnail_is_shown_under_its_own_collection_alone(synced: Harness) -> None:
    wanted, other = file(synced, "a.jpg"), synced.add("b/", account=synced.collection.account)
    jpeg = synced.app.files.thumbnail(wanted.account, wanted.collection, wanted.uuid)
    assert jpeg == b"thumbnail of picture of a.jpg"
    with pytest.raises(NotFound):
        synced.app.files.thumbnail(wanted.account, other.uuid, wanted.uuid)


def test_a_download_is_saved_under_the_last_part_of_its_key(world: Harness) -> None:
    world.put("b/c/ä 1.jpg")
    world.sync()
    url = world.app.files.download_url(world.collection.account, file(world, "b/c/ä 1.jpg").uuid)
    assert world.ports.sources.fetch(url) == "picture of b/c/ä 1.jpg".encode()
    assert url.endswith("save-as=%C3%A4%201.jpg")


class TestTryingAgain:
    def test_what_could_be_read_by_now_is_indexed(self, synced: Harness) -> None:
        broken = file(synced, "broken.jpg")
        synced.put("broken.jpg")
        assert synced.app.files.retry(broken.account, broken.uuid).state is FileState.PENDING
        synced.work()
        assert file(synced, "broken.jpg").state is FileState.INDEXED

    def test_what_still_cannot_be_read_fails_again_with_its_reason(self, synced: Harness) -> None:
        broken = file(synced, "broken.jpg")
        synced.app.files.retry(broken.account, broken.uuid)
        synced.work()
        again = file(synced, "broken.jpg")
        assert (again.state, again.reason, again.version > broken.version) == (FileState.FAILED, "not_an_image", True)

    def test_only_what_has_failed_and_only_once_at_a_time(self, synced: Harness) -> None:
        broken, fine = file(synced, "broken.jpg"), file(synced, "a.jpg")
        with pytest.raises(NotRetriable):
            synced.app.files.retry(fine.account, fine.uuid)
        synced.app.files.retry(broken.account, broken.uuid)
        with pytest.raises(NotRetriable):
            synced.app.files.retry(broken.account, broken.uuid)

    def test_whoever_is_overtaken_by_a_worker_is_told(self, synced: Harness) -> None:
        broken = file(synced, "broken.jpg")
        synced.interleave("catalogue", "save", lambda: synced.apply("broken.jpg", retry=True))
        with pytest.raises(NotRetriable):
            synced.app.files.retry(broken.account, broken.uuid)
        assert synced.work() == []


class TestDeleting:
    def test_the_object_its_thumbnail_its_entry_and_its_share_are_gone(
        self, world: Harness, uploaded: FileRecord
    ) -> None:
        world.app.files.delete(uploaded.account, uploaded.uuid)
        managed = world.ports.sources.bucket(world.ports.storage.bucket)
        assert (managed.objects, world.ports.storage.thumbnails, dict(world.vectors.documents)) == ({}, {}, {})
        usage = world.ports.quota_ledger.usage(uploaded.account, "2026-03")
        assert (usage.managed_files, usage.managed_bytes, usage.uploads) == (0, 0, 1)
        with pytest.raises(NotFound):
            world.app.files.delete(uploaded.account, uploaded.uuid)

    def test_a_customers_own_bucket_is_left_alone(self, synced: Harness) -> None:
        wanted = file(synced, "a.jpg")
        with pytest.raises(InvalidRequest):
            synced.app.files.delete(wanted.account, wanted.uuid)
        assert "a.jpg" in synced.bucket.objects

    def test_it_waits_for_an_upload_of_the_same_name_as_long_as_that_may_last(
        self, world: Harness, uploaded: FileRecord
    ) -> None:
        now = world.clock()
        upload = next(iter(world.ports.quota_ledger.uploads))
        assert world.ports.quota_ledger.lock(upload, uploaded.key, "somebody", now, now + timedelta(seconds=200))
        with pytest.raises(Unavailable):
            world.app.files.delete(uploaded.account, uploaded.uuid)
        world.clock.pass_by(timedelta(seconds=201))
        world.app.files.delete(uploaded.account, uploaded.uuid)
        assert world.searchable() == set()

    def test_one_that_did_not_get_to_its_end_is_finished_by_the_next(
        self, world: Harness, uploaded: FileRecord
    ) -> None:
        world.vectors.down = True
        with pytest.raises(Unavailable):
            world.app.files.delete(uploaded.account, uploaded.uuid)
        world.vectors.down = False
        world.app.files.delete(uploaded.account, uploaded.uuid)
        assert world.ports.quota_ledger.usage(uploaded.account, "2026-03").managed_files == 0
        assert dict(world.vectors.documents) == {}

    def test_the_right_to_change_a_file_outlasts_a_request(self) -> None:
        assert timedelta(seconds=29) < REQUEST_LOCK_TIME, "API Gateway waits no longer"
