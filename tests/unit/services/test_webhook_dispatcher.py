"""Deliveries of events: distributed, tried, waited for and ended, whatever becomes of messages and workers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.webhook_deliveries import DeliveryState, DeliveryStep, WebhookDelivery, webhook_work_from_json
from chalicelib.domain.webhook_endpoints import WebhookEndpoint
from chalicelib.domain.webhook_events import EventType, WebhookEvent, message_id
from chalicelib.services.pipeline.webhook_dispatcher import WebhookDispatcher
from tests.factories import NOW
from tests.fakes.clock import FakeClock
from tests.fakes.queues import FakeQueues
from tests.fakes.webhooks import FakeReceivers, FakeWebhookDeliveries, FakeWebhookRegistry

ACCOUNT = "an-account"
WELL, ILL = "https://well.example/", "https://ill.example/"


class WorkerDied(BaseException):
    """The worker's process has ended."""


@dataclass
class Crashes:
    """A port whose worker dies before or after one of its calls: ``at`` counts all calls, two moments each."""

    port: Any
    at: list[int]

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.port, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **named: Any) -> Any:
            self._count()
            result = attribute(*arguments, **named)
            self._count()
            return result

        return call

    def _count(self) -> None:
        self.at[0] -= 1
        if self.at[0] == 0:
            raise WorkerDied


@dataclass
class Message:
    body: str
    visible_at: datetime
    received: int = 0


@dataclass
class Sqs:
    """The webhooks queue in simulated time, with the workers that it invokes."""

    clock: FakeClock = field(default_factory=FakeClock)
    registry: FakeWebhookRegistry = field(default_factory=FakeWebhookRegistry)
    deliveries: FakeWebhookDeliveries = field(default_factory=FakeWebhookDeliveries)
    receivers: FakeReceivers = field(default_factory=FakeReceivers)
    queues: FakeQueues = field(default_factory=FakeQueues)
    messages: list[Message] = field(default_factory=list)
    deaths: int = 0

    def add(self, *endpoints: WebhookEndpoint) -> None:
        current = self.registry.of_account(ACCOUNT)
        for endpoint in endpoints:
            current = current.with_endpoint(endpoint)
        self.registry.save(current)

    def send(self, event: WebhookEvent) -> None:
        self.queues.send_event(event)
        self.collect()

    def collect(self) -> None:
        for work, delay in self.queues.webhooks:
            self.messages.append(Message(work.to_json(), self.clock() + timedelta(seconds=delay)))
        self.queues.webhooks.clear()

    def dispatcher(self, dies_at: int = 0) -> WebhookDispatcher:
        at = [dies_at]
        ports = (self.registry, self.deliveries, self.receivers, self.queues)
        return WebhookDispatcher(*(Crashes(port, at) for port in ports), self.clock)  # type: ignore[arg-type]

    def deliver(self, message: Message, *, dies_at: int = 0, is_copy: bool = False) -> Any:
        """Deliver a message; the worker may die at one of its calls, and the message comes again then."""
        message.received += 1
        dispatcher = self.dispatcher(dies_at)
        try:
            match webhook_work_from_json(message.body):
                case WebhookEvent() as event:
                    done: Any = dispatcher.distribute(event)
                case DeliveryStep() as step:
                    done = dispatcher.attempt(step, redelivered=message.received > 1)
        except WorkerDied:
            self.deaths += 1
            self.collect()
            message.visible_at = self.clock() + timedelta(minutes=6)
            return None
        self.collect()
        if not is_copy:
            self.messages.remove(message)
        return done

    def run(self, *, hours: float = 24 * 14) -> None:
        """Deliver every message in its time, for so long, or until none is left."""
        end = self.clock() + timedelta(hours=hours)
        while self.messages:
            message = min(self.messages, key=lambda message: message.visible_at)
            if message.visible_at > end:
                break
            self.clock.pass_by(max(timedelta(0), message.visible_at - self.clock()))
            self.deliver(message)

    def stored(self, endpoint: str = "e1") -> WebhookDelivery:
        (delivery,) = [stored for (_, to, _), stored in self.deliveries.stored.items() if to == endpoint]
        return delivery

    def endpoint(self, endpoint: str = "e1") -> WebhookEndpoint:
        found = self.registry.of_account(ACCOUNT).get(endpoint)
        assert found is not None
        return found


def an_endpoint(name: str = "e1", url: str = WELL, **changes: Any) -> WebhookEndpoint:
    plain = WebhookEndpoint(name, url, tuple(EventType), None, "", "https://api.example", NOW, "whsec_AAAA")
    return replace(plain, **changes)


def an_event(clock: Callable[[], datetime], number: int = 0, **changes: Any) -> WebhookEvent:
    at = clock()
    data = {"url": "/api/collections/c1/"}
    plain = WebhookEvent(ACCOUNT, message_id(at, str(number)), EventType.SYNC_COMPLETED, at, data, "c1")
    return replace(plain, **changes)


