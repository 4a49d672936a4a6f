"""The deployed API against its OpenAPI document: every answer conforms to the document.

These calls are few: the same tests of the API on fakes make many (``tests/integration/test_document.py``).
"""

import os
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chalicelib.domain.accounts import Scope
from infra.local_system import LocalSystem
from tests.document_calls import (
    ApiUnderTest,
    assert_existing_resources_were_called,
    assert_links_were_followed,
    existing_resources,
)
from tests.e2e.harness import Caller, ManagedCollection, picture

CALLS = int(os.environ.get("SIMILARIX_CALLS", "1"))  # of each kind to an operation; `make stress SUITE=document`: 8
PHASES = (f"--phases=examples,{'coverage,' if CALLS > 1 else ''}fuzzing", f"--max-examples={CALLS}")


@pytest.fixture
def called(stack: LocalSystem, tmp_path: Path) -> ApiUnderTest:
    return ApiUnderTest(stack.api_url, tmp_path)


@pytest.fixture
def managed(new_account: Callable[..., Caller]) -> ManagedCollection:
    """A collection with one file, of an account of its own."""
    managed = ManagedCollection(new_account())
    managed.upload("owl.jpg", picture("owl.jpg"))
    return managed


def test_every_answer_to_a_token_with_all_rights_conforms_to_the_document(
    called: ApiUnderTest, managed: ManagedCollection
) -> None:
    existing = existing_resources(managed.uuid, managed.files()["owl.jpg"])
    assert_existing_resources_were_called(called.call(managed.caller.token, *PHASES, existing=existing))
    assert managed.caller("GET", "/api/account/").status_code == 200


def test_every_answer_along_the_links_of_the_document_conforms_to_it(
    called: ApiUnderTest, managed: ManagedCollection
) -> None:
    # Without deletions: nothing else could be followed afterwards.
    options = ("--phases=stateful", f"--max-examples={4 * CALLS}", "--exclude-method=DELETE")
    assert_links_were_followed(called.call(managed.caller.token, *options))


def test_every_answer_without_a_token_conforms_to_the_document(called: ApiUnderTest) -> None:
    called.call(None, *PHASES)


def test_every_answer_to_a_read_only_token_conforms_to_the_document(
    called: ApiUnderTest, new_account: Callable[..., Caller]
) -> None:
    called.call(new_account(scope=Scope.READ).token, *PHASES)


def test_no_text_that_json_can_escape_fails_on_our_side(
    called: ApiUnderTest, new_account: Callable[..., Caller]
) -> None:
    # The strings of this codec have lone surrogates, which no URL can have; NUL is among those of every run.
    names = [f"--include-operation-id={name}" for name in ("createCollection", "checkBucket", "createToken")]
    options = ("--generation-codec=utf-7", "--phases=fuzzing", f"--max-examples={10 * CALLS}")
    called.call(new_account().token, *options, *names)


def test_document_needs_no_token_and_names_its_server(anonymous: Caller, stack: LocalSystem) -> None:
    response = anonymous("GET", "/api/openapi.json")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["openapi"] == "3.1.0"
    assert response.json()["servers"] == [{"url": stack.api_url}]


class Page(HTMLParser):
    """The anchors, links and text of a page, and the elements that would load something from elsewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors |= {attributes["id"]} if attributes.get("id") else set()
        if tag == "a":
            self.links.append(attributes["href"] or "")
        if tag in ("script", "link", "img", "iframe") or "src" in attributes:
            self.loaded.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("slash", ["", "/"])
def test_page_has_every_operation_and_loads_nothing_from_elsewhere(anonymous: Caller, slash: str) -> None:
    response = anonymous("GET", f"/api/docs{slash}", headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    page, document = Page(response.text), anonymous("GET", "/api/openapi.json").json()
    assert page.loaded == []
    assert "@import" not in response.text
    assert "url(" not in response.text
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.anchors
    for path, methods in document["paths"].items():
        assert path in page.text
        assert {operation["operationId"] for operation in methods.values()} <= page.anchors
