"""The contract of every implementation of the queues: one suite, run on the fake and on the emulator's SQS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.sqs.queues import SQSQueues
from chalicelib.domain.messages import (
    AccountDeletionStep,
    DeletionStep,
    DuplicatesStep,
    FileDeletion,
    FileMove,
    IndexBatch,
    ObjectHint,
    PurgeStep,
    Queue,
    ReceivedMessage,
    SyncStep,
    deletion_from_json,
    file_work_from_json,
)
from chalicelib.domain.uploads import UploadCheck, UploadRef, checks_in_message
from chalicelib.domain.webhook_deliveries import DeliveryStep, webhook_work_from_json
from chalicelib.domain.webhook_events import WebhookEvent
from chalicelib.services.ports import Queues
from tests.factories import AWKWARD_KEYS, NOW, a_batch, a_collection
from tests.fakes.queues import FakeQueues


@dataclass(frozen=True)
class Subject:
    """The queues, and what a test does without them.

    ``sent`` returns the bodies that a queue has, ``groups`` the groups of its messages, ``deliver`` sends and receives
    a message of the sync queue, and ``is_visible`` says whether a received message could be received again now.
    """

    queues: Queues
    sent: Callable[[Queue], list[str]]
    groups: Callable[[Queue], list[str]]
    deliver: Callable[[], ReceivedMessage]
    is_visible: Callable[[ReceivedMessage], bool]


class QueuesContract:
    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError

    def test_each_kind_of_message_arrives_unchanged_on_its_queue(self, subject: Subject):
        collection = a_collection()
        step = SyncStep(collection.account, collection.uuid, str(uuid4()), key_range=-1, continuation=3)
        hints = tuple(ObjectHint(key, "0A1B") for key in AWKWARD_KEYS[:8]) + tuple(
            ObjectHint(key, None, True, "d41d8cd98f00b204e9800998ecf8427e", 0) for key in AWKWARD_KEYS[8:]
        )
        with_sync = IndexBatch(collection.account, collection.uuid, hints, step.sync, "sent.000.000000007")
        without = a_batch(collection, "a")
        deletion = DeletionStep(collection.account, collection.uuid, last=True, continuation=9)
        check = UploadCheck(UploadRef(collection.account, collection.uuid, str(uuid4())), continuation=2)
        subject.queues.send_sync(step)
        subject.queues.send_batches([with_sync, without])
        subject.queues.send_changes([without])
        subject.queues.send_deletion(deletion)
        purge = PurgeStep(7, "2026-11-26", continuation=3)
        subject.queues.send_purge(purge)
        duplicates_step = DuplicatesStep(collection.account, collection.uuid, str(uuid4()), continuation=4)
        subject.queues.send_duplicates_step(duplicates_step)
        subject.queues.send_upload_check(check)
        file_deletion = FileDeletion(collection.account, collection.uuid, AWKWARD_KEYS, NOW.isoformat())
        file_move = FileMove(collection.account, collection.uuid, *AWKWARD_KEYS[-2:], str(uuid4()))
        subject.queues.send_file_deletion(file_deletion)
        subject.queues.send_file_move(file_move)
        data = {"files": [{"path": key, "size": 1} for key in AWKWARD_KEYS]}
        event = WebhookEvent(collection.account, "msg_1", "file.indexed", NOW, data, collection.uuid)
        delivery = DeliveryStep(collection.account, str(uuid4()), "msg_1", attempt=3, continuation=2)
        subject.queues.send_event(event)
        subject.queues.send_delivery(delivery)
        works = map(webhook_work_from_json, subject.sent(Queue.WEBHOOKS))
        assert sorted(works, key=lambda work: isinstance(work, DeliveryStep)) == [event, delivery]
        assert list(map(SyncStep.from_json, subject.sent(Queue.SYNC))) == [step]
        batches = map(IndexBatch.from_json, subject.sent(Queue.INDEX))
        assert sorted(batches, key=lambda batch: len(batch.hints)) == [without, with_sync]
        assert list(map(IndexBatch.from_json, subject.sent(Queue.CHANGES))) == [without]
        assert list(map(DeletionStep.from_json, subject.sent(Queue.DELETIONS))) == [deletion]
        assert list(map(PurgeStep.from_json, subject.sent(Queue.PURGES))) == [purge]
        assert list(map(DuplicatesStep.from_json, subject.sent(Queue.DUPLICATES))) == [duplicates_step]
        bodies = subject.sent(Queue.UPLOADS)
        assert {work for work in map(file_work_from_json, bodies) if work is not None} == {file_deletion, file_move}
        (checks,) = (list(checks_in_message(body)) for body in bodies if file_work_from_json(body) is None)
        assert checks == [check]

    def test_the_deletion_of_an_account_arrives_unchanged_beside_those_of_collections(self, subject: Subject):
        collection = a_collection()
        deletions = (
            DeletionStep(collection.account, collection.uuid),
            AccountDeletionStep(collection.account, early=2, continuation=7),
        )
        for deletion in deletions:
            subject.queues.send_deletion(deletion)
        assert set(map(deletion_from_json, subject.sent(Queue.DELETIONS))) == set(deletions)

    def test_each_message_names_its_account_as_its_group(self, subject: Subject):
        collections = [a_collection(account=str(uuid4())) for _ in range(2)]
        for collection in collections:
            subject.queues.send_sync(SyncStep(collection.account, collection.uuid, str(uuid4())))
            subject.queues.send_deletion(DeletionStep(collection.account, collection.uuid))
            upload = UploadRef(collection.account, collection.uuid, str(uuid4()))
            subject.queues.send_upload_check(UploadCheck(upload), delay=0)
            subject.queues.send_delivery(DeliveryStep(collection.account, str(uuid4()), "msg_1", 0))
        subject.queues.send_deletion(AccountDeletionStep(collections[0].account))
        batches = [a_batch(collection, "a") for collection in collections]
        subject.queues.send_batches(batches)
        subject.queues.send_changes(batches)
        subject.queues.send_purge(PurgeStep(7))
        accounts = sorted(collection.account for collection in collections)
        for queue in (Queue.SYNC, Queue.INDEX, Queue.CHANGES, Queue.UPLOADS, Queue.WEBHOOKS):
            assert sorted(subject.groups(queue)) == accounts
        assert sorted(subject.groups(Queue.DELETIONS)) == sorted([*accounts, collections[0].account])
        assert subject.groups(Queue.PURGES) == ["shard-7"], "a purge is of all accounts"

    def test_all_batches_arrive_of_more_than_one_request_takes(self, subject: Subject):
        collection = a_collection()
        batches = {a_batch(collection, f"{number}.jpg") for number in range(25)}
        subject.queues.send_batches(list(batches))
        arrived = {IndexBatch.from_json(body) for _ in range(3) for body in subject.sent(Queue.INDEX)}
        assert arrived == batches

    def test_no_batches_send_no_message(self, subject: Subject):
        subject.queues.send_batches([])
        subject.queues.send_changes([])
        assert subject.sent(Queue.INDEX) == subject.sent(Queue.CHANGES) == []

    def test_a_delayed_message_is_redelivered_after_its_delay_and_not_before(self, subject: Subject):
        soon, late = subject.deliver(), subject.deliver()
        subject.queues.delay(soon, 0)
        subject.queues.delay(late, 900)
        assert subject.is_visible(soon)
        assert not subject.is_visible(late)

    def test_a_deleted_message_is_not_redelivered(self, subject: Subject):
        done = subject.deliver()
        subject.queues.delay(done, 0)
        assert subject.queues.delete([done]) == {}
        assert not subject.is_visible(done)

    def test_messages_are_deleted_together_although_one_of_them_has_ended_already(self, subject: Subject):
        ended, done, late = subject.deliver(), subject.deliver(), subject.deliver()
        subject.queues.delete([ended])
        for message in (done, late):
            subject.queues.delay(message, 0)
        # Whether SQS refuses a message that has ended or says that it is deleted is SQS's affair.
        assert set(subject.queues.delete([done, ended, late])) <= {ended.id}
        assert not any(subject.is_visible(message) for message in (ended, done, late))

    def test_no_messages_are_deleted_by_no_request(self, subject: Subject):
        assert subject.queues.delete([]) == {}


class TestFake(QueuesContract):
    @pytest.fixture
    def subject(self) -> Subject:
        queues = FakeQueues()

        def sent(queue: Queue) -> list[str]:
            return {
                Queue.SYNC: [step.to_json() for step, _ in queues.steps],
                Queue.INDEX: [batch.to_json() for batch in queues.batches],
                Queue.CHANGES: [batch.to_json() for batch in queues.changes],
                Queue.DELETIONS: [step.to_json() for step, _ in queues.deletions],
                Queue.PURGES: [step.to_json() for step, _ in queues.purges],
                Queue.DUPLICATES: [step.to_json() for step in queues.duplicates],
                Queue.WEBHOOKS: [work.to_json() for work, _ in queues.webhooks],
                Queue.UPLOADS: [
                    *(check.to_json() for check, _ in queues.uploads),
                    *(work.to_json() for work in queues.file_work),
                ],
            }[queue]

        return Subject(
            queues,
            sent,
            lambda queue: [group for sent_to, group in queues.groups if sent_to == queue],
            lambda: ReceivedMessage(str(uuid4()), "sync", "handle", 1),
            lambda message: message not in queues.deleted and (message, 0) in queues.delayed,
        )


class TestSQSOnTheEmulator(QueuesContract):
    @pytest.fixture
    def subject(self, aws: Callable[..., Any]) -> Subject:
        sqs = aws("sqs")
        names = {queue: f"contract-{queue}-{uuid4().hex}" for queue in Queue}
        urls = {
            queue: sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
            for queue, name in names.items()
        }
        seen: set[str] = set()

        def receive(queue: Queue) -> list[Any]:
            return list(
                sqs.receive_message(
                    QueueUrl=urls[queue],
                    MaxNumberOfMessages=10,
                    MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
                ).get("Messages", [])
            )

        def deliver() -> ReceivedMessage:
            sqs.send_message(QueueUrl=urls[Queue.SYNC], MessageBody="anything")
            (message,) = receive(Queue.SYNC)
            received = int(message["Attributes"]["ApproximateReceiveCount"])
            return ReceivedMessage(message["MessageId"], names[Queue.SYNC], message["ReceiptHandle"], received)

        def is_visible(message: ReceivedMessage) -> bool:
            seen.update(received["MessageId"] for received in receive(Queue.SYNC))
            return message.id in seen

        return Subject(
            SQSQueues(sqs, urls),
            lambda queue: [received["Body"] for received in receive(queue)],
            lambda queue: [received["Attributes"]["MessageGroupId"] for received in receive(queue)],
            deliver,
            is_visible,
        )
