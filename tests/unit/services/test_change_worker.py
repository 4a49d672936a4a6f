"""The changes of one delivery: those of one collection are applied together, and each message is done or comes back."""

import json
from typing import Any

import pytest

from chalicelib import workers
from chalicelib.domain.errors import Contention
from chalicelib.domain.files import FileState
from chalicelib.domain.messages import IndexBatch, ObjectHint, ReceivedMessage
from tests.fakes.messages import Context
from tests.unit.services.harness import Harness

EVENTS = 10  # of a delivery


def changes(world: Harness, *keys: str, received: int = 1, **batch: Any) -> dict[str, Any]:
    """The event of a delivery: a message for each object, each with the key as its id."""
    records = []
    for key in keys:
        body = IndexBatch(world.collection.account, world.collection.uuid, (ObjectHint(key),), **batch).to_json()
        world.sqs.send("changes", body)
        message = world.sqs.waiting.pop()
        message.id, message.received = key, received - 1
        records += message.receive()["Records"]
    return {"Records": records}


def apply(world: Harness, event: dict[str, Any], context: Context | None = None) -> set[str]:
    """Deliver; returns the ids of the messages that come back."""
    response = workers.apply_changes(event, context or Context(), world.app)
    return {failure["itemIdentifier"] for failure in response["batchItemFailures"]}


def test_the_events_of_one_collection_are_embedded_and_saved_together(world: Harness) -> None:
    keys = [f"{number}.jpg" for number in range(EVENTS)]
    world.put(*keys)
    saves: list[None] = []
    world.interleave("catalogue", "save_all", lambda: saves.append(None), times=EVENTS)
    assert apply(world, changes(world, *keys)) == set()
    assert world.searchable() == set(keys)
    assert len(saves) == 1


