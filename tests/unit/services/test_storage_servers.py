"""Collections on S3-compatible servers: their keys are sealed, checked and rotated, and their ETags prove little."""

import json
from dataclasses import replace

import pytest

from chalicelib.domain.accounts import Subscription
from chalicelib.domain.collections import (
    BucketDescription,
    Collection,
    CollectionChange,
    NewS3Collection,
    SyncStatus,
)
from chalicelib.domain.errors import DuplicateCollection, SourceUnreadable, Unavailable
from chalicelib.domain.files import NO_ETAG
from chalicelib.domain.plans import PLANS
from chalicelib.domain.storage_servers import AccessKey, ETagMeaning, ServerDescription
from chalicelib.services.authentication import Caller
from tests.factories import a_collection_on_a_server
from tests.fakes.buckets import FakeBucket
from tests.unit.services.harness import BUCKET, Harness

URL, SECRET = "https://s3.example.com", "the secret of the key"
KEY, OTHER_KEY = AccessKey("AKID", SECRET), AccessKey("OTHER", "another secret")


@pytest.fixture
def caller(world: Harness) -> Caller:
    account = world.app.accounts.open("a customer", Subscription("pro"))
    return Caller(account.uuid, PLANS["pro"])


def new(key: AccessKey | None = KEY, url: str = URL, folder: str = "") -> NewS3Collection:
    return NewS3Collection("Holidays", BucketDescription(BUCKET, folder, "auto", None, ServerDescription(url, key)))


def created(world: Harness, caller: Caller) -> Collection:
    world.put("a.jpg")
    return world.app.collections.create(caller, new()).collection


def test_a_new_collection_has_its_secret_sealed_and_what_was_measured(world: Harness, caller: Caller) -> None:
    world.ports.access_checker.etags = ETagMeaning.NONE
    collection = created(world, caller)
    assert (collection.role_arn, collection.external_id, collection.bucket_owner) == (None, None, None)
    assert collection.server is not None
    assert (collection.server.url, collection.server.access_key_id) == (URL, "AKID")
    assert collection.server.etags is ETagMeaning.NONE
    assert world.ports.secrets.open(caller.account, collection.uuid, collection.server.sealed_secret) == SECRET
    assert world.app.collections.get(caller.account, collection.uuid) == collection


def test_a_bucket_that_the_key_may_not_list_is_not_connected(world: Harness, caller: Caller) -> None:
    world.bucket.unlisted = True
    with pytest.raises(SourceUnreadable) as refused:
        created(world, caller)
    assert refused.value.field == "access_key_id"
    assert world.app.collections.all(caller.account) == []


def test_a_check_without_a_key_asks_for_one_and_asks_no_server(world: Harness, caller: Caller) -> None:
    report = world.app.collections.check(caller.account, new(None).source)
    assert [(problem.code, problem.field) for problem in report.findings.problems] == [
        ("no_access_key", "access_key_id")
    ]
    assert world.ports.access_checker.checked == []
    assert world.app.collections.check(caller.account, new().source).findings.problems == []


def test_a_bucket_elsewhere_sends_no_events_so_no_region_of_theirs_is_warned_of(world: Harness, caller: Caller) -> None:
    world.put("a.jpg")
    assert list(world.app.collections.create(caller, new()).warnings) == []


def test_a_secret_that_cannot_be_sealed_is_not_stored(world: Harness, caller: Caller) -> None:
    world.ports.secrets.down = True
    with pytest.raises(Unavailable):
        created(world, caller)
    assert world.app.collections.all(caller.account) == []


def test_one_bucket_of_a_server_is_connected_once_and_that_of_another_server_too(
    world: Harness, caller: Caller
) -> None:
    created(world, caller)
    with pytest.raises(DuplicateCollection):
        created(world, caller)
    world.app.collections.create(caller, new(url="https://s3.example.org"))


def test_a_new_key_takes_the_place_of_the_old_one_only_if_it_reads_the_bucket(world: Harness, caller: Caller) -> None:
    collection = created(world, caller)
    world.bucket.unlisted = True
    change = CollectionChange(access_key=OTHER_KEY)
    with pytest.raises(SourceUnreadable):
        world.app.collections.change(caller, collection, change)
    assert world.app.collections.get(caller.account, collection.uuid) == collection
    world.bucket.unlisted = False
    changed = world.app.collections.change(caller, collection, change).collection
    assert changed.server is not None and changed.server.access_key_id == "OTHER"
    opened = world.ports.secrets.open(caller.account, collection.uuid, changed.server.sealed_secret)
    assert opened == "another secret"
    assert replace(changed, server=collection.server) == collection


def test_etags_that_were_not_measured_are_not_relied_on_and_a_new_key_keeps_what_was(
    world: Harness, caller: Caller
) -> None:
    unmeasured = world.app.collections.create(caller, new(folder="empty/")).collection
    assert unmeasured.server is not None and unmeasured.server.etags is ETagMeaning.UNMEASURED
    measured = created(world, caller)
    world.bucket.objects.clear()
    changed = world.app.collections.change(caller, measured, CollectionChange(access_key=OTHER_KEY)).collection
    assert changed.server is not None and changed.server.etags is ETagMeaning.OPAQUE


