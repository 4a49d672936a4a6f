"""The official client, as published on PyPI, unchanged."""

import io

import pytest
from similarix.client import Similarix, SimilarixAPIError

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller, eventually, picture

OWL = SAMPLES / "photos" / "owl.jpg"


def test_the_client_searches_by_text(official_client: Similarix) -> None:
    answer = official_client.text_search("a giant panda")
    assert answer["info"]["search_type"] == "text"
    assert answer["result"]["files"][0]["file_name"] == "giant-panda.jpg"


def test_the_client_searches_by_an_open_file(official_client: Similarix) -> None:
    with OWL.open("rb") as file:
        answer = official_client.image_search(file)
    assert answer["result"]["files"][0]["distance"] == 0.0


def test_the_client_searches_by_bytes_in_memory(official_client: Similarix) -> None:
    answer = official_client.image_search(io.BytesIO(picture("owl.jpg")))
    assert answer["result"]["files"][0]["file_name"] == "owl.jpg"


def test_the_client_lists_collections_and_gets_one(official_client: Similarix, stack: LocalSystem) -> None:
    collections = official_client.list_collections()["result"]["collections"]
    assert official_client.get_collection(stack.collection)["result"]["collection"] in collections


def test_the_client_triggers_a_sync_and_sees_it_complete(official_client: Similarix, stack: LocalSystem) -> None:
    answer = official_client.trigger_sync(stack.collection)
    message = f"Sync triggered successfully for collection {stack.collection}."
    assert answer["result"] == {"message": message}
    eventually(lambda: official_client.check_sync_status(stack.collection)["result"]["status"] == "completed")


def test_the_client_uploads_a_picture(official_client: Similarix, stack: LocalSystem, api: Caller) -> None:
    with (SAMPLES / "photos" / "drums.jpg").open("rb") as file:
        answer = official_client.upload_to_managed_collection(stack.managed_collection, file)
    assert answer["result"]["file"] == "drums.jpg"
    files = api.result("POST", "/api/search/", files={"file": picture("drums.jpg")})["files"]
    assert [file["distance"] for file in files[:2]] == [0.0, 0.0]


def test_the_client_raises_its_own_error_where_the_api_refuses(stack: LocalSystem) -> None:
    with pytest.raises(SimilarixAPIError, match="403"):
        Similarix("smx_" + "a" * 43, base_url=stack.api_url).text_search("dog")
