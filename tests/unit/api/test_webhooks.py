"""``/api/webhooks`` on fakes: what is asked for, what is refused, and when a secret is shown."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import Scope
from tests.fakes.api import FakeApi
from tests.fakes.application import CONFIG, FakeAdapters

NEW: dict[str, Any] = {"url": "https://shop.example/hooks?key=1", "events": ["file.indexed", "sync.failed"]}


class Api:
    """The API of one account; ``local`` has the setting of the local system."""

    def __init__(self, *, local: bool = False) -> None:
        adapters = FakeAdapters.fresh()
        self.services = Services(replace(CONFIG, local_webhooks=local), adapters, adapters.clock)
        self._api = FakeApi(self.services)
        self.token = self._api.open_account("a customer")[Scope.ADMIN]

    def __call__(self, method: str, route: str, **options: Any) -> tuple[int, Any]:
        return self._api(self.token, method, route, **options)

    def create(self, **changes: Any) -> dict[str, Any]:
        status, body = self("POST", "/api/webhooks", json={**NEW, **changes})
        assert status == 201, body
        created: dict[str, Any] = body["result"]
        return created

    def send(self, method: str, route: str, key: str, body: Any, **path: str) -> dict[str, Any]:
        headers = {"authorization": f"Token {self.token}", "content-type": "application/json", "idempotency-key": key}
        return self._api.send(method, route, path=path, headers=headers, body=json.dumps(body).encode())


@pytest.fixture
def api() -> Api:
    return Api()


def test_a_secret_is_shown_once_and_never_again(api: Api) -> None:
    created = api.create()
    secret = created["secret"]
    assert secret.startswith("whsec_")
    identifier = {"id": created["webhook"]["id"]}
    shown = [api("GET", "/api/webhooks"), api("GET", "/api/webhooks/{id}", path=identifier)]
    changed = api("PATCH", "/api/webhooks/{id}", path=identifier, json={"description": "the shop"})
    assert changed[1]["result"]["webhook"]["description"] == "the shop"
    rotated = api("POST", "/api/webhooks/{id}/secret", path=identifier)[1]["result"]
    assert rotated["secret"] not in ("", secret)
    assert rotated["webhook"]["previous_secret_until"] is not None
    shown += [changed, api("GET", "/api/webhooks"), api("GET", "/api/account/export")]
    assert all("whsec" not in str(answer) for answer in shown)


def test_a_repeated_request_creates_one_webhook_and_shows_the_same_secret(api: Api) -> None:
    answers = [api.send("POST", "/api/webhooks", "k1", NEW) for _ in range(2)]
    first, second = (json.loads(answer["body"])["result"] for answer in answers)
    assert first == second
    assert answers[0]["headers"]["Location"].endswith(f"/api/webhooks/{first['webhook']['id']}/")
    assert len(api("GET", "/api/webhooks")[1]["result"]["webhooks"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"url": None}, 400, "url"),
        ({"url": "http://shop.example/"}, 400, "url"),
        ({"url": "http://127.0.0.1:8000/"}, 400, "url"),
        ({"url": "https://shop.example:8443/"}, 400, "url"),
        ({"url": "https://user:password@shop.example/"}, 400, "url"),
        ({"url": "https://shop.example/ hooks"}, 400, "url"),
        ({"url": "https://shop.example/" + "x" * 2048}, 400, "url"),
        ({"events": []}, 400, "events"),
        ({"events": ["file.deleted"]}, 400, "events"),
        ({"collections": []}, 400, "collections"),
        ({"collections": ["00000000-0000-4000-8000-000000000000"]}, 404, "collections"),
        ({"description": "x" * 201}, 400, "description"),
        ({"secret": "whsec_AAAA"}, 400, "secret"),
        ({"enabled": True}, 400, "enabled"),
    ],
)
def test_a_field_that_is_wrong_is_named(api: Api, change: dict[str, Any], status: int, field: str) -> None:
    answered, body = api("POST", "/api/webhooks", json={**NEW, **change})
    assert (answered, body["info"]["field"]) == (status, field)
    assert api("GET", "/api/webhooks")[1]["result"]["webhooks"] == []


def test_the_local_system_alone_sends_to_its_own_machine() -> None:
    local = Api(local=True)
    created = local.create(url="http://127.0.0.1:8000/hooks")
    assert created["webhook"]["url"] == "http://127.0.0.1:8000/hooks"
    assert local("POST", "/api/webhooks", json={**NEW, "url": "http://10.0.0.1/"})[0] == 400


def test_a_webhook_is_stopped_and_started_by_its_owner(api: Api) -> None:
    path = {"id": api.create()["webhook"]["id"]}
    stopped = api("PATCH", "/api/webhooks/{id}", path=path, json={"enabled": False})[1]["result"]["webhook"]
    assert (stopped["enabled"], stopped["disabled_reason"]) == (False, None)
    assert stopped["disabled_at"] is not None
    started = api("PATCH", "/api/webhooks/{id}", path=path, json={"enabled": True})[1]["result"]["webhook"]
    assert (started["enabled"], started["disabled_at"]) == (True, None)
    assert api("PATCH", "/api/webhooks/{id}", path=path, json={"enabled": "no"})[1]["info"]["field"] == "enabled"


def test_a_choice_of_collections_is_ended_by_null(api: Api) -> None:
    collection = api("POST", "/api/collections", json={"type": "managed", "name": "n"})[1]["result"]["collection"]
    webhook = api.create(collections=[collection["uuid"]])["webhook"]
    assert webhook["collections"] == [collection["uuid"]]
    path = {"id": webhook["id"]}
    kept = api("PATCH", "/api/webhooks/{id}", path=path, json={"description": None})[1]["result"]["webhook"]
    assert kept["collections"] == [collection["uuid"]]
    ended = api("PATCH", "/api/webhooks/{id}", path=path, json={"collections": None})[1]["result"]["webhook"]
    assert ended["collections"] is None


def test_deliveries_are_listed_page_by_page_with_their_answers_and_shown_with_their_body(api: Api) -> None:
    path = {"id": api.create()["webhook"]["id"]}
    begun = []
    for _ in range(3):
        begun.append(api("POST", "/api/webhooks/{id}/test", path=path)[1]["result"]["delivery"]["id"])
        api.services.adapters.clock.pass_by(timedelta(seconds=1))  # type: ignore[attr-defined]
    steps = [step for step, _ in api.services.adapters.queues.webhooks]  # type: ignore[attr-defined]
    for step in steps:
        api.services.webhook_dispatcher.attempt(step, redelivered=False)
    listed: list[Any] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        status, body = api("GET", "/api/webhooks/{id}/deliveries", path=path, query=query)
        assert status == 200, body
        listed += body["result"]["deliveries"]
        if body["info"]["next_cursor"] is None:
            break
        query = {**query, "cursor": body["info"]["next_cursor"]}
    assert [delivery["id"] for delivery in listed] == begun[::-1]
    assert [answer["status"] for answer in listed[0]["answers"]] == [204]
    one = {**path, "delivery": begun[0]}
    shown = api("GET", "/api/webhooks/{id}/deliveries/{delivery}", path=one)[1]["result"]
    assert json.loads(shown["body"])["type"] == "webhook.test"
    pending = api("GET", "/api/webhooks/{id}/deliveries", path=path, query={"state": "pending"})
    assert pending[1]["result"]["deliveries"] == []
    status, replayed = api("POST", "/api/webhooks/{id}/deliveries/{delivery}/replay", path=one)
    assert (status, replayed["result"]["delivery"]["state"]) == (202, "pending")


@pytest.mark.parametrize(("name", "value"), [("state", "lost"), ("limit", "0"), ("cursor", "nonsense")])
def test_a_page_that_does_not_exist_is_refused(api: Api, name: str, value: str) -> None:
    path = {"id": api.create()["webhook"]["id"]}
    status, body = api("GET", "/api/webhooks/{id}/deliveries", path=path, query={name: value})
    assert (status, body["info"]["field"]) == (400, name)
