"""The first minutes: an account without pictures is led to its first found one."""

import pytest

from chalicelib.dashboard.first_run import SHOWN, sample_names
from chalicelib.dashboard.suggestions import sample_texts
from chalicelib.dashboard.texts import text
from chalicelib.domain.collections import Collection
from chalicelib.domain.plans import PLANS
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import FakeDashboard
from tests.unit.dashboard.picture_world import HTMX, PictureWorld, links, tags, words


@pytest.fixture
def dashboard() -> FakeDashboard:
    return FakeDashboard(services_on(FakeAdapters.fresh()))


def test_an_account_without_pictures_is_shown_three_ways_to_some(dashboard: FakeDashboard) -> None:
    page = dashboard.signed_in().get("/").body
    assert text("first_run.nothing") in words(page)
    assert [each["action"] for each in tags(page, "form")].count("/live/samples") == 1
    assert links(page, "/upload")
    assert links(page, "/collections/connect")
    assert f"{len(sample_names())} photographs" in words(page)


@pytest.mark.parametrize("plan", sorted(PLANS))
def test_the_samples_are_added_by_one_click_on_every_plan_and_then_found(plan: str) -> None:
    adapters = FakeAdapters.fresh()
    dashboard = FakeDashboard(services_on(adapters))
    browser = dashboard.signed_in(plan=plan)
    answer = browser.post("/samples")
    progress = answer.location
    assert browser.post("/samples").location == progress, "a second click adds nothing"
    assert browser.account is not None
    (collection,) = dashboard.services.collections.all(browser.account.uuid)
    assert collection.name == text("first_run.collection")
    page = browser.get(progress).body
    assert "0 of 50 can be searched." in words(page)
    assert 'hx-trigger="every 1s"' in page
    complete_all(adapters, dashboard, collection)
    assert browser.get(progress).location == "/?query=a+bird"
    assert browser.get(progress, HTMX).headers["hx-redirect"] == "/live/?query=a+bird"
    assert len(links(browser.get("/?query=a+bird&cutoff=off").body, "/pictures/")) == 50


def test_who_has_the_samples_is_offered_searches_that_find_them_with_the_cut() -> None:
    adapters = FakeAdapters.fresh()
    dashboard = FakeDashboard(services_on(adapters))
    browser = dashboard.signed_in(plan="business")
    assert browser.account is not None
    browser.post("/samples")
    (collection,) = dashboard.services.collections.all(browser.account.uuid)
    complete_all(adapters, dashboard, collection)
    offered = links(browser.get("/").body, "/?query=")
    assert offered == [f"/?query={each.replace(' ', '+')}" for each in sample_texts()]
    world = PictureWorld()
    world.put("red-fox.jpg")
    assert links(world.get("/").body, "/?query=")[0] == "/?query=red+fox&cutoff=off"


def complete_all(adapters: FakeAdapters, dashboard: FakeDashboard, collection: Collection) -> None:
    pending = adapters.quota_ledger.pending_uploads(
        collection.account, collection.uuid, "uploads", after=None, limit=100
    )
    for upload in pending.uploads:
        dashboard.services.uploads.complete(collection, upload.id)


def test_samples_that_were_deleted_one_by_one_are_added_again() -> None:
    adapters = FakeAdapters.fresh()
    dashboard = FakeDashboard(services_on(adapters))
    browser = dashboard.signed_in(plan="business")
    assert browser.account is not None
    progress = browser.post("/samples").location
    (collection,) = dashboard.services.collections.all(browser.account.uuid)
    complete_all(adapters, dashboard, collection)
    for record in list(adapters.catalogue.page(collection.uuid, None, after=None, limit=100).records):
        dashboard.services.files.delete(browser.account.uuid, record.uuid)
    assert browser.get(progress).location == "/", "nothing is waited for"
    assert text("first_run.not_added") in words(browser.get("/").body)
    assert browser.post("/samples").location == progress
    complete_all(adapters, dashboard, collection)
    assert len(links(browser.get("/?query=a+bird&cutoff=off").body, "/pictures/")) == 50


def test_an_account_whose_uploads_of_the_month_are_used_up_is_told_so_and_gets_no_empty_collection() -> None:
    adapters = FakeAdapters.fresh()
    dashboard = FakeDashboard(services_on(adapters))
    browser = dashboard.signed_in(plan="free")
    assert browser.account is not None
    browser.post("/samples")
    (collection,) = dashboard.services.collections.all(browser.account.uuid)
    complete_all(adapters, dashboard, collection)
    dashboard.services.deletion.begin(collection)
    answer = browser.post("/samples")
    assert answer.status == 403
    assert "uploads a month" in words(answer.body)
    assert dashboard.services.collections.all(browser.account.uuid) == []


def test_a_picture_among_the_samples_is_shown_in_its_shape(dashboard: FakeDashboard) -> None:
    browser = dashboard.signed_in()
    assert {name for name, _, _ in SHOWN} <= set(sample_names())
    answer = browser.get(f"/samples/photos/{SHOWN[0][0]}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert (answer.headers["vary"], answer.cookies) == ("Accept-Encoding", [])
    for wrong in ("nothing.jpg", "..%2Fsamples.json", "samples.json"):
        assert browser.get(f"/samples/photos/{wrong}").status == 404


def test_another_accounts_samples_are_not_there(dashboard: FakeDashboard) -> None:
    progress = dashboard.signed_in(plan="business").post("/samples").location
    assert dashboard.signed_in("Jo").get(progress).status == 404