def test_a_damaged_message_comes_back_and_its_neighbours_do_not(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    event = changes(world, "a.jpg", "damaged", "b.jpg")
    event["Records"][1]["body"] = "nonsense"
    assert apply(world, event) == {"damaged"}
    assert world.searchable() == {"a.jpg", "b.jpg"}


def test_an_object_at_which_the_worker_stumbles_brings_back_its_own_message_alone(world: Harness) -> None:
    world.put("a.jpg", "b.jpg", "c.jpg")
    original = world.ports.catalogue.get_many

    def stumble(collection: str, keys: Any) -> Any:
        if "b.jpg" in keys:
            raise KeyError("etag")  # a damaged record
        return original(collection, keys)

    world.ports.catalogue.get_many = stumble  # type: ignore[method-assign]
    assert apply(world, changes(world, "a.jpg", "b.jpg", "c.jpg")) == {"b.jpg"}
    assert world.searchable() == {"a.jpg", "c.jpg"}


def test_while_a_system_is_unavailable_all_messages_come_back_and_nothing_is_lost(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    world.embedder.down = True
    assert apply(world, changes(world, "a.jpg", "b.jpg")) == {"a.jpg", "b.jpg"}
    world.embedder.down = False
    assert apply(world, changes(world, "a.jpg", "b.jpg", received=2)) == set()
    assert world.searchable() == {"a.jpg", "b.jpg"}


def test_without_time_left_the_first_group_is_applied_and_the_others_are_sent_again_as_new_messages(
    world: Harness,
) -> None:
    other = world.add("b/")
    world.put("a.jpg", "b/1.jpg", "b/2.jpg")
    event = changes(world, "a.jpg", "b/1.jpg", "b/2.jpg")
    for record in event["Records"][1:]:
        record["body"] = json.dumps({**json.loads(record["body"]), "collection": other.uuid})
    assert apply(world, event, Context(late_after=0)) == set()
    assert (world.searchable(), world.searchable(other)) == ({"a.jpg"}, set())
    assert world.ports.queues.delayed == [], "they have not failed"
    again = world.ports.queues.changes
    assert [(batch.hints[0].key, batch.postponed, batch.redelivered) for batch in again] == [
        ("b/1.jpg", 1, False),
        ("b/2.jpg", 1, False),
    ]


def test_a_redelivered_message_that_is_sent_again_is_repaired_as_a_redelivered_one(world: Harness) -> None:
    world.put("a.jpg", "b.jpg")
    apply(world, changes(world, "a.jpg", "b.jpg", received=2), Context(late_after=0))
    (batch,) = world.ports.queues.changes
    assert (batch.postponed, batch.redelivered) == (1, True)


def test_messages_that_are_done_are_deleted_before_the_next_group_is_begun(world: Harness) -> None:
    world.put("a.jpg", "b.jpg", "c.jpg")
    event = changes(world, "a.jpg", "b.jpg")
    event["Records"] = changes(world, "c.jpg", received=2)["Records"] + event["Records"]
    deleted: list[list[str]] = []
    original = world.ports.catalogue.get_many

    def end_at_c(collection: str, keys: Any) -> Any:
        if "c.jpg" in keys:
            deleted.append([message.id for message in world.ports.queues.deleted])
            raise KeyboardInterrupt  # the process ends
        return original(collection, keys)

    world.ports.catalogue.get_many = end_at_c  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        apply(world, event)
    assert deleted == [["a.jpg", "b.jpg"]]


def test_a_message_that_its_queue_refuses_to_delete_is_done_all_the_same(world: Harness) -> None:
    world.put("a.jpg", "b.jpg", "c.jpg")
    event = changes(world, "a.jpg", "b.jpg")
    event["Records"] += changes(world, "c.jpg", received=2)["Records"]
    ended = ReceivedMessage("a.jpg", "similarix-changes", event["Records"][0]["receiptHandle"], 1)
    world.ports.queues.deleted.append(ended)
    assert apply(world, event) == set()
    assert world.searchable() == {"a.jpg", "b.jpg", "c.jpg"}
    assert [message.id for message in world.ports.queues.deleted] == ["a.jpg", "b.jpg"]
    assert world.app.change_worker.delete([ended]) == {"a.jpg": "ReceiptHandleIsInvalid"}


def test_an_object_that_keeps_changing_brings_back_its_own_message_alone(world: Harness) -> None:
    world.put("a.jpg", "b.jpg", "c.jpg")
    original = world.ports.catalogue.get_many

    def contend(collection: str, keys: Any) -> Any:
        if "b.jpg" in keys:
            raise Contention("It kept changing.")
        return original(collection, keys)

    world.ports.catalogue.get_many = contend  # type: ignore[method-assign]
    assert apply(world, changes(world, "a.jpg", "b.jpg", "c.jpg")) == {"b.jpg"}
    assert world.searchable() == {"a.jpg", "c.jpg"}


def test_several_messages_about_one_object_are_one_change(world: Harness) -> None:
    world.put("a.jpg")
    event = changes(world, "a.jpg", "a.jpg")
    event["Records"][1]["messageId"] = "the other"
    assert apply(world, event) == set()
    record = world.record("a.jpg")
    assert record is not None and record.state is FileState.INDEXED
    assert len(world.embedder.embedded) == 1


@pytest.mark.parametrize("received", [1, 2])
def test_the_outcomes_of_a_group_are_counted_once(
    world: Harness, received: int, capsys: pytest.CaptureFixture[str]
) -> None:
    world.put("a.jpg", "b.jpg")
    apply(world, changes(world, "a.jpg", "b.jpg", received=received))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "CloudWatchMetrics" in line]
    assert [sum(line.get("FilesDone", [])) for line in lines] == [2]


def test_the_events_of_one_delivery_are_routed_in_one_message(world: Harness) -> None:
    keys = [f"{number}.jpg" for number in range(EVENTS)]
    world.put(*keys)
    for number, key in enumerate(keys):
        world.notify(key, f"{number:02}")
    records = [record for message in world.sqs.waiting for record in message.receive()["Records"]]
    world.sqs.waiting.clear()
    records[3]["body"] = "nonsense"
    response = workers.route_events({"Records": records}, Context(), world.app)
    assert response == {"batchItemFailures": [{"itemIdentifier": records[3]["messageId"]}]}
    (batch,) = world.ports.queues.changes
    assert [hint.key for hint in batch.hints] == [key for key in keys if key != "3.jpg"]
