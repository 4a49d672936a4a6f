"""What every pair of queues must hold: one suite, run on the fake and on the emulator's SQS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.sqs_queues import SQSQueues
from chalicelib.domain.changes import Change, IndexBatch, SyncStep
from chalicelib.services.ports import Queues
from tests.contract.things import AWKWARD_KEYS, a_batch, a_collection
from tests.fakes.queues import FakeQueues


@dataclass(frozen=True)
class World:
    queues: Queues
    steps: Callable[[], list[SyncStep]]
    batches: Callable[[], list[IndexBatch]]


class QueuesContract:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    def test_what_is_sent_arrives_as_it_was(self, world: World):
        collection = a_collection()
        step = SyncStep(collection.account, collection.uuid, str(uuid4()), part=-1, leg=3)
        changes = tuple(Change(key, "0A1B") for key in AWKWARD_KEYS[:8]) + tuple(
            Change(key, None, True, "d41d8cd98f00b204e9800998ecf8427e", 0) for key in AWKWARD_KEYS[8:]
        )
        with_sync = IndexBatch(collection.account, collection.uuid, changes, step.sync, "sent.000.000000007")
        without = a_batch(collection, "a")
        world.queues.send_sync(step)
        world.queues.send_batches([with_sync, without])
        assert world.steps() == [step]
        assert sorted(world.batches(), key=lambda batch: len(batch.changes)) == [without, with_sync]

    def test_nothing_to_send_sends_nothing(self, world: World):
        world.queues.send_batches([])
        assert world.batches() == []


class TestTheFake(QueuesContract):
    @pytest.fixture
    def world(self) -> World:
        queues = FakeQueues()
        return World(queues, lambda: [step for step, _ in queues.steps], lambda: queues.batches)


class TestSQS(QueuesContract):
    @pytest.fixture
    def world(self, aws: Callable[..., Any]) -> World:
        sqs = aws("sqs")
        urls = [sqs.create_queue(QueueName=f"contract-{uuid4().hex}")["QueueUrl"] for _ in range(2)]

        def bodies(url: str) -> list[str]:
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            return [message["Body"] for message in found]

        return World(
            SQSQueues(sqs, *urls),
            lambda: list(map(SyncStep.from_json, bodies(urls[0]))),
            lambda: list(map(IndexBatch.from_json, bodies(urls[1]))),
        )
