"""The API on fakes against its OpenAPI document: every answer conforms to the document.

End-to-end tests make fewer of these calls to the deployed API.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.domain.accounts import Scope
from tests.conftest import SAMPLES
from tests.document_calls import (
    ApiUnderTest,
    assert_existing_resources_were_called,
    assert_links_were_followed,
    existing_resources,
)
from tests.fakes.http_api import HttpApi
from tests.http_server import served
from tests.isolation import WIDEST_SCOPE


@pytest.fixture
def http_api() -> HttpApi:
    return HttpApi()


@pytest.fixture
def called(http_api: HttpApi, tmp_path: Path) -> Iterator[ApiUnderTest]:
    with served(http_api) as url:
        yield ApiUnderTest(url, tmp_path)


@pytest.fixture
def collection_with_a_file(http_api: HttpApi) -> tuple[str, str, dict[str, str]]:
    """The widest token of an account, its collection, and the file in it, as a listing shows it."""
    token = http_api.api.open_account("a gallery")[WIDEST_SCOPE]
    status, made = http_api.api(token, "POST", "/api/collections", json={"type": "managed", "name": "Ours"})
    assert status == 201, made
    of = {"uuid": made["result"]["collection"]["uuid"]}
    picture = (SAMPLES / "photos" / "owl.jpg").read_bytes()
    status, uploaded = http_api.api(token, "POST", "/api/collections/{uuid}/upload", path=of, picture=picture)
    assert status in (200, 201), uploaded
    _, listed = http_api.api(token, "GET", "/api/collections/{uuid}/files", path=of)
    return token, of["uuid"], listed["result"]["files"][0]


def test_every_answer_to_a_token_with_all_rights_conforms_to_the_document(
    called: ApiUnderTest, collection_with_a_file: tuple[str, str, dict[str, str]]
) -> None:
    token, collection, file = collection_with_a_file
    existing = existing_resources(collection, file)
    output = called.call(token, "--phases=examples,coverage,fuzzing", "--max-examples=4", existing=existing)
    assert_existing_resources_were_called(output)


def test_every_answer_along_the_links_of_the_document_conforms_to_it(
    called: ApiUnderTest, collection_with_a_file: tuple[str, str, dict[str, str]]
) -> None:
    token, _, _ = collection_with_a_file
    # Without deletions: nothing else could be followed afterwards.
    assert_links_were_followed(called.call(token, "--phases=stateful", "--max-examples=12", "--exclude-method=DELETE"))


def test_every_answer_without_a_token_conforms_to_the_document(called: ApiUnderTest) -> None:
    called.call(None, "--phases=examples,fuzzing", "--max-examples=2")


def test_every_answer_to_a_read_only_token_conforms_to_the_document(called: ApiUnderTest, http_api: HttpApi) -> None:
    token = http_api.api.open_account("a reader")[Scope.READ]
    called.call(token, "--phases=examples,fuzzing", "--max-examples=2")


def test_no_text_that_json_can_escape_fails_on_our_side(called: ApiUnderTest, http_api: HttpApi) -> None:
    # The strings of this codec have lone surrogates, which no URL can have; NUL is among those of every run.
    names = [f"--include-operation-id={name}" for name in ("createCollection", "checkBucket", "createToken")]
    options = ("--generation-codec=utf-7", "--phases=coverage,fuzzing", "--max-examples=30")
    called.call(http_api.token, *options, *names)
