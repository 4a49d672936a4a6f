"""``/api/collections/{uuid}/duplicates`` over the API: who may start a scan, and how its groups are listed."""

from typing import Any

import pytest

from chalicelib.domain.accounts import Scope
from chalicelib.workers import find_duplicates
from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.embedder import COPY
from tests.fakes.messages import Context, InMemorySQS
from tests.isolation import WIDEST_SCOPE, Kind, Party

DUPLICATES = "/api/collections/{uuid}/duplicates"
PICTURE = b"a picture"


class Shop:
    """An account with a picture in several files, and the worker."""

    def __init__(self) -> None:
        self.adapters = FakeAdapters.fresh()
        self.services = services_on(self.adapters)
        self.api = FakeApi(self.services)
        self.tokens = self.api.open_account("shop")
        self.party = Party.with_one_of_each(self.api, self.tokens[WIDEST_SCOPE], PICTURE, self.tokens)
        for name, body in (("again.jpg", PICTURE), ("small.jpg", PICTURE + COPY + b"small")):
            upload = "/api/collections/{uuid}/upload"
            status, _ = self.api(self.party.token, "POST", upload, path=self.path, picture=body, form={"path": name})
            assert status == 201

    @property
    def path(self) -> dict[str, str]:
        return {"uuid": self.party.ids[Kind.COLLECTION]}

    def get(self, **query: Any) -> tuple[int, Any]:
        return self.api(self.party.token, "GET", DUPLICATES, path=self.path, query=query)

    def post(self, token: str | None = None) -> tuple[int, Any]:
        return self.api(token or self.party.token, "POST", DUPLICATES, path=self.path)

    def work(self) -> None:
        sqs = InMemorySQS(self.adapters.queues)
        sqs.collect()
        for message in sqs.waiting:
            if message.queue == "duplicates":
                assert find_duplicates(message.receive(), Context(), self.services)["batchItemFailures"] == []


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_run_is_started_and_its_groups_are_listed_when_it_has_completed(shop: Shop) -> None:
    status, body = shop.get()
    assert (status, body["result"], body["info"]["status"]) == (200, {"groups": []}, "never")
    status, body = shop.post()
    assert status == 202
    assert (shop.get()[1]["info"]["status"], shop.get()[1]["info"]["finished_at"]) == ("running", None)
    status, body = shop.post()
    assert (status, body["info"]["error"]) == (409, "conflict")
    shop.work()
    status, body = shop.get()
    info = body["info"]
    assert (info["status"], info["groups_count"], info["next_cursor"]) == ("completed", 2, None)
    assert info["started_at"] <= info["finished_at"]
    assert info["files_read"] >= 3
    assert {group["tier"] for group in body["result"]["groups"]} == {"identical", "same"}
    for group in body["result"]["groups"]:
        assert list(group) == ["tier", "count", "waste", "files"]
        assert group["count"] == len(group["files"])
        assert group["waste"] == sum(file["file_size"] for file in group["files"][1:])
        assert all(file["collection"] == shop.path["uuid"] for file in group["files"])


def test_groups_are_listed_by_tier_and_by_page(shop: Shop) -> None:
    shop.post()
    shop.work()
    groups = shop.get()[1]["result"]["groups"]
    status, body = shop.get(tier="same")
    assert (status, body["result"]["groups"]) == (200, [group for group in groups if group["tier"] == "same"])
    assert shop.get(tier="similar")[1]["result"]["groups"] == []
    _, first = shop.get(limit="1")
    cursor = first["info"]["next_cursor"]
    _, second = shop.get(limit="1", cursor=cursor)
    assert first["result"]["groups"] + second["result"]["groups"] == groups
    assert second["info"]["next_cursor"] is None
    assert shop.get(limit="1", cursor=cursor, tier="same")[1]["info"]["field"] == "cursor"
    shop.post()
    assert shop.get(limit="1", cursor=cursor)[0] == 200, "the groups of the last scan are shown"
    shop.work()
    status, body = shop.get(limit="1", cursor=cursor)
    assert (status, body["info"]["field"]) == (400, "cursor"), "those of the next one are others"


@pytest.mark.parametrize("query", [{"tier": "alike"}, {"tier": ""}, {"limit": "0"}, {"cursor": "x"}])
def test_a_malformed_parameter_is_refused_by_its_name(shop: Shop, query: dict[str, str]) -> None:
    status, body = shop.get(**query)
    assert (status, body["info"]["error"], body["info"]["field"]) == (400, "invalid_request", *query)


def test_a_token_that_may_only_read_starts_no_run(shop: Shop) -> None:
    status, body = shop.post(shop.tokens[Scope.READ])
    assert (status, body["info"]["error"]) == (403, "read_only_token")
    assert shop.get()[1]["info"]["status"] == "never"