@pytest.mark.parametrize("meaning", [ETagMeaning.OPAQUE, ETagMeaning.NONE])
def test_the_first_sync_that_finds_objects_measures_the_etags_of_a_folder_that_was_connected_empty(
    world: Harness, caller: Caller, meaning: ETagMeaning
) -> None:
    world.ports.access_checker.etags = meaning
    collection = world.app.collections.create(caller, new()).collection
    assert world.sync(collection).status is SyncStatus.COMPLETED
    assert etags_of(world, collection) is ETagMeaning.UNMEASURED
    world.put("a.jpg")
    assert world.sync(collection).progress.tally.done == 1
    assert etags_of(world, collection) is meaning
    record = world.record("a.jpg", collection)
    assert record is not None
    assert (record.etag == NO_ETAG) is (meaning is ETagMeaning.NONE), "the worker has read it by what was measured"
    assert world.sync(collection).progress.to_do == 0

    checks = len(world.ports.access_checker.checked)
    world.put("b.jpg")
    assert world.sync(collection).progress.tally.done == 1
    assert len(world.ports.access_checker.checked) == checks, "what was measured is not measured again"


def test_a_sync_that_measures_while_the_key_is_changed_is_tried_again_and_keeps_the_new_key(
    world: Harness, caller: Caller
) -> None:
    collection = world.app.collections.create(caller, new()).collection
    world.put("a.jpg")
    change = CollectionChange(access_key=OTHER_KEY)
    world.interleave("registry", "save_etags", lambda: world.app.collections.change(caller, collection, change))
    world.start(collection)
    (message,) = world.work()
    assert world.deliver(message) and world.work() == []
    assert world.state(collection).status is SyncStatus.COMPLETED
    assert world.searchable(collection) == {"a.jpg"}
    stored = world.app.collections.get(caller.account, collection.uuid)
    assert stored.server is not None
    assert (stored.server.access_key_id, stored.server.etags) == ("OTHER", ETagMeaning.OPAQUE)


def test_a_server_that_does_not_answer_when_it_is_measured_is_asked_again(world: Harness, caller: Caller) -> None:
    collection = world.app.collections.create(caller, new()).collection
    world.put("a.jpg")
    world.bucket.down = True
    world.start(collection)
    (message,) = world.work()
    world.bucket.down = False
    assert world.deliver(message) and world.work() == []
    assert (world.searchable(collection), etags_of(world, collection)) == ({"a.jpg"}, ETagMeaning.OPAQUE)


def etags_of(world: Harness, collection: Collection) -> ETagMeaning:
    server = world.app.collections.get(collection.account, collection.uuid).server
    assert server is not None
    return server.etags


def test_an_export_names_the_server_and_the_key_and_has_no_secret_in_any_form(world: Harness, caller: Caller) -> None:
    collection = created(world, caller)
    records = list(world.app.export.records(caller.account))
    (exported,) = [record for record in records if record["kind"] == "collection"]
    assert exported["server"] == {"url": URL, "access_key_id": "AKID", "etags": "opaque"}
    assert collection.server is not None
    for secret in (SECRET, collection.server.sealed_secret.decode(), "sealed"):
        assert secret not in json.dumps(records)


def a_collection_on(world: Harness) -> Collection:
    collection = a_collection_on_a_server(bucket=BUCKET, prefix="")
    world.ports.collections.add(collection)
    return collection


class Opaque(FakeBucket):
    """A bucket of a server that gives every object of one size the same ETag."""

    def info(self, key):
        found = super().info(key)
        return found and replace(found, etag="the same")


def test_equal_etags_of_a_server_reuse_no_embedding_unless_they_are_the_md5_of_what_was_embedded(
    world: Harness,
) -> None:
    collection = a_collection_on(world)
    world.ports.sources.buckets[BUCKET] = bucket = Opaque()
    bucket.put("a.jpg", b"picture a")
    assert world.sync(collection).status is SyncStatus.COMPLETED
    bucket.put("b.jpg", b"picture b")
    bucket.put("c.jpg", b"picture c")
    assert world.sync(collection).status is SyncStatus.COMPLETED
    assert world.embedder.embedded == [b"picture a", b"picture b", b"picture c"]


def test_equal_md5s_of_a_server_are_embedded_once(world: Harness) -> None:
    collection = a_collection_on(world)
    world.put("a.jpg", body=b"the same picture")
    world.sync(collection)
    world.put("b.jpg", "c.jpg", body=b"the same picture")
    world.sync(collection)
    assert world.embedder.embedded == [b"the same picture"]
    assert world.searchable(collection) == {"a.jpg", "b.jpg", "c.jpg"}


def test_a_sync_of_a_server_that_does_not_answer_ends_with_the_reason_once_it_was_asked_three_times(
    world: Harness,
) -> None:
    collection = a_collection_on(world)
    world.put("a.jpg")
    world.sync(collection)
    world.bucket.down = True
    world.start(collection)
    (message,) = world.sqs.waiting
    assert [world.deliver(message) for _ in range(3)] == [False, False, True]
    state = world.state(collection)
    assert (state.status, state.reason) == (SyncStatus.FAILED, "The bucket is down, as the test wants it.")
    assert world.searchable(collection) == {"a.jpg"}


def test_a_sync_of_s3_is_tried_on(world: Harness) -> None:
    world.bucket.down = True
    world.start()
    (message,) = world.sqs.waiting
    assert [world.deliver(message) for _ in range(4)] == [False] * 4
    assert world.state().status is SyncStatus.IN_PROGRESS
