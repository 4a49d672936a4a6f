"""An account's export: all that is kept of it, once each, no secret, and nothing of another account."""

import base64
import json
from collections import Counter

import pytest

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from chalicelib.domain.errors import NotFound
from chalicelib.services.export import ExportService
from tests.factories import a_delivery
from tests.unit.services.harness import Harness

KEYS = {f"{number}.jpg" for number in range(5)}


@pytest.fixture
def account(world: Harness) -> str:
    """An account with two tokens, two collections, five pictures, one of them removed, a folder, and deliveries."""
    opened = world.app.accounts.open("a customer", Subscription("pro"))
    for _ in range(2):
        world.app.accounts.issue_token(opened.uuid, NewToken("n", Scope.READ))
    world.add(account=opened.uuid, prefix="empty/")
    connected = world.add(account=opened.uuid)
    world.put(*KEYS)
    world.sync(connected)
    world.bucket.delete("0.jpg")
    world.sync(connected)
    world.ports.accounts.others[opened.uuid] = {"source#photographs/": {"external_id": "an id"}, "usage": {"files": 4}}
    for number in range(3):
        world.ports.webhook_deliveries.add(a_delivery(opened.uuid, f"e{number % 2}", number))
    return opened.uuid


@pytest.fixture
def export(world: Harness) -> ExportService:
    return world.app.export


def test_export_has_one_record_of_each_thing(export: ExportService, account: str) -> None:
    records = list(export.records(account))
    assert Counter(record["kind"] for record in records) == {
        "account": 1,
        "token": 2,
        "collection": 2,
        "source": 1,
        "usage": 1,
        "webhook-delivery": 3,
        "file": 5,
    }
    assert {record["key"] for record in records if record["kind"] == "file"} == KEYS
    assert {record["state"] for record in records if record["kind"] == "file"} == {"indexed", "removed"}


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_follow_without_a_gap(export: ExportService, account: str, limit: int) -> None:
    page = export.page(account, None, limit)
    paged = list(page.records)
    while page.after is not None:
        page = export.page(account, list(page.after), limit)
        assert len(page.records) <= limit
        paged += page.records
    assert paged == list(export.records(account))


def test_export_is_json_with_each_embedding_and_without_any_tokens_digest(
    world: Harness, export: ExportService, account: str
) -> None:
    text = json.dumps(list(export.records(account)))
    assert not [token for token in world.app.accounts.tokens(account) if token.digest in text]
    record = next(record for record in json.loads(text) if record["kind"] == "file" and record["state"] == "indexed")
    stored = world.ports.catalogue.find(record["uuid"])
    assert base64.b64decode(record["embedding"]["vector"]) == stored.embedding.vector


def test_export_has_nothing_of_another_account(world: Harness, export: ExportService, account: str) -> None:
    stranger = world.app.accounts.open("another", Subscription("pro")).uuid
    assert account not in json.dumps(list(export.records(stranger)))
    (connected,) = [c for c in world.ports.collections.of_account(account) if not c.prefix]
    assert export.page(stranger, ["files", connected.uuid, "0.jpg"], 10).records == []


def test_account_that_is_deleted_cannot_be_exported(world: Harness, export: ExportService, account: str) -> None:
    world.app.account_deletion.begin(account)
    with pytest.raises(NotFound):
        list(export.records(account))
