"""The pages about collections, in every state that a collection can be in."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.dashboard.texts import text
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.files import FileState
from chalicelib.domain.selection import DEFAULT_EXCLUDE
from chalicelib.domain.syncs import Progress, Tally
from tests.factories import LEASE, NOW, a_collection, a_record
from tests.fakes.application import FakeAdapters
from tests.fakes.pages import FakeBrowser, FakeDashboard

Make = Callable[..., Collection]
FRAGMENT = {"hx-request": "true"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "مجلد\u202e gpj",
    "a" * 100,
    "{{ 7 * 7 }}",
    "'&\"",
]


@pytest.fixture
def browser(dashboard: FakeDashboard) -> FakeBrowser:
    return dashboard.signed_in(plan="business")


@pytest.fixture
def make(browser: FakeBrowser, adapters: FakeAdapters) -> Make:
    """Makes a collection of the account."""

    def made(**fields: Any) -> Collection:
        assert browser.account is not None
        collection = a_collection(account=browser.account.uuid, **fields)
        adapters.collections.add(collection)
        adapters.sources.bucket(collection.bucket)
        return collection

    return made


def shown(body: str) -> str:
    """The words of a page, without its elements."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body)))


def syncing(**progress: Any) -> SyncState:
    return SyncState(
        status=SyncStatus.IN_PROGRESS,
        id="s",
        trigger=Trigger.MANUAL,
        lease_until=LEASE,
        started_at=NOW - timedelta(minutes=2),
        progress=Progress(**progress),
    )


def test_an_account_without_collections_is_told_how_to_begin(browser: FakeBrowser) -> None:
    page = browser.get("/collections").body

    assert text("collections.none") in page
    assert "/live/collections/connect" in page
    assert "/live/collections/new" in page


STATES: list[tuple[str, SyncState, str]] = [
    ("pending", SyncState(), "Not synced yet"),
    ("up to date", SyncState(status=SyncStatus.COMPLETED, last_sync=NOW), "Up to date"),
    (
        "failed",
        SyncState(status=SyncStatus.FAILED, reason="The role can no longer be assumed."),
        "no longer be assumed",
    ),
    ("stalled", replace(syncing(), lease_until=NOW - timedelta(hours=1)), text("collections.stalled")),
    ("cancelled", SyncState(status=SyncStatus.CANCELLED, last_sync=NOW), "Cancelled"),
    (
        "asks",
        SyncState(status=SyncStatus.NEEDS_CONFIRMATION, progress=Progress(to_remove=1204)),
        "1,204",
    ),
    ("lists", syncing(listed=31870), "31,870 of 51,340 looked at"),
]


@pytest.mark.parametrize(("sync", "words"), [each[1:] for each in STATES], ids=[each[0] for each in STATES])
def test_the_list_and_the_page_of_a_collection_say_its_state(
    browser: FakeBrowser, make: Make, sync: SyncState, words: str
) -> None:
    collection = make(sync=sync, total_files=51340)
    listed, page = browser.get("/collections").body, browser.get(f"/collections/{collection.uuid}").body

    assert words in shown(listed)
    assert words in shown(page)
    for body in (listed, page):
        assert ("every " in body) is (sync.status_at(NOW) is SyncStatus.IN_PROGRESS), (
            "only a running sync is looked after"
        )


def test_a_running_sync_says_how_fast_it_is_and_how_long_it_takes(browser: FakeBrowser, make: Make) -> None:
    collection = make(sync=replace(syncing(listed=900, to_do=600, tally=Tally(done=290, failed=10)), listed=True))
    answer = browser.get(f"/collections/{collection.uuid}/sync", {"hx-request": "true"})

    assert "<html" not in answer.body
    assert 'max="600" value="300"' in answer.body
    words = shown(answer.body)
    assert "300 of 600 new or changed pictures read" in words
    assert "About 2 minutes left" in words
    assert "2 a second" in words
    assert re.search(r"Failed\s+10\b", words)


