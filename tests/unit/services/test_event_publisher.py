"""What the pipeline publishes: files and syncs of accounts that want to be told, at least once."""

from datetime import timedelta

import pytest

from chalicelib.domain.accounts import Account, Subscription
from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.files import FileState
from chalicelib.domain.uploads import ManagedArea
from chalicelib.domain.webhook_endpoints import NewWebhook, WebhookChange
from chalicelib.domain.webhook_events import EventType, WebhookEvent
from chalicelib.services.pipeline.event_publisher import CACHE_TIME
from tests.factories import a_batch
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness, WorkerKilled, die

ALL = tuple(EventType)


def subscribe(world: Harness, *events: EventType, collections: tuple[str, ...] | None = None) -> str:
    new = NewWebhook("https://shop.example/", events or ALL, collections)
    return world.app.webhooks.create(world.caller, new, "https://api.example").id


def published(world: Harness) -> list[WebhookEvent]:
    """The events that were sent until now, each once."""
    works = [event for event, _ in world.ports.queues.webhooks]
    world.ports.queues.webhooks.clear()
    return list({event.id: event for event in works}.values())


def told(events: list[WebhookEvent]) -> dict[str, list[str]]:
    """The paths of files by the type of event."""
    paths: dict[str, list[str]] = {}
    for event in events:
        paths.setdefault(event.type, []).extend(file["path"] for file in event.data.get("files", ()))
    return {event: sorted(found) for event, found in paths.items()}


class Silent(Harness):
    """A harness whose webhooks queue is looked at by the test, and not worked on."""

    def __init__(self) -> None:
        super().__init__()
        self.sqs.collect = self._collect  # type: ignore[method-assign]

    def _collect(self) -> None:
        kept = list(self.ports.queues.webhooks)
        type(self.sqs).collect(self.sqs)
        self.ports.queues.webhooks.extend(kept)
        self.sqs.waiting = [message for message in self.sqs.waiting if message.queue != "webhooks"]


@pytest.fixture
def world() -> Silent:
    return Silent()


def test_a_sync_tells_of_its_files_in_batches_and_of_its_end(world: Silent) -> None:
    subscribe(world)
    world.put(*(f"{number:02}.jpg" for number in range(20)))
    world.put("broken.jpg", body=UNREADABLE)
    world.sync()
    events = published(world)
    indexed = [event for event in events if event.type == "file.indexed"]
    assert sorted(event.data["count"] for event in indexed) == sorted(len(e.data["files"]) for e in indexed)
    assert max(event.data["count"] for event in indexed) == 16
    assert told(events)["file.indexed"] == [f"{number:02}.jpg" for number in range(20)]
    assert told(events)["file.failed"] == ["broken.jpg"]
    (ended,) = [event for event in events if event.type == "sync.completed"]
    assert (ended.data["listed"], ended.data["done"], ended.data["failed"]) == (21, 20, 1)
    assert ended.data["sync"] == world.state().id
    assert ended.at == world.state().last_sync


def test_what_does_not_change_is_not_told(world: Silent) -> None:
    subscribe(world)
    world.put("a.jpg", "b.jpg")
    world.sync()
    published(world)
    world.clock.pass_by(timedelta(minutes=1))
    world.apply("a.jpg", "b.jpg")
    assert published(world) == []
    world.put("a.jpg", body=b"another picture")
    world.bucket.delete("b.jpg")
    world.apply("a.jpg", "b.jpg")
    assert told(published(world)) == {"file.indexed": ["a.jpg"], "file.removed": ["b.jpg"]}


def test_an_object_that_never_was_a_picture_of_ours_is_not_told_as_removed(world: Silent) -> None:
    subscribe(world)
    world.apply("gone.jpg")
    assert published(world) == []


@pytest.mark.parametrize(("reason", "event"), [("denied", "sync.failed"), ("gone", "sync.needs_confirmation")])
def test_a_sync_that_stops_tells_why(world: Silent, reason: str, event: str) -> None:
    subscribe(world, EventType(event))
    world.put(*(f"{number:02}.jpg" for number in range(30)))
    world.sync()
    assert published(world) == []
    if reason == "denied":
        world.bucket.unlisted = True
    else:
        for number in range(30):
            world.bucket.delete(f"{number:02}.jpg")
    world.sync()
    (stopped,) = published(world)
    assert (stopped.type, stopped.data["reason"]) == (event, world.state().reason)
    assert stopped.data["status"] == event.removeprefix("sync.")


def test_a_cancelled_sync_tells_nothing(world: Silent) -> None:
    subscribe(world)
    world.start()
    world.app.syncs.cancel(world.current())
    world.work()
    assert world.state().status is SyncStatus.CANCELLED
    assert published(world) == []


def test_an_event_of_a_type_or_collection_that_nobody_wants_is_not_sent(world: Silent) -> None:
    other = world.add("other/", account=world.collection.account)
    subscribe(world, EventType.FILE_REMOVED, collections=(other.uuid,))
    world.put("a.jpg", "other/b.jpg")
    for collection in (world.collection, other):
        world.sync(collection)
    world.bucket.delete("a.jpg")
    world.bucket.delete("other/b.jpg")
    for collection in (world.collection, other):
        world.sync(collection)
    (event,) = published(world)
    assert (event.type, event.collection) == ("file.removed", other.uuid)


