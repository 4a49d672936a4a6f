"""The OpenAPI document of the deployed API, and the API held to it: every answer is one that the document has."""

import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chalicelib.domain.accounts import Scope
from infra.local_system import LocalSystem
from tests.e2e.harness import Caller, ManagedCollection, picture

SEED = "20261124"
# Not asked: whether a request without a token is answered 401. The contract says 403, and test_isolation asks for it.
LEFT_OUT = "missing_required_header"
SETTINGS = """
[checks.positive_data_acceptance]
# What no schema can say: bytes that are no picture, another list's cursor, a role that cannot be assumed, a full plan.
expected-statuses = ["2xx", 302, 400, 403, 404, 409, 413, 415, 429]

[checks.negative_data_rejection]
expected-statuses = [400, 403, 404, 405, 409, 413, 415, 429]
"""
# Where a made-up identifier would only ever be answered 404; what deletes is left to those.
THINGS = """
[[operations]]
include-path-regex = "^{path}"
exclude-method = "DELETE"
parameters = {{ {parameters} }}
"""


@pytest.fixture
def schemathesis(tmp_path: Path, stack: LocalSystem) -> Callable[..., str]:
    def run(*options: str, settings: str = SETTINGS) -> str:
        (tmp_path / "settings.toml").write_text(settings)
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", "settings.toml", "run"]
        command += [
            f"{stack.api_url}/api/openapi.json",
            "--checks=all",
            f"--exclude-checks={LEFT_OUT}",
            f"--seed={SEED}",
        ]
        command += ["--max-redirects=0", "--generation-database=none", "--suppress-health-check=all", "--no-color"]
        done = subprocess.run(
            [*command, *options, "--continue-on-failure"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_whoever_may_do_everything_gets_only_answers_of_the_document(
    schemathesis: Callable[..., str], new_account: Callable[..., Caller]
) -> None:
    managed = ManagedCollection(new_account())
    managed.upload("owl.jpg", picture("owl.jpg"))
    file = managed.files()["owl.jpg"]["uuid"]
    things = [
        ("/api/collections/\\\\{uuid\\\\}", f'"path.uuid" = "{managed.uuid}"'),
        ("/(api/files|collections/download)/", f'"path.uuid" = "{file}"'),
        ("/media/", f'"path.collection" = "{managed.uuid}", "path.file" = "{file}.jpg"'),
    ]
    settings = SETTINGS + "".join(THINGS.format(path=path, parameters=named) for path, named in things)
    header = f"--header=Authorization: Token {managed.caller.token}"
    told = schemathesis(header, "--phases=examples,coverage,fuzzing", "--max-examples=8", settings=settings)
    missed = told.partition("Missing test data")[2]
    for used in (
        "GET /api/collections/{uuid}/files/",
        "GET /api/files/{uuid}/similar/",
        "GET /media/{collection}/{file}",
    ):
        assert used not in missed, "it was asked for things that are there"
    assert managed.caller("GET", "/api/account/").status_code == 200


def test_whoever_has_no_token_is_refused_in_words_of_the_document(schemathesis: Callable[..., str]) -> None:
    schemathesis("--phases=examples,fuzzing", "--max-examples=3")


def test_whoever_may_only_read_gets_only_answers_of_the_document(
    schemathesis: Callable[..., str], new_account: Callable[..., Caller]
) -> None:
    reader = new_account(scope=Scope.READ)
    schemathesis(f"--header=Authorization: Token {reader.token}", "--phases=examples,fuzzing", "--max-examples=3")


def test_the_document_is_for_everybody_and_names_where_it_is(anonymous: Caller, stack: LocalSystem) -> None:
    answer = anonymous("GET", "/api/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["openapi"] == "3.1.0"
    assert answer.json()["servers"] == [{"url": stack.api_url}]


class Page(HTMLParser):
    """What a page has by the names of its elements, and what it would load from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors |= {attributes["id"]} if attributes.get("id") else set()
        if tag == "a":
            self.links.append(attributes["href"] or "")
        if tag in ("script", "link", "img", "iframe") or "src" in attributes:
            self.loaded.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_page_has_every_call_and_needs_nothing_from_elsewhere(anonymous: Caller, slash: str) -> None:
    answer = anonymous("GET", f"/api/docs{slash}", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page, document = Page(answer.text), anonymous("GET", "/api/openapi.json").json()
    assert page.loaded == []
    assert "@import" not in answer.text
    assert "url(" not in answer.text
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.anchors
    for path, methods in document["paths"].items():
        assert path in page.words
        assert {operation["operationId"] for operation in methods.values()} <= page.anchors
