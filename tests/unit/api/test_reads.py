"""A GET reads: it writes nothing, sends nothing, and reads no more of an account that has more."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.api.openapi.operation import DocumentedRoute
from chalicelib.domain.accounts import Scope
from chalicelib.domain.uploads import UPLOAD_WINDOW
from tests import isolation
from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE, Kind, Party, documented_routes, slots

READS = {
    *("accounts.account", "accounts.token", "accounts.tokens"),
    *("collections.get", "collections.of_account", "quota_ledger.usage", "sources.of"),
    *("quota_ledger.upload", "quota_ledger.pending_uploads"),
    *("catalogue.get", "catalogue.find", "catalogue.page", "storage.thumbnail"),
    *("embedder.embed_texts", "embedder.model_version", "embedder.model_calibration", "vectors.search"),
    *("search_uploads.get", "storage.stored"),
    "webhook_registry.of_account",
    *("vectors.search_and_count", "calibrations.read", "duplicates.scan"),
    "accounts.touch_token",  # when the token was last used: at most once a minute
    "rate_buckets.take",  # searches count: once in 25 at most
}
GETS = [route for route in documented_routes() if route.method == "GET"]


class RecordedPort:
    """A port that notes the names of the methods that are called."""

    def __init__(self, name: str, port: Any, calls: list[str]) -> None:
        self._name, self._port, self._calls = name, port, calls

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **named: Any) -> Any:
            self._calls.append(f"{self._name}.{name}")
            return attribute(*arguments, **named)

        return call


class Recorded:
    """A system whose calls are recorded, with an account that has one of each resource."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.adapters = FakeAdapters.fresh()
        names = [name for name in FakeAdapters.__dataclass_fields__ if name != "clock"]
        ports = {name: RecordedPort(name, getattr(self.adapters, name), self.calls) for name in names}
        api = FakeApi(services_on(replace(self.adapters, **ports)))
        self.tokens = api.open_account("n")
        self.party = Party.with_one_of_each(api, self.tokens[WIDEST_SCOPE], b"a picture", self.tokens)

    def get(self, route: DocumentedRoute) -> list[str]:
        own = {s: self.party.ids[s.kind] for s in slots(route) if s.place == "path" or s.kind is Kind.KEY}
        self.calls.clear()
        status, body = isolation.send(self.party, self.tokens[Scope.READ], route, own, b"")
        assert status in (200, 302, 403), body
        return list(self.calls)


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded()


@pytest.mark.parametrize("route", GETS, ids=lambda route: route.path)
def test_a_get_with_a_token_that_may_only_read_writes_and_sends_nothing(
    recorded: Recorded, route: DocumentedRoute
) -> None:
    assert set(recorded.get(route)) <= READS


def test_the_account_is_shown_by_the_same_reads_however_many_uploads_it_has(recorded: Recorded) -> None:
    (route,) = [route for route in GETS if route.path == "/api/account"]
    before = recorded.get(route)
    for number in range(50):
        body = {"path": f"{number}.jpg", "size": 1, "mime_type": "image/jpeg"}
        status, answer = recorded.party.api(
            recorded.party.token,
            "POST",
            "/api/collections/{uuid}/uploads",
            path={"uuid": recorded.party.ids[Kind.COLLECTION]},
            json=body,
        )
        assert status == 201, answer
    recorded.adapters.clock.pass_by(2 * UPLOAD_WINDOW)
    assert sorted(set(recorded.get(route)) - {"accounts.touch_token", "accounts.token"}) == sorted(
        set(before) - {"accounts.touch_token", "accounts.token"}
    )
    assert "quota_ledger.usage" in before