def test_a_syncs_tenths_and_its_end_are_said_once(browser: FakeBrowser, make: Make, adapters: FakeAdapters) -> None:
    collection = make(sync=replace(syncing(to_do=600, tally=Tally(done=300)), listed=True))
    path, part = f"/collections/{collection.uuid}/sync", {"hx-request": "true"}

    assert "sync?tenth=5" in browser.get(path, part).body
    assert "sync-said" not in browser.get(f"{path}?tenth=5", part).body
    assert "50 % done" in browser.get(f"{path}?tenth=4", part).body
    watched = f"/collections?syncing={collection.uuid}"
    assert watched.partition("?")[2] in browser.get("/collections").body
    assert "collections-said" not in browser.get(watched, part).body
    adapters.collections.put(replace(collection, sync=SyncState(status=SyncStatus.COMPLETED, last_sync=NOW)))
    assert 'hx-swap-oob="innerHTML">Up to date' in browser.get(f"{path}?tenth=9", part).body
    assert f"{collection.name}: Up to date" in browser.get(watched, part).body


def test_a_first_sync_that_lists_shows_no_end_that_nobody_knows(browser: FakeBrowser, make: Make) -> None:
    collection = make(sync=syncing(listed=1200))

    page = browser.get(f"/collections/{collection.uuid}").body
    assert "1,200 looked at" in shown(page)
    assert "<progress aria-label" in page
    assert "left" not in shown(page).partition("Files")[0]


def test_a_sync_is_started_looked_at_and_cancelled(browser: FakeBrowser, make: Make, adapters: FakeAdapters) -> None:
    collection = make()
    path = f"/collections/{collection.uuid}"

    started = browser.post(f"{path}/sync", {"do": "start"})
    assert (started.status, started.location) == (303, path)
    assert "Syncing" in shown(browser.get(path).body)
    again = browser.post(f"{path}/sync", {"do": "start"})
    assert again.status == 409
    part = browser.post(f"{path}/sync", {"do": "cancel"}, {"hx-request": "true"})
    assert part.status == 200
    assert "Cancelled" in shown(part.body)
    assert text("collections.sync_cancelled") in part.body
    stored = adapters.collections.get(collection.account, collection.uuid)
    assert stored.sync.status is SyncStatus.CANCELLED


def test_a_preview_says_what_a_sync_would_do_and_does_nothing(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters
) -> None:
    collection = make()
    adapters.sources.bucket(collection.bucket).put("pictures/new.jpg", b"picture")
    adapters.catalogue.save(a_record(collection, "pictures/gone.jpg"), None)

    page = browser.post(f"/collections/{collection.uuid}/sync", {"do": "preview"})
    assert page.status == 200
    words = shown(page.body)
    assert re.search(r"New\s+1\b", words)
    assert re.search(r"Would go\s+1\b", words)
    assert "new.jpg" in words
    assert "gone.jpg" in words
    assert adapters.collections.get(collection.account, collection.uuid).sync == SyncState()
    assert "gone.jpg" in shown(page.body).partition(text("collections.find"))[0], "the files stand below it"
    part = browser.post(f"/collections/{collection.uuid}/sync", {"do": "preview"}, FRAGMENT)
    assert (
        '<p id="sync-said" hx-swap-oob="innerHTML">What a sync would do now: 1 new, 0 changed, 1 would go.' in part.body
    )
    assert browser.get(f"/collections/{collection.uuid}/sync").location == f"/collections/{collection.uuid}"


def test_removals_are_shown_and_removed_only_when_one_says_so(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters
) -> None:
    sync = SyncState(status=SyncStatus.NEEDS_CONFIRMATION, progress=Progress(to_remove=1))
    collection = make(sync=sync)
    adapters.catalogue.save(a_record(collection, "pictures/gone.jpg"), None)
    path = f"/collections/{collection.uuid}"

    words = shown(browser.get(path).body)
    assert "1 of 1 pictures is no longer in the bucket" in words
    assert "Remove 1 picture " in words
    assert "1 picture would go" in shown(browser.get("/collections").body)

    part = browser.get(f"{path}/removals", {"hx-request": "true"}).body
    assert 'alt="gone.jpg"' in part
    assert "<html" not in part
    assert browser.get(f"{path}/removals").body.count('id="examples"') == 1
    assert browser.post(f"{path}/sync", {"do": "remove"}).status == 303
    stored = adapters.collections.get(collection.account, collection.uuid)
    assert (stored.sync.status, stored.sync.confirmed) == (SyncStatus.IN_PROGRESS, True)


