"""The official client, as published on PyPI, unchanged."""

import io

import pytest
from similarix.client import Similarix, SimilarixAPIError

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.conftest import Caller, eventually, picture

OWL = SAMPLES / "photos" / "owl.jpg"


def test_text_search(official: Similarix) -> None:
    answer = official.text_search("a giant panda")
    assert answer["info"]["search_type"] == "text"
    assert answer["result"]["files"][0]["file_name"] == "giant-panda.jpg"


def test_image_search_with_an_open_file(official: Similarix) -> None:
    with OWL.open("rb") as file:
        answer = official.image_search(file)
    assert answer["result"]["files"][0]["distance"] == 0.0


def test_image_search_with_bytes_in_memory(official: Similarix) -> None:
    assert official.image_search(io.BytesIO(picture("owl.jpg")))["result"]["files"][0]["file_name"] == "owl.jpg"


def test_collections(official: Similarix, stack: LocalSystem) -> None:
    listed = official.list_collections()["result"]["collections"]
    assert official.get_collection(stack.collection)["result"]["collection"] in listed


def test_a_sync_is_triggered_and_completes(official: Similarix, stack: LocalSystem) -> None:
    answer = official.trigger_sync(stack.collection)
    message = f"Sync triggered successfully for collection {stack.collection}."
    assert answer["result"] == {"message": message}
    eventually(lambda: official.check_sync_status(stack.collection)["result"]["status"] == "completed")


def test_upload(official: Similarix, stack: LocalSystem, api: Caller) -> None:
    with (SAMPLES / "photos" / "drums.jpg").open("rb") as file:
        answer = official.upload_to_managed_collection(stack.managed_collection, file)
    assert answer["result"]["file"] == "drums.jpg"
    found = api.result("POST", "/api/search/", files={"file": picture("drums.jpg")})["files"]
    assert [file["distance"] for file in found[:2]] == [0.0, 0.0]


def test_an_error_is_the_clients_own(stack: LocalSystem) -> None:
    with pytest.raises(SimilarixAPIError, match="403"):
        Similarix("smx_" + "a" * 43, base_url=stack.api_url).text_search("dog")
