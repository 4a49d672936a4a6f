"""The contract of every store of webhooks: one suite, run on the fakes and on the emulator's DynamoDB."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.accounts import DynamoDBAccounts
from chalicelib.adapters.dynamodb.webhooks import DynamoDBWebhookDeliveries, DynamoDBWebhookEndpoints
from chalicelib.domain.accounts import Account, Subscription
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.webhooks import (
    DELIVERY_RETENTION,
    DeliveryState,
    EventType,
    WebhookAnswer,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEndpoints,
    message_id,
)
from chalicelib.services.ports import WebhookDeliveries, WebhookRegistry
from infra.template import read_template
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.webhooks import FakeWebhookDeliveries, FakeWebhookRegistry

ANSWERS = (
    WebhookAnswer(NOW, 15000, None, "There was no answer within 15 seconds."),
    WebhookAnswer(NOW + timedelta(seconds=20), 87, 503, None, "später \ufffd", retry_after=120),
)


def an_endpoint(**changes: Any) -> WebhookEndpoint:
    plain = WebhookEndpoint(
        id=str(uuid4()),
        url="https://shop.example/hooks?key=ü",
        events=(EventType.SYNC_FAILED, EventType.FILE_REMOVED),
        collections=None,
        description="",
        api_url="https://api.example",
        created_at=NOW,
        secret="whsec_AAAA",
    )
    return replace(plain, **changes)


def a_delivery(account: str, endpoint: str, number: int = 0, **changes: Any) -> WebhookDelivery:
    at = NOW + timedelta(seconds=number)
    plain = WebhookDelivery(account, endpoint, message_id(at, "n"), "file.indexed", at, '{"a":1}', next_at=at)
    return replace(plain, **changes)


@dataclass(frozen=True)
class Stores:
    registry: WebhookRegistry
    deliveries: WebhookDeliveries


class WebhooksContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    def test_endpoints_are_read_as_they_were_stored_by_their_account_alone(self, stores: Stores):
        account = str(uuid4())
        assert stores.registry.of_account(account) == WebhookEndpoints(account)
        endpoints = (
            an_endpoint(),
            an_endpoint(
                collections=(str(uuid4()),),
                description="the shop",
                previous_secret="whsec_BBBB",
                previous_until=NOW,
                failing_since=NOW,
                last_failure=NOW + timedelta(hours=2),
                disabled_at=NOW,
                disabled_reason="why",
            ),
        )
        stores.registry.save(WebhookEndpoints(account, 0, endpoints))
        assert stores.registry.of_account(account) == WebhookEndpoints(account, 1, endpoints)
        assert stores.registry.of_account(str(uuid4())).endpoints == ()

    def test_of_two_changes_at_once_the_second_is_refused(self, stores: Stores):
        account = str(uuid4())
        first, second = (WebhookEndpoints(account, 0, (an_endpoint(),)) for _ in range(2))
        stores.registry.save(first)
        with pytest.raises(StaleWrite):
            stores.registry.save(second)
        read = stores.registry.of_account(account)
        stores.registry.save(replace(read, endpoints=()))
        with pytest.raises(StaleWrite):
            stores.registry.save(read)
        assert stores.registry.of_account(account) == WebhookEndpoints(account, 2)

    def test_fifty_endpoints_with_the_longest_urls_and_all_their_collections_fit(self, stores: Stores):
        account = str(uuid4())
        collections = tuple(str(uuid4()) for _ in range(20))
        longest = tuple(
            an_endpoint(url="https://a.example/" + "x" * 2030, collections=collections, description="ü" * 200)
            for _ in range(50)
        )
        stores.registry.save(WebhookEndpoints(account, 0, longest))
        assert stores.registry.of_account(account).endpoints == longest

    def test_a_delivery_is_added_once_and_read_as_it_was_stored(self, stores: Stores):
        account, endpoint = str(uuid4()), str(uuid4())
        delivery = a_delivery(account, endpoint, collection=str(uuid4()), answers=ANSWERS, attempts=2)
        assert stores.deliveries.add(delivery)
        assert not stores.deliveries.add(replace(delivery, body="other"))
        read = stores.deliveries.get(account, endpoint, delivery.id)
        assert read == delivery
        assert [type(answer.milliseconds) for answer in read.answers] == [int, int], "JSON has no other numbers"
        assert [type(read.answers[1].status), type(read.answers[1].retry_after)] == [int, int]
        assert stores.deliveries.get(account, str(uuid4()), delivery.id) is None
        assert stores.deliveries.get(str(uuid4()), endpoint, delivery.id) is None
        assert stores.deliveries.add(replace(delivery, endpoint=str(uuid4()))), "another endpoint's of the same event"

    def test_a_delivery_is_saved_if_nobody_has_saved_it_meanwhile(self, stores: Stores):
        account, endpoint = str(uuid4()), str(uuid4())
        added = a_delivery(account, endpoint)
        stores.deliveries.add(added)
        tried = added.after(ANSWERS[0])
        stores.deliveries.save(tried, added)
        with pytest.raises(StaleWrite):
            stores.deliveries.save(added.after(ANSWERS[1]), added)
        ended = tried.failed()
        stores.deliveries.save(ended, tried)
        replayed = ended.replayed(NOW)
        stores.deliveries.save(replayed, ended)
        with pytest.raises(StaleWrite):
            stores.deliveries.save(ended.replayed(NOW), ended)
        assert stores.deliveries.get(account, endpoint, added.id) == replayed
        unknown = a_delivery(account, endpoint, 99)
        with pytest.raises(StaleWrite):
            stores.deliveries.save(unknown, unknown)

    def test_deliveries_of_an_endpoint_are_listed_page_by_page_the_newest_first(self, stores: Stores):
        account, endpoint = str(uuid4()), str(uuid4())
        added = [a_delivery(account, endpoint, number) for number in range(5)]
        added[3] = replace(added[3], state=DeliveryState.FAILED, next_at=None)
        for delivery in (*added, a_delivery(account, str(uuid4()), 2), a_delivery(str(uuid4()), endpoint, 2)):
            assert stores.deliveries.add(delivery)
        assert self._all(stores, account, endpoint, None) == added[::-1]
        assert self._all(stores, account, endpoint, DeliveryState.FAILED) == [added[3]]
        assert self._all(stores, account, str(uuid4()), None) == []

    def _all(self, stores: Stores, account: str, endpoint: str, state: DeliveryState | None) -> list[WebhookDelivery]:
        found: list[WebhookDelivery] = []
        after = None
        for _ in range(5):
            page = stores.deliveries.page(account, endpoint, state, after=after, limit=2)
            assert len(page.deliveries) <= 2
            found += page.deliveries
            after = page.after
            if after is None:
                return found
        pytest.fail("the pages do not end")


class TestFake(WebhooksContract):
    @pytest.fixture
    def stores(self) -> Stores:
        return Stores(FakeWebhookRegistry(), FakeWebhookDeliveries())


@pytest.fixture(scope="module")
def table(aws: Callable[[str], Any]) -> str:
    return make_table(aws("dynamodb"), "AccountsTable")


class TestDynamoDB(WebhooksContract):
    @pytest.fixture
    def stores(self, aws: Callable[[str], Any], table: str) -> Stores:
        client = aws("dynamodb")
        return Stores(DynamoDBWebhookEndpoints(client, table), DynamoDBWebhookDeliveries(client, table))

    def test_dynamodb_deletes_a_delivery_some_days_after_its_event(
        self, stores: Stores, aws: Callable[[str], Any], table: str
    ):
        account, endpoint = str(uuid4()), str(uuid4())
        stores.deliveries.add(a_delivery(account, endpoint))
        items = aws("dynamodb").query(
            TableName=table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"webhooks#{account}"}},
        )["Items"]
        assert [int(item["purge_at"]["N"]) for item in items] == [int((NOW + DELIVERY_RETENTION).timestamp())]

    def test_the_worker_may_reach_all_of_both_and_nothing_else_of_the_table(self, aws: Callable[[str], Any]):
        client, table = aws("dynamodb"), make_table(aws("dynamodb"), "AccountsTable")
        policies = read_template()["Resources"]["WebhooksWorkerRole"]["Properties"]["Policies"]
        statements = [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]
        (allowed,) = [s for s in statements if s["Resource"] == {"Fn::GetAtt": ["AccountsTable", "Arn"]}]
        assert allowed["Action"] == ["dynamodb:GetItem", "dynamodb:PutItem"]
        (pattern,) = allowed["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]

        account = Account(str(uuid4()), "a", Subscription("pro"), NOW)
        DynamoDBAccounts(client, table).add_account(account)
        DynamoDBWebhookEndpoints(client, table).save(WebhookEndpoints(account.uuid, 0, (an_endpoint(),)))
        DynamoDBWebhookDeliveries(client, table).add(a_delivery(account.uuid, str(uuid4())))
        items = client.scan(TableName=table, ConsistentRead=True)["Items"]
        reached = {item["sk"]["S"].partition("#")[0]: fnmatchcase(item["pk"]["S"], pattern) for item in items}
        assert reached == {"account": False, "webhooks": True, "webhook-delivery": True}

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    def test_an_export_page_by_page_goes_on_from_what_is_the_accounts_own_to_its_webhooks(
        self, stores: Stores, aws: Callable[[str], Any], table: str, limit: int
    ):
        account = Account(str(uuid4()), "a", Subscription("pro"), NOW)
        accounts = DynamoDBAccounts(aws("dynamodb"), table)
        accounts.add_account(account)
        for kind in ("source#a", "usage"):
            item = {"pk": {"S": f"account#{account.uuid}"}, "sk": {"S": kind}}
            aws("dynamodb").put_item(TableName=table, Item=item)
        stores.registry.save(WebhookEndpoints(account.uuid, 0, (an_endpoint(),)))
        for number in range(2):
            stores.deliveries.add(a_delivery(account.uuid, "e1", number))
        items, after = accounts.items(account.uuid, None, limit)
        while after is not None:
            page, after = accounts.items(account.uuid, after, limit)
            assert len(page) <= limit
            items += page
        kinds = [item.key.partition("#")[0] for item in items]
        assert kinds == ["source", "usage", "webhook-delivery", "webhook-delivery", "webhooks"]

    def test_an_export_has_both_without_the_secrets_and_a_deletion_takes_both(
        self, stores: Stores, aws: Callable[[str], Any], table: str
    ):
        account = str(uuid4())
        endpoint = an_endpoint(previous_secret="whsec_BBBB", previous_until=NOW)
        stores.registry.save(WebhookEndpoints(account, 0, (endpoint,)))
        delivery = a_delivery(account, endpoint.id, answers=ANSWERS, attempts=2)
        stores.deliveries.add(delivery)
        accounts = DynamoDBAccounts(aws("dynamodb"), table)
        items, _ = accounts.items(account, None, 10)
        assert [item.key.partition("#")[0] for item in items] == ["webhook-delivery", "webhooks"]
        assert "whsec" not in str(items)
        assert endpoint.url in str(items)
        answers = json.loads(json.dumps(items[0].values))["answers"]
        assert [(answer["milliseconds"], answer.get("status")) for answer in answers] == [(15000, None), (87, 503)]
        while accounts.delete_page(account):
            pass
        assert stores.registry.of_account(account).endpoints == ()
        assert stores.deliveries.get(account, endpoint.id, delivery.id) is None
