"""A web page of another origin, in Chromium: it searches, shows pictures and uploads; a page elsewhere is refused."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller

PICTURE = SAMPLES / "photos" / "owl.jpg"


class PageServer:
    """Serves the page and a picture on two origins, of which a token is bound to the first."""

    def __init__(self, folder: Path) -> None:
        (folder / "index.html").write_bytes(Path(__file__).with_name("page.html").read_bytes())
        (folder / "owl.jpg").write_bytes(PICTURE.read_bytes())
        handler = partial(_QuietHandler, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        port = self.server.server_address[1]
        self.origin, self.other_origin = f"http://127.0.0.1:{port}", f"http://localhost:{port}"


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    pages = PageServer(tmp_path_factory.mktemp("page"))
    Thread(target=pages.server.serve_forever, args=(0.05,), daemon=True).start()
    yield pages
    pages.server.shutdown()
    pages.server.server_close()


@pytest.fixture
def page(browser: Browser, pages: PageServer) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(pages.origin)
    yield page
    page.close()


@pytest.fixture(scope="module")
def api(stack: LocalSystem) -> Caller:
    return Caller(stack.api_url, stack.token)


@pytest.fixture(scope="module")
def page_token(api: Caller, stack: LocalSystem, pages: PageServer) -> str:
    body = {"name": "page", "scope": "search", "collections": [stack.collection], "origins": [pages.origin]}
    return str(api.result("POST", "/api/tokens/", json=body)["secret"])


def run(page: Page, function: str, *arguments: str) -> Any:
    """What a function of the page's script returns; an exception there fails the test."""
    return page.evaluate(f"arguments => {function}(...arguments)", list(arguments))


def test_a_page_searches_by_text_and_shows_thumbnails_and_originals(
    page: Page, api: Caller, stack: LocalSystem, page_token: str
) -> None:
    answer = run(page, "searchByText", api.base_url, page_token, "an owl")
    assert answer["status"] == 200
    assert answer["id"]
    files = answer["result"]["files"]
    assert len(files) == 4
    assert {file["thumbnail"].split("/")[-2] for file in files} == {stack.collection}
    for file in files:
        shown = [run(page, "show", f"{file['thumbnail']}{size}") for size in ("", "&size=256", "&size=1024")]
        assert shown[1] == 256
        assert 256 < shown[0] <= 512 or shown[0] == shown[2] <= 512
    assert run(page, "show", f"{files[0]['download_url']}&inline=1") >= shown[0]


def test_a_page_searches_by_picture(page: Page, api: Caller, pages: PageServer, page_token: str) -> None:
    answer = run(page, "searchByPicture", api.base_url, page_token, f"{pages.origin}/owl.jpg")
    assert answer["status"] == 200
    assert [(file["file_name"], file["distance"]) for file in answer["result"]["files"]] == [("owl.jpg", 0.0)]


def test_a_page_of_another_origin_is_refused_and_reads_why(
    browser: Browser, api: Caller, pages: PageServer, page_token: str
) -> None:
    page = browser.new_page()
    page.goto(pages.other_origin)
    answer = run(page, "searchByText", api.base_url, page_token, "an owl")
    page.close()
    assert (answer["status"], answer["info"]["error"]) == (403, "origin_forbids")


def test_a_page_uploads_to_the_storage_itself(page: Page, api: Caller, stack: LocalSystem, pages: PageServer) -> None:
    collection = api.create_managed_collection("from a page")
    uploaded = run(page, "upload", api.base_url, stack.token, collection, f"{pages.origin}/owl.jpg")
    assert (uploaded["prepared"], uploaded["completed"]["status"]) == (201, 201)
    assert uploaded["stored"] in (200, 201, 204)
    (file,) = api.result("GET", f"/api/collections/{collection}/files/")["files"]
    assert (file["file_name"], file["state"]) == ("from-a-page.jpg", "indexed")
    assert run(page, "show", file["thumbnail"]) <= 512
    assert api("DELETE", f"/api/collections/{collection}/").ok
