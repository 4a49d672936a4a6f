"""Webhooks for callers: limits, secrets, tests and replays."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.accounts import Caller
from chalicelib.domain.errors import Conflict, NotFound, QuotaExceeded
from chalicelib.domain.plans import PLANS, WEBHOOKS_MAX
from chalicelib.domain.webhook_deliveries import OVERDUE, DeliveryState
from chalicelib.domain.webhook_endpoints import NewWebhook, WebhookChange, WebhookEndpoint
from chalicelib.domain.webhook_events import EventType
from tests.unit.services.harness import Harness

NEW = NewWebhook("https://shop.example/", (EventType.FILE_INDEXED,))
API_URL = "https://api.example"


@pytest.fixture
def world() -> Harness:
    return Harness()


def create(world: Harness, new: NewWebhook = NEW) -> WebhookEndpoint:
    return world.app.webhooks.create(world.caller, new, API_URL)


def account(world: Harness) -> str:
    return world.collection.account


def test_an_account_has_as_many_webhooks_as_its_plan_allows(world: Harness) -> None:
    caller = Caller(account(world), PLANS["pro"].with_limits({"webhooks": 2}))
    made = [world.app.webhooks.create(caller, NEW, API_URL) for _ in range(2)]
    with pytest.raises(QuotaExceeded, match="allows 2 webhooks"):
        world.app.webhooks.create(caller, NEW, API_URL)
    assert world.app.webhooks.all(account(world)) == made
    assert world.app.accounts.usage(account(world))["webhooks"] == 2
    world.app.webhooks.delete(account(world), made[0].id)
    world.app.webhooks.create(caller, NEW, API_URL)


def test_a_webhook_is_enabled_only_while_the_plan_serves_more(world: Harness) -> None:
    made = [create(world) for _ in range(3)]
    smaller = Caller(account(world), PLANS["pro"].with_limits({"webhooks": 2}))
    on, off = WebhookChange(enabled=True), WebhookChange(enabled=False)
    change = world.app.webhooks.change
    assert change(smaller, made[2].id, on).enabled, "it is already"
    change(smaller, made[2].id, off)
    with pytest.raises(QuotaExceeded, match="serves 2 webhooks"):
        change(smaller, made[2].id, on)
    change(smaller, made[0].id, off)
    assert change(smaller, made[2].id, on).enabled
    with pytest.raises(QuotaExceeded, match="serves 0 webhooks"):
        change(Caller(account(world), PLANS["free"].with_limits({"webhooks": 5})), made[0].id, on)


def test_no_account_has_a_limit_of_more_webhooks_than_its_item_holds() -> None:
    assert PLANS["pro"].with_limits({"webhooks": WEBHOOKS_MAX}).webhooks == WEBHOOKS_MAX
    with pytest.raises(ValueError, match=f"{WEBHOOKS_MAX} at most"):
        PLANS["pro"].with_limits({"webhooks": WEBHOOKS_MAX + 1})
    assert max(plan.webhooks for plan in PLANS.values()) == WEBHOOKS_MAX


def test_of_two_requests_at_once_neither_is_lost(world: Harness) -> None:
    other: list[WebhookEndpoint] = []
    service = world.app.webhooks
    world.interleave("webhook_registry", "save", lambda: other.append(service.create(world.caller, NEW, API_URL)))
    mine = create(world)
    assert world.app.webhooks.all(account(world)) == [*other, mine]


def test_a_request_that_always_comes_too_late_is_a_conflict(world: Harness) -> None:
    service = world.app.webhooks
    world.interleave("webhook_registry", "save", lambda: service.create(world.caller, NEW, API_URL), times=9)
    with pytest.raises(Conflict):
        world.app.webhooks.create(replace(world.caller, plan=PLANS["business"]), NEW, API_URL)


def test_a_webhook_names_collections_of_its_own_account_alone(world: Harness) -> None:
    strangers = world.add("other/")
    for collections in ((strangers.uuid,), (world.collection.uuid, strangers.uuid)):
        with pytest.raises(NotFound) as error:
            create(world, replace(NEW, collections=collections))
        assert error.value.field == "collections"
    endpoint = create(world, replace(NEW, collections=(world.collection.uuid,)))
    with pytest.raises(NotFound):
        world.app.webhooks.change(world.caller, endpoint.id, WebhookChange(collections=(strangers.uuid,)))


def test_a_change_keeps_what_it_does_not_name(world: Harness) -> None:
    endpoint = create(world, replace(NEW, collections=(world.collection.uuid,), description="one"))
    change = world.app.webhooks.change
    assert change(world.caller, endpoint.id, WebhookChange(description="two")) == replace(endpoint, description="two")
    everywhere = change(world.caller, endpoint.id, WebhookChange(all_collections=True))
    assert everywhere.collections is None
    events = (EventType.SYNC_FAILED,)
    assert change(world.caller, endpoint.id, WebhookChange(events=events)).events == events


@pytest.mark.parametrize("call", ["get", "rotate_secret", "delete", "try_out"])
def test_the_webhook_of_another_account_is_not_found(world: Harness, call: str) -> None:
    endpoint = create(world)
    for owner, identifier in ((world.add().account, endpoint.id), (account(world), "nonsense")):
        with pytest.raises(NotFound):
            getattr(world.app.webhooks, call)(owner, identifier)
    assert world.app.webhooks.all(account(world)) == [endpoint]


def test_a_test_is_delivered_and_its_answer_shown(world: Harness) -> None:
    endpoint = create(world)
    begun = world.app.webhooks.try_out(account(world), endpoint.id)
    assert (begun.state, begun.type, begun.attempts) == (DeliveryState.PENDING, "webhook.test", 0)
    world.work("webhooks")
    done = world.app.webhooks.delivery(account(world), endpoint.id, begun.id)
    assert (done.state, [answer.status for answer in done.answers]) == (DeliveryState.DELIVERED, [204])
    (sent,) = world.ports.webhook_sender.sent
    assert (sent.url, sent.message, sent.secrets) == (endpoint.url, begun.id, (endpoint.secret,))
    assert f"{API_URL}/api/webhooks/{endpoint.id}/" in sent.body


def test_a_disabled_webhook_may_be_tested(world: Harness) -> None:
    endpoint = create(world)
    world.app.webhooks.change(world.caller, endpoint.id, WebhookChange(enabled=False))
    world.app.webhooks.try_out(account(world), endpoint.id)
    world.work("webhooks")
    assert len(world.ports.webhook_sender.sent) == 1


def test_a_delivery_that_has_ended_is_sent_again_with_its_id_and_body(world: Harness) -> None:
    endpoint = create(world)
    begun = world.app.webhooks.try_out(account(world), endpoint.id)
    with pytest.raises(Conflict, match="under way"):
        world.app.webhooks.replay(account(world), endpoint.id, begun.id)
    world.work("webhooks")
    again = world.app.webhooks.replay(account(world), endpoint.id, begun.id)
    assert (again.state, again.next_at) == (DeliveryState.PENDING, world.clock())
    world.work("webhooks")
    first, second = world.ports.webhook_sender.sent
    assert first == second
    assert world.app.webhooks.delivery(account(world), endpoint.id, begun.id).attempts == 2


def test_a_delivery_whose_messages_are_lost_may_be_replayed_after_some_hours(world: Harness) -> None:
    endpoint = create(world)
    begun = world.app.webhooks.try_out(account(world), endpoint.id)
    world.ports.queues.webhooks.clear()
    world.clock.pass_by(OVERDUE + timedelta(seconds=1))
    world.app.webhooks.replay(account(world), endpoint.id, begun.id)
    world.work("webhooks")
    assert len(world.ports.webhook_sender.sent) == 1


def test_a_delivery_to_a_disabled_webhook_is_not_replayed(world: Harness) -> None:
    endpoint = create(world)
    world.put("a.jpg")
    world.sync()
    (delivery,) = world.app.webhooks.page(account(world), endpoint.id, None, after=None, limit=9).deliveries
    world.app.webhooks.change(world.caller, endpoint.id, WebhookChange(enabled=False))
    with pytest.raises(Conflict, match="disabled"):
        world.app.webhooks.replay(account(world), endpoint.id, delivery.id)


def test_of_two_replays_at_once_one_is_refused(world: Harness) -> None:
    endpoint = create(world)
    begun = world.app.webhooks.try_out(account(world), endpoint.id)
    world.work("webhooks")
    service = world.app.webhooks
    world.interleave("webhook_deliveries", "save", lambda: service.replay(account(world), endpoint.id, begun.id))
    with pytest.raises(Conflict):
        world.app.webhooks.replay(account(world), endpoint.id, begun.id)


@pytest.mark.parametrize("identifier", ["", "msg_1", "msg_" + "g" * 32, "../secret", "msg_" + "0" * 32])
def test_a_delivery_that_does_not_exist_is_not_found(world: Harness, identifier: str) -> None:
    endpoint = create(world)
    with pytest.raises(NotFound):
        world.app.webhooks.delivery(account(world), endpoint.id, identifier)


def test_the_workers_log_of_a_delivery_has_no_secret(world: Harness, capsys: Any) -> None:
    endpoint = create(world)
    world.app.webhooks.try_out(account(world), endpoint.id)
    world.work("webhooks")
    printed = capsys.readouterr()
    assert "WebhooksDelivered" in printed.out
    assert endpoint.secret not in printed.out + printed.err
