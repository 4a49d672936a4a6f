"""The deployed API against its OpenAPI document: every response conforms to the document."""

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from chalicelib.domain.accounts import Scope
from infra.local_system import LocalSystem
from tests.e2e.harness import Caller, ManagedCollection, picture

SEED = "20261124"
# It expects 401 for a request without a token. The contract says 403, and test_isolation checks that.
EXCLUDED_CHECK = "missing_required_header"
SETTINGS = f"""
hooks = "{Path(__file__).with_name("closed_answers.py")}"

[checks.positive_data_acceptance]
# A schema cannot express: bytes that are no picture, another list's cursor, a role that cannot be assumed, a full plan.
expected-statuses = ["2xx", 302, 400, 403, 404, 409, 413, 415, 429]

[checks.negative_data_rejection]
expected-statuses = [400, 403, 404, 405, 409, 413, 415, 429]

[phases]  # else deletions take the identifiers of other calls' responses
examples.extra-data-sources.responses = false
coverage.extra-data-sources.responses = false
fuzzing.extra-data-sources.responses = false
"""
# Paths where a generated identifier would always return 404. Deletions keep to generated ones, and so do changes of a
# file: one of its path gives it another identifier.
EXISTING_RESOURCES = """
[[operations]]
include-path-regex = "^{path}"
exclude-method = {excluded}
parameters = {{ {parameters} }}
"""


# What the code takes beside the one shape that the document has for generators: a sync's options that are null, as
# clients in Java send them, and a filter's single values.
TAKEN_BESIDE = """
[[operations]]
include-operation-id = ["startSync", "searchByTerms"]
checks.negative_data_rejection.expected-statuses = [200, 202, 400, 403, 404, 405, 409, 413, 415, 429]
"""


@pytest.fixture
def schemathesis(tmp_path: Path, stack: LocalSystem) -> Callable[..., str]:
    def run(*options: str, settings: str = SETTINGS) -> str:
        (tmp_path / "settings.toml").write_text(settings + TAKEN_BESIDE)
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", "settings.toml", "run"]
        command += [
            f"{stack.api_url}/api/openapi.json",
            "--checks=all",
            f"--exclude-checks={EXCLUDED_CHECK}",
            f"--seed={SEED}",
        ]
        command += ["--max-redirects=0", "--generation-database=none", "--suppress-health-check=all", "--no-color"]
        process = subprocess.run(
            [*command, *options, "--continue-on-failure"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    return run


def test_every_response_to_a_token_with_all_rights_conforms_to_the_document(
    schemathesis: Callable[..., str], new_account: Callable[..., Caller]
) -> None:
    managed = ManagedCollection(new_account())
    managed.upload("owl.jpg", picture("owl.jpg"))
    shown = managed.files()["owl.jpg"]
    file, link = shown["uuid"], dict(parse_qsl(urlsplit(shown["thumbnail"]).query))
    signed = f'"query.expires" = {link["expires"]}, "query.signature" = "{link["signature"]}"'
    resources = [
        ("/api/collections/\\\\{uuid\\\\}", f'"path.uuid" = "{managed.uuid}"'),
        ("/(api/files|collections/download)/", f'"path.uuid" = "{file}"'),
        ("/media/", f'"path.collection" = "{managed.uuid}", "path.file" = "{file}.jpg", {signed}'),
    ]
    settings = SETTINGS + "".join(
        EXISTING_RESOURCES.format(
            path=path, parameters=named, excluded=["DELETE", *(["PATCH"] if "files" in path else [])]
        )
        for path, named in resources
    )
    header = f"--header=Authorization: Token {managed.caller.token}"
    output = schemathesis(header, "--phases=examples,coverage,fuzzing", "--max-examples=8", settings=settings)
    missed = output.partition("Missing test data")[2].partition("Schema validation mismatch")[0]
    for operation in (
        "GET /api/collections/{uuid}/files/",
        "GET /api/files/{uuid}/similar/",
        "GET /media/{collection}/{file}",
    ):
        assert operation not in missed, f"it was not called with existing resources:{missed}"
    assert managed.caller("GET", "/api/account/").status_code == 200


def test_every_response_along_the_links_of_the_document_conforms_to_it(
    schemathesis: Callable[..., str], new_account: Callable[..., Caller]
) -> None:
    managed = ManagedCollection(new_account())
    managed.upload("owl.jpg", picture("owl.jpg"))
    header = f"--header=Authorization: Token {managed.caller.token}"
    # Without deletions: nothing else could be followed afterwards.
    output = schemathesis(header, "--phases=stateful", "--max-examples=12", "--exclude-method=DELETE")
    followed = re.search(r"API Links: +(\d+) covered", output)
    assert followed is not None
    assert int(followed[1]) >= 3, output


def test_every_response_without_a_token_conforms_to_the_document(schemathesis: Callable[..., str]) -> None:
    schemathesis("--phases=examples,fuzzing", "--max-examples=3")


def test_every_response_to_a_read_only_token_conforms_to_the_document(
    schemathesis: Callable[..., str], new_account: Callable[..., Caller]
) -> None:
    reader = new_account(scope=Scope.READ)
    schemathesis(f"--header=Authorization: Token {reader.token}", "--phases=examples,fuzzing", "--max-examples=3")


def test_no_text_that_json_can_escape_fails_on_our_side(
    schemathesis: Callable[..., str], new_account: Callable[..., Caller]
) -> None:
    # The strings of this codec have lone surrogates, which no URL can have; NUL is among those of every run.
    names = [f"--include-operation-id={name}" for name in ("createCollection", "checkBucket", "createToken")]
    options = ("--generation-codec=utf-7", "--phases=coverage,fuzzing", "--max-examples=30")
    schemathesis(f"--header=Authorization: Token {new_account().token}", *options, *names)


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
