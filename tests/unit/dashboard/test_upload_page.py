"""Uploads from a page: one file by a form, and many by the page's module, whose requests these are."""

import json
from typing import Any

import pytest

from chalicelib.dashboard.texts import text
from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.files import FileState
from tests.factories import a_collection
from tests.fakes.api import BOUNDARY, form_body, part
from tests.fakes.application import FakeAdapters
from tests.fakes.pages import HOST, Answer, FakeBrowser, FakeDashboard


@pytest.fixture
def browser(dashboard: FakeDashboard) -> FakeBrowser:
    return dashboard.signed_in(plan="business")


@pytest.fixture
def collection(browser: FakeBrowser, adapters: FakeAdapters) -> Collection:
    made = browser.post("/collections/new", {"name": "Uploads"})
    assert made.status == 303
    assert browser.account is not None
    (collection,) = adapters.collections.of_account(browser.account.uuid)
    return collection


def send_file(browser: FakeBrowser, collection: Collection, body: bytes, name: str = "owl.jpg") -> Answer:
    """The form without the module."""
    assert browser.key is not None
    parts = [part("csrf", browser.key.csrf_token.encode()), part("file", body, name)]
    headers = {"origin": f"https://{HOST}", "content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return browser.send("POST", f"/collections/{collection.uuid}/upload", headers, form_body(parts))


def call(browser: FakeBrowser, address: str, **form: str) -> tuple[int, Any]:
    """A request of the module."""
    answer = browser.post(address, form)
    assert answer.headers["content-type"] == "application/json"
    return answer.status, json.loads(answer.body)


def test_upload_leads_to_a_collection_that_takes_uploads_or_to_a_new_one(
    browser: FakeBrowser, adapters: FakeAdapters
) -> None:
    assert browser.account is not None
    adapters.collections.add(a_collection(account=browser.account.uuid))
    assert browser.get("/upload").location == "/collections/new"
    first = a_collection(account=browser.account.uuid, type=CollectionType.MANAGED, name="First")
    second = a_collection(account=browser.account.uuid, type=CollectionType.MANAGED, name="Second")
    for each in (first, second):
        adapters.collections.add(each)
    assert browser.get(f"/upload?collection={second.uuid}").location == f"/collections/{second.uuid}/upload"
    assert browser.get("/upload?collection=new").location == "/collections/new"
    page = browser.get(f"/collections/{second.uuid}/upload").body
    assert f'<option value="{second.uuid}" selected>' in page
    assert f'<option value="{first.uuid}">' in page


def test_one_picture_is_uploaded_by_a_form(
    browser: FakeBrowser, collection: Collection, adapters: FakeAdapters
) -> None:
    assert send_file(browser, collection, b"picture").status == 303
    assert text("uploads.one_done") in browser.get(f"/collections/{collection.uuid}/upload").body
    (record,) = adapters.catalogue.page(collection.uuid, None, after=None, limit=9).records
    assert (collection.path_of(record.key), record.state) == ("owl.jpg", FileState.INDEXED)


def test_a_refusal_stands_on_the_page_with_its_reason(browser: FakeBrowser, collection: Collection) -> None:
    refused = send_file(browser, collection, b"")
    assert refused.status == 400
    assert text("uploads.no_file") in refused.body
    too_large = send_file(browser, collection, bytes(4_500_001))
    assert too_large.status == 413
    assert 'role="alert"' in too_large.body


def test_a_connected_bucket_takes_no_uploads(browser: FakeBrowser, adapters: FakeAdapters) -> None:
    assert browser.account is not None
    connected = a_collection(account=browser.account.uuid)
    adapters.collections.add(connected)
    assert browser.get(f"/collections/{connected.uuid}/upload").status == 400
    status, body = call(
        browser, f"/collections/{connected.uuid}/uploads", path="a.jpg", size="7", mime_type="image/jpeg"
    )
    assert (status, body["error"]) == (400, "invalid_request")


def test_a_plan_without_uploads_says_so_and_names_the_other_way(
    dashboard: FakeDashboard, adapters: FakeAdapters
) -> None:
    browser = dashboard.signed_in("Free", plan="free")
    assert browser.account is not None
    managed = a_collection(account=browser.account.uuid, type=CollectionType.MANAGED)
    adapters.collections.add(managed)
    page = browser.get(f"/collections/{managed.uuid}/upload").body
    assert text("uploads.needs_pro") in page
    assert 'type="file"' not in page


def test_the_module_sends_a_file_in_two_steps_and_hears_of_duplicates(
    browser: FakeBrowser, collection: Collection, adapters: FakeAdapters
) -> None:
    uploads = f"/collections/{collection.uuid}/uploads"
    answers = []
    for path in ("2024/owl.jpg", "2024/owl.jpg"):
        status, prepared = call(browser, uploads, path=path, size="7", mime_type="image/jpeg")
        assert status == 200
        early, not_yet = call(browser, f"{uploads}/{prepared['id']}", do="complete")
        assert (early, not_yet["error"]) == (409, "upload_incomplete")
        adapters.sources.bucket("managed").put(prepared["fields"]["key"], b"picture")
        answers.append(call(browser, f"{uploads}/{prepared['id']}", do="complete"))
    (_, first), (_, second) = answers
    assert first["address"].startswith("/live/pictures/")
    assert f"/media/{collection.uuid}/" in first["thumbnail"]
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert second["address"] == first["address"]


def test_what_is_no_picture_is_refused_in_a_sentence(
    browser: FakeBrowser, collection: Collection, adapters: FakeAdapters
) -> None:
    uploads = f"/collections/{collection.uuid}/uploads"
    _, prepared = call(browser, uploads, path="notes.jpg", size="4", mime_type="image/jpeg")
    adapters.sources.bucket("managed").put(prepared["fields"]["key"], b"text")
    adapters.embedder.refuses = True
    status, body = call(browser, f"{uploads}/{prepared['id']}", do="complete")
    assert (status, body["error"]) == (400, "unreadable_picture")
    assert "could not be read as a picture" in body["message"]


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"path": "a.jpg", "size": "x", "mime_type": "image/jpeg"}, 400),
        ({"path": "", "size": "7", "mime_type": "image/jpeg"}, 400),
        ({"path": "../a.jpg", "size": "7", "mime_type": "image/jpeg"}, 400),
        ({"path": "a.txt", "size": "7", "mime_type": "text/plain"}, 415),
        ({"path": "a.jpg", "size": str(21 * 2**20), "mime_type": "image/jpeg"}, 413),
    ],
)
def test_what_is_announced_wrongly_is_refused(
    browser: FakeBrowser, collection: Collection, form: dict[str, str], status: int
) -> None:
    assert call(browser, f"/collections/{collection.uuid}/uploads", **form)[0] == status


