"""The contract of every store of webhooks: one suite, run on the fakes and on the emulator's DynamoDB."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.accounts import DynamoDBAccounts
from chalicelib.adapters.dynamodb.failure_log import DynamoDBFailureLog
from chalicelib.adapters.dynamodb.webhook_deliveries import DynamoDBWebhookDeliveries
from chalicelib.adapters.dynamodb.webhook_endpoints import DynamoDBWebhookEndpoints
from chalicelib.domain.accounts import Account, Subscription
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import ReceivedMessage
from chalicelib.domain.webhook_deliveries import DELIVERY_RETENTION, DeliveryState, WebhookAnswer, WebhookDelivery
from chalicelib.domain.webhook_endpoints import WebhookEndpoint, WebhookEndpoints
from chalicelib.domain.webhook_events import EventType
from chalicelib.services.ports import WebhookDeliveries, WebhookRegistry
from infra.template import read_template
from tests.contract.tables import make_table
from tests.factories import NOW, a_delivery
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

    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_all_deliveries_of_an_account_are_read_page_by_page_and_deleted(self, stores: Stores, limit: int):
        account, stranger = str(uuid4()), str(uuid4())
        endpoints = sorted(str(uuid4()) for _ in range(2))
        added = [a_delivery(account, endpoint, number) for endpoint in endpoints for number in range(3)]
        added[2] = replace(added[2], answers=ANSWERS, attempts=2)
        others = a_delivery(stranger, endpoints[0])
        for delivery in (*added[::-1], others):
            assert stores.deliveries.add(delivery)
        found, after = stores.deliveries.of_account(account, None, limit)
        while after is not None:
            page, after = stores.deliveries.of_account(account, after, limit)
            assert len(page) <= limit
            found += page
        assert found == added
        pages = 0
        while stores.deliveries.delete_page(account):
            pages += 1
            assert pages <= len(added)
        assert stores.deliveries.of_account(account, None, 10) == ([], None)
        assert stores.deliveries.of_account(stranger, None, 10) == ([others], None)


class TestFake(WebhooksContract):
    @pytest.fixture
    def stores(self) -> Stores:
        return Stores(FakeWebhookRegistry(), FakeWebhookDeliveries())


@pytest.fixture(scope="module")
def table(aws: Callable[[str], Any]) -> str:
    return make_table(aws("dynamodb"), "AccountsTable")


@pytest.fixture(scope="module")
def syncs_table(aws: Callable[[str], Any]) -> str:
    return make_table(aws("dynamodb"), "SyncsTable")


class TestDynamoDB(WebhooksContract):
    @pytest.fixture
    def stores(self, aws: Callable[[str], Any], table: str, syncs_table: str) -> Stores:
        client = aws("dynamodb")
        return Stores(DynamoDBWebhookEndpoints(client, table), DynamoDBWebhookDeliveries(client, syncs_table))

    def test_dynamodb_deletes_a_delivery_some_days_after_its_event(
        self, stores: Stores, aws: Callable[[str], Any], syncs_table: str
    ):
        account, endpoint = str(uuid4()), str(uuid4())
        stores.deliveries.add(a_delivery(account, endpoint))
        items = aws("dynamodb").query(
            TableName=syncs_table,
            KeyConditionExpression="#s = :s",
            ExpressionAttributeNames={"#s": "sync"},
            ExpressionAttributeValues={":s": {"S": f"deliveries/{account}"}},
        )["Items"]
        assert [int(item["expires_at"]["N"]) for item in items] == [int((NOW + DELIVERY_RETENTION).timestamp())]

    def test_the_worker_may_reach_all_of_both_and_read_nothing_else_of_their_tables(self, aws: Callable[[str], Any]):
        client = aws("dynamodb")
        tables = {name: make_table(client, name) for name in ("AccountsTable", "SyncsTable")}
        account = Account(str(uuid4()), "a", Subscription("pro"), NOW)
        DynamoDBAccounts(client, tables["AccountsTable"]).add_account(account)
        registry = DynamoDBWebhookEndpoints(client, tables["AccountsTable"])
        registry.save(WebhookEndpoints(account.uuid, 0, (an_endpoint(),)))
        DynamoDBWebhookDeliveries(client, tables["SyncsTable"]).add(a_delivery(account.uuid, str(uuid4())))
        message = ReceivedMessage("m1", "webhooks", "handle", 3)
        DynamoDBFailureLog(client, tables["SyncsTable"]).record(message, "why", NOW)

        assert self._reached(client, tables, "AccountsTable", "pk") == {f"account#{account.uuid}": False} | {
            f"webhooks#{account.uuid}": True
        }
        assert self._reached(client, tables, "SyncsTable", "sync") == {"message/m1": False} | {
            f"deliveries/{account.uuid}": True
        }

    def _reached(self, client: Any, tables: dict[str, str], table: str, key: str) -> dict[str, bool]:
        """The partitions of a table, and whether the worker's role may read each."""
        policies = read_template()["Resources"]["WebhooksWorkerRole"]["Properties"]["Policies"]
        statements = [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]
        of_table = [s for s in statements if s["Resource"] == {"Fn::GetAtt": [table, "Arn"]}]
        (allowed,) = [s for s in of_table if "dynamodb:GetItem" in s["Action"]]
        (pattern,) = allowed["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        items = client.scan(TableName=tables[table], ConsistentRead=True)["Items"]
        return {item[key]["S"]: fnmatchcase(item[key]["S"], pattern) for item in items}

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
        items, after = accounts.items(account.uuid, None, limit)
        while after is not None:
            page, after = accounts.items(account.uuid, after, limit)
            assert len(page) <= limit
            items += page
        assert [item.key.partition("#")[0] for item in items] == ["source", "usage", "webhooks"]

    def test_an_export_has_the_endpoints_without_their_secrets_and_a_deletion_takes_them(
        self, stores: Stores, aws: Callable[[str], Any], table: str
    ):
        account = str(uuid4())
        endpoint = an_endpoint(previous_secret="whsec_BBBB", previous_until=NOW)
        stores.registry.save(WebhookEndpoints(account, 0, (endpoint,)))
        accounts = DynamoDBAccounts(aws("dynamodb"), table)
        items, _ = accounts.items(account, None, 10)
        assert [item.key.partition("#")[0] for item in items] == ["webhooks"]
        assert "whsec" not in str(items)
        assert endpoint.url in str(items)
        while accounts.delete_page(account):
            pass
        assert stores.registry.of_account(account).endpoints == ()
