"""Changes of a file: its metadata, in the record, in the vector store, and whoever else writes meanwhile."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.errors import InvalidRequest, NotFound, Unavailable
from chalicelib.domain.file_changes import FileChange
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.uploads import NameRule
from chalicelib.services.files import RECORD_WRITE_ATTEMPTS
from tests.unit.services.harness import Harness, WorkerKilled, die


@pytest.fixture
def uploaded(world: Harness) -> FileRecord:
    """A file of a managed collection, with metadata."""
    collection = world.add_managed()
    world.app.uploads.upload(world.caller, collection, "a.jpg", b"a picture")
    record = world.ports.catalogue.get(collection.uuid, f"{collection.prefix}a.jpg")
    assert record is not None
    return change(world, record, {"product_id": "A1", "draft": True})


def change(world: Harness, record: FileRecord, metadata: object) -> FileRecord:
    patch = FileChange(has_metadata=True, metadata=metadata)
    return world.app.file_changes.change(record.account, record.uuid, patch)


def stored(world: Harness, record: FileRecord) -> FileRecord:
    found = world.ports.catalogue.get(record.collection, record.key)
    assert found is not None
    return found


def test_metadata_changes_by_what_the_patch_names_and_nothing_is_embedded(world: Harness, uploaded: FileRecord) -> None:
    world.clock.pass_by(timedelta(hours=1))
    embedded = list(world.embedder.embedded)
    changed = change(world, uploaded, {"draft": None, "tag": ["sea"]})
    assert changed.metadata == {"product_id": "A1", "tag": ("sea",)}
    assert changed.updated_at == world.clock()
    assert stored(world, uploaded) == changed
    assert replace(changed, metadata=uploaded.metadata, version=0, updated_at=uploaded.updated_at) == replace(
        uploaded, version=0
    )
    assert world.work() == []
    assert (stored(world, uploaded).metadata, world.embedder.embedded) == (changed.metadata, embedded)


def test_the_vector_store_follows_a_change(world: Harness, uploaded: FileRecord) -> None:
    world.work()
    before = world.vectors.documents[uploaded.uuid].version
    changed = change(world, uploaded, {"tag": ["sea"]})
    world.work()
    document = world.vectors.documents[uploaded.uuid]
    assert document.version >= changed.version > before
    assert document.version == stored(world, uploaded).version


def test_a_patch_that_changes_nothing_writes_and_sends_nothing(world: Harness, uploaded: FileRecord) -> None:
    world.work()
    before = world.everything()
    assert change(world, uploaded, {"product_id": "A1"}) == stored(world, uploaded)
    assert world.everything() == before


def test_two_patches_of_different_names_both_hold(world: Harness, uploaded: FileRecord) -> None:
    world.interleave("catalogue", "save", lambda: change(world, uploaded, {"first": "1"}))
    change(world, uploaded, {"second": "2"})
    assert stored(world, uploaded).metadata == {"product_id": "A1", "draft": True, "first": "1", "second": "2"}


@pytest.mark.parametrize("port", ["queues", "catalogue"])
def test_a_worker_that_writes_the_record_meanwhile_undoes_no_change(
    world: Harness, uploaded: FileRecord, port: str
) -> None:
    world.work()
    method = {"queues": "send_changes", "catalogue": "save"}[port]
    world.interleave(port, method, world.work)
    changed = change(world, uploaded, {"tag": ["sea"]})
    assert world.work() == []
    assert stored(world, uploaded).metadata == changed.metadata
    assert world.vectors.documents[uploaded.uuid].version == stored(world, uploaded).version


def test_a_record_that_others_keep_writing_is_unavailable(world: Harness, uploaded: FileRecord) -> None:
    def write() -> None:
        record = stored(world, uploaded)
        world.ports.catalogue.save(record.next_revision(world.clock()), record)

    world.interleave("catalogue", "save", write, times=RECORD_WRITE_ATTEMPTS)
    with pytest.raises(Unavailable):
        change(world, uploaded, {"tag": ["sea"]})


def test_a_replaced_picture_keeps_the_metadata_of_its_file(world: Harness, uploaded: FileRecord) -> None:
    collection = world.ports.collections.get(uploaded.account, uploaded.collection)
    assert collection is not None
    world.app.uploads.upload(world.caller, collection, "a.jpg", b"another picture", NameRule.REPLACE)
    replaced = stored(world, uploaded)
    assert replaced.etag != uploaded.etag and replaced.metadata == uploaded.metadata


@pytest.mark.parametrize(("port", "method"), [("catalogue", "save_all"), ("quota_ledger", "complete")])
def test_metadata_of_an_upload_survives_the_death_of_its_request(world: Harness, port: str, method: str) -> None:
    collection = world.add_managed()
    world.interleave(port, method, die)
    with pytest.raises(WorkerKilled):
        world.app.uploads.upload(world.caller, collection, "b.jpg", b"a picture", metadata={"product_id": "A1"})
    world.clock.pass_by(timedelta(minutes=16))
    assert world.work() == []
    record = world.record(f"{collection.prefix}b.jpg", collection)
    assert record is not None and (record.state, record.metadata) == (FileState.INDEXED, {"product_id": "A1"})


def test_a_deleted_file_leaves_no_metadata(world: Harness, uploaded: FileRecord) -> None:
    world.app.files.delete(uploaded.account, uploaded.uuid)
    assert stored(world, uploaded).metadata == {}
    with pytest.raises(NotFound):
        change(world, uploaded, {"tag": ["sea"]})


def test_files_of_a_customers_bucket_and_of_others_cannot_be_changed(world: Harness, uploaded: FileRecord) -> None:
    world.put("b.jpg")
    world.sync()
    record = world.record("b.jpg")
    assert record is not None
    with pytest.raises(InvalidRequest, match="in the bucket"):
        change(world, record, {"tag": ["sea"]})
    with pytest.raises(NotFound):
        change(world, replace(uploaded, account="a stranger"), {"tag": ["sea"]})


@pytest.mark.parametrize(("metadata", "field"), [({"a b": 1}, "metadata.a b"), ({"tag": ["x", 1]}, "metadata.tag[1]")])
def test_metadata_that_is_not_allowed_changes_nothing(
    world: Harness, uploaded: FileRecord, metadata: object, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        change(world, uploaded, metadata)
    assert refused.value.field == field
    assert stored(world, uploaded) == uploaded
