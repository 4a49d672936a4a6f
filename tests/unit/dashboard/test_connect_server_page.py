"""Connecting a bucket of another server: its secret comes in a form, and goes into no page and no address."""

import pytest

from chalicelib.domain.collections import AutoSync, Collection, SyncStatus
from chalicelib.domain.storage_servers import ETagMeaning
from tests.fakes.application import FakeAdapters
from tests.fakes.pages import FakeBrowser, FakeDashboard

PAGE = "/collections/connect/server"
SECRET = "a-secret-of-this-test"
FORM = {
    "name": "Field archive",
    "endpoint": "https://s3.example.com",
    "bucket": "a-bucket",
    "folder": "field",
    "region": "",
    "access_key_id": "AKID",
    "secret_access_key": SECRET,
}


@pytest.fixture
def browser(dashboard: FakeDashboard, adapters: FakeAdapters) -> FakeBrowser:
    adapters.sources.bucket("a-bucket").put("field/owl.jpg", b"picture")
    return dashboard.signed_in(plan="business")


@pytest.fixture
def connected(browser: FakeBrowser, adapters: FakeAdapters) -> Collection:
    browser.post(PAGE, FORM)
    (collection,) = adapters.collections.stored.values()
    return collection


def test_the_page_of_buckets_on_aws_leads_here_and_back(browser: FakeBrowser) -> None:
    assert f'href="/live{PAGE}"' in browser.get("/collections/connect").body
    page = browser.get(PAGE).body
    assert 'href="/live/collections/connect"' in page
    assert all(f'name="{name}"' in page for name in FORM)
    assert "found by syncs alone" in page


def test_a_bucket_is_connected_and_synced_daily_and_at_once(
    browser: FakeBrowser, adapters: FakeAdapters, connected: Collection
) -> None:
    assert connected.server is not None
    assert (connected.server.url, connected.server.access_key_id) == ("https://s3.example.com", "AKID")
    assert (connected.bucket, connected.prefix, connected.region) == ("a-bucket", "field/", "us-east-1")
    assert (connected.auto_sync, connected.sync.status) == (AutoSync.DAILY, SyncStatus.IN_PROGRESS)
    opened = adapters.secrets.open(connected.account, connected.uuid, connected.server.sealed_secret)
    assert opened == SECRET
    assert browser.get(f"/collections/{connected.uuid}").status == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", ""), ("endpoint", "http://s3.example.com"), ("endpoint", ""), ("bucket", "My Bucket")),
        *(("region", "a b"), ("access_key_id", ""), ("secret_access_key", "short"), ("bucket", "no-such-bucket")),
    ],
)
def test_a_field_that_is_wrong_is_named_and_the_others_stay_but_for_the_secret(
    browser: FakeBrowser, adapters: FakeAdapters, field: str, value: str
) -> None:
    answer = browser.post(PAGE, {**FORM, field: value})

    assert answer.status == 400
    assert f'class="wrong" id="{field}-h"' in answer.body
    assert 'value="field"' in answer.body
    assert SECRET not in answer.body
    assert adapters.collections.stored == {}


def test_a_bucket_that_is_connected_already_is_said_to_be_and_the_secret_is_not_sent_back(
    browser: FakeBrowser, connected: Collection
) -> None:
    answer = browser.post(PAGE, FORM)
    assert answer.status == 409
    assert 'role="alert"' in answer.body
    assert SECRET not in answer.body


def test_a_secret_in_an_address_fills_no_form(browser: FakeBrowser) -> None:
    assert SECRET not in browser.get(f"{PAGE}?secret_access_key={SECRET}").body


def settings_of(collection: Collection, **changes: str) -> dict[str, str]:
    form = {"name": collection.name, "auto": "daily", "hour": "", "include": "", "exclude": "", "do": "save"}
    return {**form, "access_key_id": "AKID", "secret_access_key": "", **changes}


def test_settings_show_the_key_without_its_secret_and_save_without_asking_for_it(
    browser: FakeBrowser, adapters: FakeAdapters, connected: Collection
) -> None:
    path = f"/collections/{connected.uuid}/settings"
    page = browser.get(path).body
    assert 'value="AKID"' in page and "https://s3.example.com" in page and 'name="role"' not in page
    assert SECRET not in page and "sealed" not in page

    checked = len(adapters.access_checker.checked)
    assert browser.post(path, settings_of(connected, name="Birds")).status == 303
    (stored,) = adapters.collections.stored.values()
    assert (stored.name, stored.server) == ("Birds", connected.server)
    assert len(adapters.access_checker.checked) == checked


@pytest.mark.parametrize("etags", ETagMeaning)
def test_settings_say_where_changes_are_not_found_by_etags(
    browser: FakeBrowser, adapters: FakeAdapters, connected: Collection, etags: ETagMeaning
) -> None:
    adapters.registry.save_etags(connected, etags)
    page = browser.get(f"/collections/{connected.uuid}/settings").body
    assert ("changes are found by size" in page) is (etags is ETagMeaning.NONE)


def test_another_key_is_checked_and_sealed(browser: FakeBrowser, adapters: FakeAdapters, connected: Collection) -> None:
    path = f"/collections/{connected.uuid}/settings"
    key = {"access_key_id": "OTHER", "secret_access_key": "another-secret"}
    assert browser.post(path, settings_of(connected, **key)).status == 303
    (stored,) = adapters.collections.stored.values()
    assert stored.server.access_key_id == "OTHER"
    assert adapters.secrets.open(stored.account, stored.uuid, stored.server.sealed_secret) == "another-secret"

    answer = browser.post(path, settings_of(connected, access_key_id="THIRD"))
    assert (answer.status, 'class="wrong" id="secret_access_key-h"' in answer.body) == (400, True)
    adapters.sources.bucket("a-bucket").unlisted = True
    answer = browser.post(path, settings_of(connected, **key))
    assert (answer.status, 'class="wrong" id="access_key_id-h"' in answer.body) == (400, True)
    assert "another-secret" not in answer.body


def test_a_user_has_no_more_buckets_checked_a_minute_than_the_plan_allows(
    dashboard: FakeDashboard, adapters: FakeAdapters
) -> None:
    browser = dashboard.signed_in(plan="free")
    statuses = [browser.post(PAGE, FORM | {"bucket": "no-such-bucket"}).status for _ in range(61)]
    assert statuses == [400] * 60 + [429]
    assert len(adapters.access_checker.checked) == 60
    assert browser.get(PAGE).status == 200
    assert browser.get("/collections/connect").status == 200, "a bucket on AWS has no server that a user names"


def test_a_new_key_of_a_bucket_counts_as_a_check_and_another_name_does_not(
    dashboard: FakeDashboard, adapters: FakeAdapters
) -> None:
    adapters.sources.bucket("a-bucket").put("a.jpg", b"a picture")
    browser = dashboard.signed_in(plan="free")
    browser.post(PAGE, FORM)
    (connected,) = adapters.collections.stored.values()
    path = f"/collections/{connected.uuid}/settings"
    key = {"access_key_id": "OTHER", "secret_access_key": "another-secret", "auto": ""}
    assert [browser.post(path, settings_of(connected, **key)).status for _ in range(60)] == [303] * 59 + [429]
    assert browser.post(path, settings_of(connected, access_key_id="OTHER", name="Birds", auto="")).status == 303
