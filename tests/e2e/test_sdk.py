"""The Python client of clients/python on the deployed system."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local_system import LocalSystem
from similarix_sdk import AsyncClient, Client
from similarix_sdk.errors import Forbidden, ScopeForbids
from similarix_sdk.pictures import REQUEST_LIMIT
from tests import loops
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller, picture

PHOTOS = SAMPLES / "photos"


@pytest.fixture
def account(new_account: Callable[..., Caller]) -> Caller:
    return new_account()


def test_a_picture_is_uploaded_found_downloaded_and_deleted(
    account: Caller, stack: LocalSystem, tmp_path: Path
) -> None:
    with Client(account.token, stack.api_url) as client:
        collection = client.collections.create_managed("sdk").collection.uuid
        uploaded = client.uploads.send(collection, PHOTOS / "owl.jpg", path="2024/owl.jpg", metadata={"a": "b"})
        (found,) = client.search(picture=PHOTOS / "owl.jpg", limit=1, include=["path", "metadata"])
        assert (found.uuid, found.path, found.metadata, found.distance) == (
            uploaded.uuid,
            "2024/owl.jpg",
            {"a": "b"},
            0.0,
        )
        with (tmp_path / "owl.jpg").open("wb") as file:
            client.files.download(found.uuid, file)
        assert (tmp_path / "owl.jpg").read_bytes() == picture("owl.jpg")
        assert client.files.thumbnail(found, size=256).startswith(b"\xff\xd8\xff")
        client.files.delete(found.uuid)
        assert list(client.files.list(collection)) == []


def test_a_picture_that_is_too_large_for_a_request_is_uploaded_and_searched_by(
    account: Caller, stack: LocalSystem
) -> None:
    large = picture("cow.jpg") + bytes(REQUEST_LIMIT)
    with Client(account.token, stack.api_url) as client:
        collection = client.collections.create_managed("sdk").collection.uuid
        sent: list[int] = []
        uploaded = client.uploads.send(
            collection, large, path="cow.jpg", progress=lambda now, of: sent.append(now * 100 // of)
        )
        assert sent[-1] == 100
        page = client.search(picture=large, limit=1)
        assert (page[0].uuid, page[0].distance) == (uploaded.uuid, 0.0)


def test_searches_run_at_once_and_lists_go_on_with_asyncio(api: Caller, stack: LocalSystem) -> None:
    async def run() -> tuple[list[str], int]:
        async with AsyncClient(api.token, stack.api_url) as client:
            pages = await asyncio.gather(*(client.search(text, limit=1) for text in ("an owl", "a giant panda")))
            listed = [file.uuid async for file in client.files.list(stack.collection, limit=20)]
            return [page[0].file_name for page in pages], len(set(listed))

    assert loops.run(run()) == (["owl.jpg", "giant-panda.jpg"], len(list(PHOTOS.iterdir())))


def test_an_error_of_the_api_has_its_class(api: Caller, stack: LocalSystem) -> None:
    with pytest.raises(Forbidden), Client("smx_" + "a" * 43, stack.api_url) as client:
        client.search("dog")
    with Client(api.token, stack.api_url) as client:
        created = client.tokens.create("sdk", "search")
        try:
            with Client(created.secret, stack.api_url) as searcher:
                assert searcher.search("a giant panda", limit=1)[0].file_name == "giant-panda.jpg"
                with pytest.raises(ScopeForbids):
                    searcher.collections.list()
        finally:
            client.tokens.revoke(created.token.id)