def test_files_are_listed_by_state_with_their_reasons(browser: FakeBrowser, make: Make, adapters: FakeAdapters) -> None:
    collection = make()
    record = a_record(collection, "pictures/2024/kenya/owl.jpg")
    adapters.catalogue.save(record, None)
    failed = a_record(collection, "pictures/cut.jpg", embedding=None, state=FileState.FAILED, reason="truncated_image")
    adapters.catalogue.save(failed, None)
    path = f"/collections/{collection.uuid}"

    page = browser.get(path).body
    assert f"/live/pictures/{record.uuid}" in page
    assert f"/media/{collection.uuid}/{record.uuid}.jpg?" in page
    assert "2024/kenya/" in page
    assert "Cut off" in page
    only_failed = shown(browser.get(f"{path}?state=failed&reason=truncated_image").body)
    assert "cut.jpg" in only_failed
    assert "owl.jpg" not in only_failed
    assert text("collections.none_such") in browser.get(f"{path}?state=failed&reason=empty").body
    assert browser.get(f"{path}?state=x&sort=y&cursor=z").status == 200, "an old link still shows the files"


def test_a_long_list_goes_on_behind_its_last_file(browser: FakeBrowser, make: Make, adapters: FakeAdapters) -> None:
    collection = make()
    for number in range(60):
        adapters.catalogue.save(a_record(collection, f"pictures/{number:03}.jpg"), None)
    path = f"/collections/{collection.uuid}"

    first = browser.get(path).body
    more = re.search(r'href="/live(/collections/[^"]*cursor=[^"]*)"', first)
    assert more is not None
    assert first.count('class="thumb"') == 50
    second = browser.get(html.unescape(more[1])).body
    assert second.count('class="thumb"') == 10
    assert "cursor=" not in second


def test_files_are_found_by_a_part_of_their_name_or_by_their_folder(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters
) -> None:
    collection = make()
    path = f"/collections/{collection.uuid}"

    for query in ("path=owl", "path=2024/", "sort=taken", "sort=size&state=indexed", "path=x&state=failed"):
        answer = browser.get(f"{path}?{query}", FRAGMENT)
        assert answer.status == 200
        words = text("collections.none_such") if "path=" in query or "state=" in query else text("collections.no_files")
        assert answer.body.count(words) == 2
        assert f'<p id="tab-said" hx-swap-oob="innerHTML">{words}</p>' in answer.body


def test_failures_stand_by_reason_and_are_looked_at_again(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters
) -> None:
    collection = make()
    for number, reason in enumerate(["archived", "archived", "archived", "archived", "empty", "unheard_of"]):
        key = f"pictures/{number}.jpg"
        adapters.catalogue.save(a_record(collection, key, embedding=None, state=FileState.FAILED, reason=reason), None)
    path = f"/collections/{collection.uuid}/failures"

    page = browser.get(path).body
    words = shown(page)
    assert re.search(r"Archived\s+4", words)
    assert "Restore them in S3, then look again." in words
    assert "Show all 4" in words
    assert words.index("Archived") < words.index("Empty")
    assert "Could not be read (unheard_of)" in words
    assert browser.post(path, {"reason": "archived"}).location == path
    assert [len(batch.hints) for batch in adapters.queues.changes] == [4]
    assert "Archived" not in shown(browser.get(path).body)
    browser.post(path)
    assert text("collections.nothing_failed") in browser.get(path).body