def test_an_upload_is_cancelled_and_its_quota_is_free_again(
    browser: FakeBrowser, collection: Collection, dashboard: FakeDashboard
) -> None:
    uploads = f"/collections/{collection.uuid}/uploads"
    _, prepared = call(browser, uploads, path="a.jpg", size="7", mime_type="image/jpeg")
    assert browser.account is not None
    assert dashboard.services.accounts.usage(browser.account.uuid)["uploads_a_month"] == 1
    assert call(browser, f"{uploads}/{prepared['id']}", do="cancel") == (200, {})
    assert dashboard.services.accounts.usage(browser.account.uuid)["uploads_a_month"] == 0


def test_a_full_plan_ends_the_uploads_and_a_fast_user_waits(
    browser: FakeBrowser, collection: Collection, dashboard: FakeDashboard
) -> None:
    uploads = f"/collections/{collection.uuid}/uploads"
    form = {"path": "a.jpg", "size": str(20 * 2**20), "mime_type": "image/jpeg"}
    free = dashboard.signed_in("Nora Keller", plan="free")
    status, body = call(free, uploads, **form)
    assert (status, body["error"], body["ends"]) == (403, "quota_exceeded", True)
    answers = [browser.post(uploads, form) for _ in range(70)]
    limited = next(answer for answer in answers if answer.status == 429)
    assert int(limited.headers["retry-after"]) > 0
    assert json.loads(limited.body)["ends"] is False


def test_another_account_prepares_and_ends_nothing_here(
    browser: FakeBrowser, collection: Collection, dashboard: FakeDashboard
) -> None:
    uploads = f"/collections/{collection.uuid}/uploads"
    _, prepared = call(browser, uploads, path="a.jpg", size="7", mime_type="image/jpeg")
    stranger = dashboard.signed_in("Somebody else", plan="business")
    assert call(stranger, uploads, path="a.jpg", size="7", mime_type="image/jpeg")[0] == 404
    assert call(stranger, f"{uploads}/{prepared['id']}", do="cancel")[0] == 404
    assert stranger.get(f"/collections/{collection.uuid}/upload").status == 404


def test_the_page_may_reach_the_storage_and_no_other_place(browser: FakeBrowser, collection: Collection) -> None:
    policy = browser.get(f"/collections/{collection.uuid}/upload").headers["content-security-policy"]
    assert "connect-src 'self' fake-s3://managed" in policy
    assert browser.get("/collections").headers["content-security-policy"].count("fake-s3:") == 0