def test_an_account_without_webhooks_costs_one_read_in_ten_seconds(world: Silent) -> None:
    registry = world.ports.webhook_registry
    world.put(*(f"{number}.jpg" for number in range(100)))
    world.sync()
    assert registry.reads == 1
    assert published(world) == []
    world.clock.pass_by(CACHE_TIME)
    world.sync()
    assert registry.reads == 2


def test_a_webhook_that_is_created_or_disabled_counts_within_ten_seconds(world: Silent) -> None:
    world.put("a.jpg")
    world.sync()
    endpoint = subscribe(world)
    world.clock.pass_by(CACHE_TIME)
    world.put("b.jpg")
    world.apply("b.jpg")
    assert told(published(world)) == {"file.indexed": ["b.jpg"]}
    world.app.webhooks.change(world.caller, endpoint, WebhookChange(enabled=False))
    world.clock.pass_by(CACHE_TIME)
    world.put("c.jpg")
    world.apply("c.jpg")
    assert published(world) == []


@pytest.mark.parametrize(
    ("subscription", "told_urls"),
    [
        (Subscription("pro"), ["https://1.example/", "https://2.example/"]),
        (Subscription("pro", {"webhooks": 1}), ["https://1.example/"]),
        (Subscription("pro", {"webhooks": 0}), []),
        (Subscription("free", {"webhooks": 5}), []),
    ],
)
def test_as_many_webhooks_as_the_plan_serves_are_told_the_oldest_that_are_enabled(
    subscription: Subscription, told_urls: list[str]
) -> None:
    world = Harness()
    account = world.collection.account
    for number in range(3):
        new = NewWebhook(f"https://{number}.example/", ALL)
        made = world.app.webhooks.create(world.caller, new, "https://api.example")
        if number == 0:
            world.app.webhooks.change(world.caller, made.id, WebhookChange(enabled=False))
    world.ports.accounts.add_account(Account(account, "a", subscription, world.clock()))
    world.put("a.jpg")
    world.sync()
    assert sorted({sent.url for sent in world.ports.webhook_sender.sent}) == told_urls


def test_a_worker_that_dies_before_it_tells_of_files_tells_when_its_message_comes_again(world: Silent) -> None:
    subscribe(world)
    world.put("a.jpg", "b.jpg")
    world.start()
    world.work("sync")
    (message,) = [message for message in world.sqs.waiting if message.queue == "index"]
    world.interleave("queues", "send_event", die)
    with pytest.raises(WorkerKilled):
        world.deliver(message)
    assert [world.record(key).state for key in ("a.jpg", "b.jpg")] == [FileState.INDEXED] * 2  # type: ignore[union-attr]
    assert published(world) == []
    assert world.deliver(message)
    events = published(world)
    assert told(events) == {"file.indexed": ["a.jpg", "b.jpg"], "sync.completed": []}
    message.received += 1
    world.deliver(message)
    assert {event.id for event in published(world)} <= {event.id for event in events}, "the receiver knows them by id"


def test_a_worker_that_dies_before_it_tells_of_the_syncs_end_tells_when_its_message_comes_again(world: Silent) -> None:
    subscribe(world, EventType.SYNC_COMPLETED)
    world.put("a.jpg")
    world.start()
    world.work("sync")
    (message,) = world.sqs.waiting
    world.interleave("queues", "send_event", die)
    with pytest.raises(WorkerKilled):
        world.deliver(message)
    assert world.state().status is SyncStatus.COMPLETED
    assert world.deliver(message)
    (event,) = published(world)
    assert event.data["sync"] == world.state().id


def test_the_same_holds_for_a_sync_that_finds_nothing_to_do(world: Silent) -> None:
    subscribe(world, EventType.SYNC_COMPLETED)
    world.start()
    (message,) = world.sqs.waiting
    world.interleave("queues", "send_event", die)
    with pytest.raises(WorkerKilled):
        world.deliver(message)
    assert world.state().status is SyncStatus.COMPLETED
    assert world.deliver(message)
    assert [event.type for event in published(world)] == ["sync.completed"]


def test_an_old_batch_that_comes_again_does_not_tell_of_files_that_changed_long_ago(world: Silent) -> None:
    subscribe(world)
    world.put("a.jpg")
    world.sync()
    published(world)
    world.clock.pass_by(timedelta(hours=5))
    world.apply("a.jpg", redelivered=True)
    assert published(world) == []


def test_a_request_that_dies_before_it_tells_of_its_file_is_made_up_for_by_the_event_of_s3(world: Silent) -> None:
    managed = world.add_managed()
    subscribe(world)
    key = f"{managed.prefix}a.jpg"
    world.ports.storage.put(ManagedArea(managed.account, managed.uuid), key, b"a picture", "image/jpeg")
    for _ in range(2):  # the request, then S3's event of the same object
        world.app.indexer.apply(a_batch(managed, key))
    events = published(world)
    assert told(events) == {"file.indexed": ["a.jpg"]}
    assert len(events) == 1, "both have the same id"


def test_a_body_has_no_metadata_and_no_secret_of_the_collection(world: Silent) -> None:
    subscribe(world)
    world.put("a.jpg")
    world.bucket.metadata["a.jpg"] = {"customer": "top secret"}
    world.sync()
    bodies = " ".join(event.to_json() for event in published(world))
    stored = world.current()
    assert "a.jpg" in bodies
    for secret in ("top secret", stored.role_arn, stored.external_id, stored.bucket):
        assert secret is not None
        assert secret not in bodies