def test_a_key_is_explained(browser: FakeBrowser, make: Make, adapters: FakeAdapters) -> None:
    collection = make()
    adapters.sources.bucket(collection.bucket).put("pictures/new.jpg", b"picture")
    path = f"/collections/{collection.uuid}/explain"

    assert text("collections.what_follows") not in browser.get(path).body
    there = shown(browser.get(f"{path}?key=pictures/new.jpg").body)
    assert text("collections.is_not_found") in there
    assert "has not been indexed yet" in there
    assert text("collections.is_missing") in shown(browser.get(f"{path}?key=pictures/none.jpg").body)
    part = browser.get(f"{path}?key=pictures/none.jpg", FRAGMENT).body
    assert f'<p id="tab-said" hx-swap-oob="innerHTML">{text("collections.is_missing")}</p>' in part
    assert browser.get(f"{path}?key={'x' * 2000}").status == 400


def test_an_explained_failure_is_looked_at_again_alone(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters
) -> None:
    collection = make()
    for name in ("cut.jpg", "other.jpg"):
        key = f"pictures/{name}"
        adapters.sources.bucket(collection.bucket).put(key, b"cut")
        record = a_record(collection, key, embedding=None, state=FileState.FAILED, reason="truncated_image")
        adapters.catalogue.save(record, None)
    path = f"/collections/{collection.uuid}"

    page = browser.get(f"{path}/explain?key=pictures/cut.jpg").body
    picked = re.search(r'name="picked" value="([^"]+)"', page)
    assert picked is not None
    assert "Cut off" in page
    assert browser.post(f"{path}/failures", {"picked": picked[1]}).status == 303
    assert [hint.key for batch in adapters.queues.changes for hint in batch.hints] == ["pictures/cut.jpg"]
    assert browser.post(f"{path}/failures", {"picked": picked[1]}).status == 409


def stored_settings(collection: Collection, **changes: str) -> dict[str, str]:
    return {
        "name": collection.name,
        "auto": collection.auto_sync.value,
        "hour": "",
        "include": "\n".join(collection.include),
        "exclude": "\n".join(collection.exclude),
        "role": collection.role_arn or "",
        "do": "save",
    } | changes


def test_settings_are_shown_and_saved(browser: FakeBrowser, make: Make, adapters: FakeAdapters) -> None:
    collection = make()
    path = f"/collections/{collection.uuid}/settings"

    page = browser.get(path).body
    assert all(html.escape(pattern) in page or pattern in html.unescape(page) for pattern in DEFAULT_EXCLUDE)
    form = stored_settings(collection, name="Birds", auto="daily", hour="7", include="*.jpg\r\n\r\n")
    answer = browser.post(path, form)
    assert (answer.status, answer.location) == (303, path)
    changed = adapters.collections.get(collection.account, collection.uuid)
    assert (changed.name, changed.auto_sync.value, changed.auto_sync_at) == ("Birds", "daily", 7)
    assert (changed.include, changed.exclude) == (("*.jpg",), DEFAULT_EXCLUDE)
    assert adapters.access_checker.checked == [], "a role that stays is not checked again"


@pytest.mark.parametrize(
    ("field", "value"), [("name", " "), ("exclude", "*/[*\n#"), ("role", "me"), ("auto", "hourly"), ("hour", "24")]
)
def test_a_setting_that_is_wrong_is_named_and_nothing_is_lost(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters, field: str, value: str
) -> None:
    collection = make()
    path = f"/collections/{collection.uuid}/settings"

    answer = browser.post(path, stored_settings(collection, include="keep/me/*", **{field: value}))
    assert answer.status == 400
    assert 'class="wrong"' in answer.body
    assert "keep/me/*" in answer.body
    assert adapters.collections.get(collection.account, collection.uuid) == collection


def test_patterns_show_what_they_change_before_they_are_saved(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters
) -> None:
    collection = make()
    bucket = adapters.sources.bucket(collection.bucket)
    for key in ("a.jpg", "b.png"):
        bucket.put(f"pictures/{key}", b"picture")
    adapters.catalogue.save(a_record(collection, "pictures/old.gif"), None)

    answer = browser.post(
        f"/collections/{collection.uuid}/settings", stored_settings(collection, include="*.jpg", do="effect")
    )
    assert "0 pictures stay, 1 go, 1 are new" in shown(answer.body)
    assert "tab-said" not in answer.body.partition('id="tab"')[2].partition("</section>")[0]
    part = browser.post(
        f"/collections/{collection.uuid}/settings", stored_settings(collection, include="*.jpg", do="effect"), FRAGMENT
    )
    assert '<p id="tab-said" hx-swap-oob="innerHTML">With these patterns 0 pictures stay, 1 go, 1 are new.' in part.body
    assert "old.gif" in answer.body
    assert adapters.collections.get(collection.account, collection.uuid).include == ()