@pytest.fixture
def sqs() -> Sqs:
    return Sqs()


def test_an_event_goes_to_each_endpoint_that_wants_it_with_links_to_its_own_address(sqs: Sqs) -> None:
    sqs.add(
        an_endpoint("e1"),
        an_endpoint("e2", "https://two.example/", api_url="https://other.example"),
        an_endpoint("e3", events=(EventType.FILE_INDEXED,)),
        an_endpoint("e4", collections=("c2",)),
        an_endpoint("e5", disabled_at=NOW),
    )
    event = an_event(sqs.clock)
    sqs.send(event)
    sqs.run()
    assert sorted((sent.url, json.loads(sent.body)["data"]["url"]) for sent in sqs.receivers.sent) == [
        ("https://two.example/", "https://other.example/api/collections/c1/"),
        (WELL, "https://api.example/api/collections/c1/"),
    ]
    assert {sent.message for sent in sqs.receivers.sent} == {event.id}
    assert sqs.stored("e1").state is DeliveryState.DELIVERED


def test_a_receiver_that_fails_is_tried_for_a_day_and_the_others_wait_for_nothing(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1", ILL), an_endpoint("e2", WELL))
    sqs.receivers.status[ILL] = 500
    began = sqs.clock()
    sqs.send(an_event(sqs.clock))
    sqs.run(hours=0.01)
    assert sqs.stored("e2").state is DeliveryState.DELIVERED
    sqs.run()
    ended = sqs.stored("e1")
    assert (ended.state, ended.attempts) == (DeliveryState.FAILED, 11)
    assert timedelta(hours=18) < ended.answers[-1].at - began < timedelta(hours=28)
    assert len({sent.body for sent in sqs.receivers.sent}) == 1, "each attempt sends the same"
    assert sqs.endpoint("e1").failing_since == began
    assert sqs.endpoint("e2").failing_since is None


def test_a_receiver_that_is_well_again_gets_what_waits_and_counts_as_well(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1", ILL))
    sqs.receivers.status[ILL] = None
    sqs.send(an_event(sqs.clock))
    sqs.run(hours=5)
    sqs.receivers.status[ILL] = 200
    sqs.run()
    assert sqs.stored().state is DeliveryState.DELIVERED
    assert sqs.endpoint().failing_since is None


def test_an_endpoint_that_fails_for_three_days_is_disabled_and_its_deliveries_end(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1", ILL))
    sqs.receivers.status[ILL] = 500
    for day in range(4):
        sqs.send(an_event(sqs.clock, day))
        sqs.run(hours=24)
        sqs.clock.pass_by(timedelta(hours=1))
    assert not sqs.endpoint().enabled
    assert "since" in (sqs.endpoint().disabled_reason or "")
    sqs.run()
    assert {stored.state for stored in sqs.deliveries.stored.values()} == {DeliveryState.FAILED}
    before = len(sqs.receivers.sent)
    sqs.send(an_event(sqs.clock, 9))
    sqs.run()
    assert len(sqs.receivers.sent) == before, "what happens while it is disabled is not sent"


def test_one_failure_long_after_a_delivery_that_failed_disables_no_endpoint(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1", ILL))
    sqs.receivers.status[ILL] = 500
    sqs.send(an_event(sqs.clock))
    sqs.run()
    sqs.clock.pass_by(timedelta(days=5))
    sqs.send(an_event(sqs.clock, 1))
    sqs.run(hours=0.001)
    assert (sqs.endpoint().enabled, sqs.endpoint().failing_since) == (True, sqs.clock())
    sqs.receivers.status[ILL] = 200
    sqs.run()
    assert sqs.endpoint().failing_since is None


def test_the_attempt_that_disables_an_endpoint_says_so_once(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1", ILL))
    sqs.receivers.status[ILL] = 410
    for number in range(2):
        sqs.send(an_event(sqs.clock, number))
    for message in list(sqs.messages):
        sqs.deliver(message)
    first, second = list(sqs.messages)
    attempt = sqs.deliver(first)
    assert (attempt.disabled, attempt.answer.status) == (True, 410)
    assert sqs.deliver(second) is None
    assert [stored.state for stored in sqs.deliveries.stored.values()] == [DeliveryState.FAILED] * 2


def test_a_delivery_to_an_endpoint_that_is_deleted_ends(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1", ILL))
    sqs.receivers.status[ILL] = 500
    sqs.send(an_event(sqs.clock))
    sqs.run(hours=1)
    tried = len(sqs.receivers.sent)
    sqs.registry.save(sqs.registry.of_account(ACCOUNT).without("e1"))
    sqs.run()
    assert (sqs.stored().state, len(sqs.receivers.sent)) == (DeliveryState.FAILED, tried)


def test_a_new_url_and_a_new_secret_count_from_the_next_attempt(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1", ILL))
    sqs.receivers.status[ILL] = 500
    sqs.send(an_event(sqs.clock))
    sqs.run(hours=0.01)
    sqs.add(replace(sqs.endpoint(), url=WELL).with_new_secret("whsec_BBBB", sqs.clock()))
    sqs.run()
    assert (sqs.receivers.sent[-1].url, sqs.receivers.sent[-1].secrets) == (WELL, ("whsec_BBBB", "whsec_AAAA"))


def test_a_message_that_is_out_of_date_does_nothing(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1"))
    sqs.send(an_event(sqs.clock))
    sqs.run()
    done = sqs.stored()
    for attempt in range(3):
        sqs.queues.send_delivery(replace(done.step, attempt=attempt))
    sqs.collect()
    sqs.run()
    assert (sqs.stored(), len(sqs.receivers.sent)) == (done, 1)


def test_a_copy_of_an_earlier_attempts_message_makes_no_attempt_when_another_one_is_due(sqs: Sqs) -> None:
    sqs.add(an_endpoint("e1", ILL))
    sqs.receivers.status[ILL] = 500
    sqs.send(an_event(sqs.clock))
    sqs.run(hours=0.01)
    pending = sqs.stored()
    assert pending.next_at is not None
    sqs.clock.pass_by(timedelta(hours=1))
    tried = len(sqs.receivers.sent)
    early, late = (Message(replace(pending.step, attempt=number).to_json(), sqs.clock()) for number in (0, 9))
    for message in (early, late):
        assert sqs.deliver(message, is_copy=True) is None
    assert (sqs.stored(), len(sqs.receivers.sent)) == (pending, tried)


def test_a_worker_that_dies_at_any_of_its_calls_loses_nothing() -> None:
    for dies_at in range(1, 40):
        sqs = Sqs()
        sqs.add(an_endpoint("e1", ILL), an_endpoint("e2", WELL))
        sqs.receivers.status[ILL] = 500
        sqs.send(an_event(sqs.clock))
        (message,) = sqs.messages
        sqs.deliver(message, dies_at=dies_at)
        for step in list(sqs.messages):
            sqs.deliver(step, dies_at=dies_at)
        sqs.receivers.status[ILL] = 200
        sqs.run()
        states = {stored.endpoint: stored.state for stored in sqs.deliveries.stored.values()}
        assert states == dict.fromkeys(("e1", "e2"), DeliveryState.DELIVERED), f"died at {dies_at}"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_becomes_of_messages_and_workers_each_event_arrives_or_has_been_tried_for_a_day(
    data: st.DataObject,
) -> None:
    sqs = Sqs()
    sqs.add(an_endpoint("e1", ILL), an_endpoint("e2", WELL))
    events = data.draw(st.integers(1, 3), label="events")
    copies = 0
    for number in range(events):
        sqs.send(an_event(sqs.clock, number))
    for _ in range(data.draw(st.integers(0, 40), label="steps")):
        if not sqs.messages:
            break
        message = data.draw(st.sampled_from(sqs.messages), label="message")  # in any order, early ones too
        action = data.draw(st.sampled_from(["deliver", "copy", "die", "wait", "heal", "break"]), label="action")
        match action:
            case "wait":
                sqs.clock.pass_by(timedelta(seconds=data.draw(st.integers(1, 40_000), label="seconds")))
            case "heal" | "break":
                sqs.receivers.status[ILL] = 200 if action == "heal" else 500
            case "die":
                sqs.deliver(message, dies_at=data.draw(st.integers(1, 20), label="call"))
            case "copy":  # SQS may deliver a message that it has delivered before
                copies += 1
                sqs.deliver(message, is_copy=True)
            case _:
                sqs.deliver(message)
    is_well = data.draw(st.booleans(), label="well at the end")
    sqs.receivers.status[ILL] = 200 if is_well else 500
    sqs.run()
    assert not sqs.messages, "every chain of messages ends"
    assert len(sqs.deliveries.stored) == 2 * events
    accepted = {(sent.url, sent.message) for sent in sqs.receivers.sent}
    for delivery in sqs.deliveries.stored.values():
        assert delivery.next_at is None
        assert delivery.attempts <= 11
        if delivery.endpoint == "e2" or is_well:
            assert delivery.state is DeliveryState.DELIVERED or delivery.attempts == 11
            assert ((WELL if delivery.endpoint == "e2" else ILL), delivery.id) in accepted
        if delivery.state is DeliveryState.FAILED:
            assert delivery.attempts == 11
    recorded = sum(delivery.attempts for delivery in sqs.deliveries.stored.values())
    assert recorded <= len(sqs.receivers.sent) <= recorded + sqs.deaths + copies