def test_a_plan_with_syncs_by_hand_only_says_so(dashboard: FakeDashboard, adapters: FakeAdapters) -> None:
    browser = dashboard.signed_in("Free", plan="free")
    assert browser.account is not None
    collection = a_collection(account=browser.account.uuid)
    adapters.collections.add(collection)
    path = f"/collections/{collection.uuid}/settings"

    page = browser.get(path).body
    assert text("collections.interval_plan") in page
    assert page.count("disabled") == 3
    refused = browser.post(path, stored_settings(collection, auto="daily"))
    assert refused.status == 403
    assert "has no daily syncs" in refused.body


def test_a_collection_is_deleted_by_typing_its_name_alone(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters
) -> None:
    collection = make(name="Ferien")
    path = f"/collections/{collection.uuid}"

    wrong = browser.post(f"{path}/delete", {"typed": "ferien"})
    assert wrong.status == 400
    assert text("collections.type_name_wrong") in wrong.body
    assert browser.post(f"{path}/delete", {"typed": "Ferien"}).location == "/collections"
    assert text("collections.deleted") in browser.get("/collections").body
    assert browser.get(path).status == 404


def test_a_managed_collection_is_made_by_its_name(browser: FakeBrowser, adapters: FakeAdapters) -> None:
    assert browser.post("/collections/new", {"name": " "}).status == 400
    made = browser.post("/collections/new", {"name": "Uploads"})
    assert browser.account is not None
    (collection,) = adapters.collections.of_account(browser.account.uuid)
    assert made.location == f"/collections/{collection.uuid}/upload"
    page = browser.get(f"/collections/{collection.uuid}").body
    assert text("collections.managed_state") in page
    assert "Sync now" not in page
    assert 'name="role"' not in browser.get(f"/collections/{collection.uuid}/settings").body


@pytest.mark.parametrize("tab", ["", "/failures", "/explain", "/settings", "/sync", "/removals"])
def test_another_accounts_collection_is_not_there(
    dashboard: FakeDashboard, make: Make, adapters: FakeAdapters, tab: str
) -> None:
    collection = make()
    stranger = dashboard.signed_in("Somebody else", plan="business")

    assert stranger.get(f"/collections/{collection.uuid}{tab}").status == 404
    for path, form in (
        ("/sync", {"do": "start"}),
        ("/settings", {"name": "x"}),
        ("/delete", {"typed": collection.name}),
        ("/failures", {}),
    ):
        assert stranger.post(f"/collections/{collection.uuid}{path}", form).status == 404
    assert adapters.collections.get(collection.account, collection.uuid) == collection


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes, and its text; those of names' parts are left out."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.words = ""
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("span", "bdi"):
            self.found.append((tag, *(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60))
def test_names_of_collections_and_files_are_text_on_every_page(
    browser: FakeBrowser, make: Make, adapters: FakeAdapters, name: str
) -> None:
    pages = []
    for each in ("harmless", name):
        collection, file = make(name=each), each.replace("/", "_")
        adapters.catalogue.save(a_record(collection, f"pictures/folder/{file}"), None)
        failed = a_record(collection, f"pictures/later/{file}", embedding=None, state=FileState.FAILED, reason="empty")
        adapters.catalogue.save(failed, None)
        here = f"/collections/{collection.uuid}"
        paths = ["/collections", here, f"{here}/failures", f"{here}/settings"]
        pages.append([Elements(browser.get(path).body) for path in paths])
        adapters.collections.stored.pop((collection.account, collection.uuid))

    for harmless, hostile in zip(*pages, strict=True):
        assert hostile.found == harmless.found
        assert name in hostile.words
