"""What the clients do with the real API, on fakes: searches, uploads, pages, folders, downloads."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from similarix_sdk import AsyncClient, Client
from similarix_sdk.errors import ApiError, FileExists, NotFound, SyncAlreadyRunning, UploadRefused
from similarix_sdk.folders import FolderOutcome
from similarix_sdk.operations.uploads import Wish, send
from similarix_sdk.pictures import REQUEST_LIMIT, UPLOAD_LIMIT, picture_of
from tests import loops
from tests.fakes.http_api import HttpApi
from tests.unit.sdk.conftest import async_client

LARGE = b"\xff\xd8\xff" + bytes(REQUEST_LIMIT)


def paths_of(http_api: HttpApi) -> list[str]:
    return [f"{request.method} {request.url.path.removeprefix('/live')}" for request in http_api.requests]


def test_an_uploaded_picture_is_found_by_itself(client: Client, collection: str) -> None:
    uploaded = client.uploads.send(collection, b"an owl", path="2024/owl.jpg", metadata={"a": ["b", "c"]})
    (found,) = client.search(picture=b"an owl", limit=1)
    assert (found.uuid, found.distance) == (uploaded.uuid, 0.0)
    assert client.files.get(uploaded.uuid).metadata == {"a": ["b", "c"]}


def test_a_picture_comes_from_a_path_bytes_a_file_an_image_or_a_url(
    client: Client, http_api: HttpApi, collection: str, tmp_path: Path
) -> None:
    body = io.BytesIO()
    image = Image.new("RGB", (3, 2), "red")
    image.save(body, "PNG")
    path = tmp_path / "red.png"
    path.write_bytes(body.getvalue())
    http_api.web["https://pictures.example/red.png"] = "https://other.example/red.png"
    http_api.web["https://other.example/red.png"] = body.getvalue()
    client.uploads.send(collection, path)
    with path.open("rb") as file:
        sources: list[Any] = [path, str(path), body.getvalue(), file, image, "https://pictures.example/red.png"]
        for source in sources:
            (found,) = client.search(picture=source, limit=1)
            assert (found.file_name, found.distance) == ("red.png", 0.0)
    fetched = [request for request in http_api.requests if request.url.host != "api.example"]
    assert [request.url.host for request in fetched] == ["pictures.example", "other.example"]
    assert all("authorization" not in request.headers for request in fetched)


def test_the_server_fetches_what_a_url_of_an_upload_names(client: Client, http_api: HttpApi, collection: str) -> None:
    http_api.ports.web_pictures.bodies["pictures.example", "/owl.jpg"] = b"an owl"
    assert client.uploads.send(collection, "https://pictures.example/owl.jpg").path == "owl.jpg"
    assert all(request.url.host != "pictures.example" for request in http_api.requests)


def test_a_picture_from_the_web_that_is_too_large_is_not_kept(client: Client, http_api: HttpApi) -> None:
    http_api.web["https://pictures.example/"] = bytes(UPLOAD_LIMIT + 1)
    with pytest.raises(ValueError, match="more than"):
        client.search(picture="https://pictures.example/")
    with pytest.raises(ValueError, match="404"):
        client.search(picture="https://pictures.example/nothing")


def test_a_large_picture_goes_to_s3_without_the_token_and_reports_its_progress(
    client: Client, http_api: HttpApi, collection: str
) -> None:
    seen: list[tuple[int, int]] = []
    uploaded = client.uploads.send(
        collection, io.BytesIO(LARGE), path="large.jpg", progress=lambda sent, of: seen.append((sent, of))
    )
    assert client.files.get(uploaded.uuid).file_size == len(LARGE)
    assert [sent for sent, _ in seen] == sorted(sent for sent, _ in seen)
    assert seen[-1] == (len(LARGE), len(LARGE))
    (to_s3,) = (request for request in http_api.requests if request.url.scheme == "fake-s3")
    assert "authorization" not in to_s3.headers


def test_a_large_picture_is_searched_by_after_it_was_uploaded(
    client: Client, http_api: HttpApi, collection: str
) -> None:
    uploaded = client.uploads.send(collection, LARGE, path="large.jpg")
    http_api.requests.clear()
    page = client.search(picture=LARGE, limit=1)
    assert (page[0].uuid, page[0].distance) == (uploaded.uuid, 0.0)
    assert paths_of(http_api)[0] == "POST /api/search/uploads/"


def test_the_next_page_of_a_search_by_a_large_picture_goes_by_its_upload(client: Client, collection: str) -> None:
    for number in range(3):
        client.uploads.send(collection, b"%d" % number, path=f"{number}.jpg")
    upload = client.search_uploads.send(LARGE)
    assert client.search_uploads.get(upload.id).arrived
    assert len({file.uuid for file in client.search_all(upload=upload.id, limit=2)}) == 3
    client.search_uploads.delete(upload.id)
    with pytest.raises(NotFound):
        client.search(upload=upload.id)


def test_a_file_that_grows_while_it_is_uploaded_is_refused_by_s3_and_raises(
    client: Client, collection: str, tmp_path: Path
) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(LARGE)
    picture = replace(picture_of(path), size=len(LARGE) - 1)
    upload = send(client._api, collection, picture, Wish("a.jpg"), None)
    with pytest.raises(UploadRefused, match="EntityTooLarge: Too large") as raised:
        client._driver.run(upload)
    assert raised.value.status == 400


def test_all_items_of_a_list_come_page_by_page(client: Client, http_api: HttpApi, collection: str) -> None:
    uuids = {client.uploads.send(collection, b"%d" % number, path=f"{number}.jpg").uuid for number in range(5)}
    http_api.requests.clear()
    files = client.files.list(collection, limit=2)
    assert {file.uuid for file in files} == uuids
    assert len(http_api.requests) == 3
    assert [len(page) for page in files.pages()] == [2, 2, 1]
    second = next(iter(files.pages(next(files.pages()).next_cursor)))
    assert second[0].path == "2.jpg"
    assert {file.uuid for file in client.similar_all(uuids.pop(), limit=1)} == uuids


def test_a_filter_narrows_searches_and_lists(client: Client, collection: str) -> None:
    for path, metadata in (("2024/a.jpg", {"n": 1}), ("2025/b.jpg", {"n": 2})):
        client.uploads.send(collection, path.encode(), path=path, metadata=metadata)
    for filter in ({"path": "2025/"}, {"metadata": {"n": {"gt": 1}}}):
        found = client.search("x", limit=5, filter=filter, include=["path"])  # type: ignore[arg-type]
        assert [file.path for file in found] == ["2025/b.jpg"]
        assert [file.path for file in client.files.list(collection, filter=filter)] == ["2025/b.jpg"]  # type: ignore[arg-type]


def test_files_are_changed_moved_found_and_deleted(client: Client, collection: str) -> None:
    uuid = client.uploads.send(collection, b"an owl", path="owl.jpg").uuid
    assert client.files.change(uuid, metadata={"a": "b"}).metadata == {"a": "b"}
    moved = client.files.change(uuid, path="2024/owl.jpg")
    assert moved.metadata == {"a": "b"}
    assert client.files.change(moved.uuid, metadata=None).metadata == {}
    there = client.files.find(collection, "2024/owl.jpg")
    assert there is not None
    assert there.uuid == moved.uuid
    assert client.files.find(collection, "owl.jpg") is None
    report = client.files.delete_many([moved.uuid, "00000000-0000-4000-8000-000000000000"])
    assert [file.outcome for file in report.files] == ["deleted", "not_found"]


def test_a_deletion_by_a_filter_says_before_what_it_would_do(client: Client, collection: str) -> None:
    for path in ("2024/a.jpg", "2025/b.jpg"):
        client.uploads.send(collection, path.encode(), path=path)
    report = client.files.delete_matching(collection, {"path": "2024/"}, dry_run=True)
    assert (report.count, [file.path for file in report.files]) == (1, ["2024/a.jpg"])
    assert len(list(client.files.list(collection))) == 2


def test_an_original_and_a_thumbnail_are_read_without_the_token(
    client: Client, http_api: HttpApi, collection: str, tmp_path: Path
) -> None:
    uuid = client.uploads.send(collection, b"an owl", path="owl.jpg").uuid
    with (tmp_path / "owl.jpg").open("w+b") as file:
        file.write(b"what was there before, and is longer")
        client.files.download(uuid, file)
    assert (tmp_path / "owl.jpg").read_bytes() == client.files.read(uuid) == b"an owl"
    http_api.requests.clear()
    listed = client.files.get(uuid)
    assert client.files.thumbnail(listed, size=256).startswith(b"256 pixels of ")
    assert "authorization" not in http_api.requests[-1].headers


def test_what_a_link_no_longer_gives_raises_as_the_api_says(client: Client, http_api: HttpApi, collection: str) -> None:
    uuid = client.uploads.send(collection, b"an owl", path="owl.jpg").uuid
    (found,) = client.search("owl")
    http_api.ports.sources.bucket("managed").objects.clear()
    with pytest.raises(NotFound):
        client.files.read(uuid)
    client.files.delete(uuid)
    with pytest.raises(NotFound):
        client.files.thumbnail(found)


def test_a_call_of_the_api_is_sent_nowhere_else(client: Client, http_api: HttpApi) -> None:
    http_api.failures = [httpx.Response(302, headers={"Location": "https://elsewhere.example/"})]
    with pytest.raises(ApiError):
        client.collections.list()
    assert [request.url.host for request in http_api.requests] == ["api.example"]


def test_a_sync_is_started_followed_and_cancelled(client: Client, http_api: HttpApi, pauses: list[float]) -> None:
    http_api.ports.sources.bucket("pictures").put("photos/a.jpg", b"a")
    role = "arn:aws:iam::123456789012:role/similarix-x"
    report = client.collections.check("pictures", region="eu-west-1", folder="/photos", role_arn=role)
    assert report.readable
    uuid = client.collections.connect(
        "pictures", name="n", region="eu-west-1", folder="/photos", role_arn=role
    ).collection.uuid
    assert client.syncs.preview(uuid).to_add == 1
    client.syncs.start(uuid)
    with pytest.raises(SyncAlreadyRunning):
        client.syncs.start(uuid)
    states = iter(client.syncs.follow(uuid, seconds=3))
    assert next(states).runs
    client.syncs.cancel(uuid)
    assert [state.status for state in states] == ["cancelled"]
    assert pauses == [3]


def test_a_webhook_is_made_changed_tried_and_deleted(client: Client, collection: str) -> None:
    made = client.webhooks.create("https://shop.example/hooks", ["file.failed"], collections=[collection])
    assert made.secret not in repr(made)
    changed = client.webhooks.change(made.webhook.id, collections=None, events=["sync.failed", "file.failed"])
    assert (changed.collections, set(changed.events)) == (None, {"sync.failed", "file.failed"})
    assert client.webhooks.rotate_secret(changed.id).secret != made.secret
    sent = client.webhooks.test(changed.id)
    assert [delivery.id for delivery in client.webhooks.deliveries(changed.id)] == [sent.id]
    assert sent.type in client.webhooks.delivery(changed.id, sent.id).body
    client.webhooks.delete(changed.id)
    assert client.webhooks.list() == ()


def test_a_file_that_is_there_is_told_from_others(client: Client, collection: str) -> None:
    uploaded = client.uploads.send(collection, b"an owl", path="owl.jpg")
    with pytest.raises(FileExists) as raised:
        client.uploads.send(collection, b"another owl", path="owl.jpg", only_new=True)
    assert raised.value.uuid == uploaded.uuid
    with pytest.raises(ValueError, match="not both"):
        client.uploads.send(collection, b"an owl", replace=True, only_new=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Pictures"
    (folder / "beach").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "owl.jpg").write_bytes(b"an owl")
    (folder / "beach" / "cow.PNG").write_bytes(b"a cow")
    (folder / "beach" / "words.txt").write_bytes(b"words")
    (folder / ".hidden" / "a.jpg").write_bytes(b"hidden")
    (folder / "bad.jpg").write_bytes(b"not a picture")
    return folder


def outcomes(done: list[FolderOutcome]) -> dict[str, str]:
    return {
        outcome.path: "skipped" if outcome.skipped else "failed" if outcome.error else "uploaded" for outcome in done
    }


def test_a_folder_is_uploaded_and_only_what_has_changed_is_sent_again(
    client: Client, http_api: HttpApi, collection: str, folder: Path
) -> None:
    first = outcomes(list(client.uploads.folder(collection, folder, prefix="/mine/")))
    assert first == {"mine/owl.jpg": "uploaded", "mine/beach/cow.PNG": "uploaded", "mine/bad.jpg": "failed"}
    (folder / "owl.jpg").write_bytes(b"another owl")
    again = outcomes(list(client.uploads.folder(collection, folder, prefix="mine")))
    assert again == {"mine/owl.jpg": "uploaded", "mine/beach/cow.PNG": "skipped", "mine/bad.jpg": "failed"}
    assert {file.path for file in client.files.list(collection)} == {"mine/owl.jpg", "mine/beach/cow.PNG"}


def test_a_folder_is_uploaded_with_asyncio(
    http_api: HttpApi, pauses: list[float], collection: str, folder: Path
) -> None:
    async def run() -> list[FolderOutcome]:
        client: AsyncClient = async_client(http_api, pauses)
        return [outcome async for outcome in client.uploads.folder(collection, folder, width=2)]

    assert outcomes(loops.run(run())) == {"owl.jpg": "uploaded", "beach/cow.PNG": "uploaded", "bad.jpg": "failed"}


def test_a_folder_whose_upload_is_stopped_sends_no_more(
    client: Client, http_api: HttpApi, collection: str, tmp_path: Path
) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.jpg").write_bytes(b"%d" % number)
    upload = client.uploads.folder(collection, tmp_path, width=1)
    next(upload)
    upload.close()  # type: ignore[attr-defined]
    assert len(list(client.files.list(collection))) < 5


def test_a_file_whose_name_is_not_utf_8_fails_alone(client: Client, collection: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("a.jpg", "caf\udce9.jpg", "z.jpg"):  # the byte E9, as Python has it in a name
        (pictures / name).write_bytes(b"an owl")
    for skip_stored in (True, False):
        done = outcomes(list(client.uploads.folder(collection, pictures, skip_stored=skip_stored)))
        assert done.pop("caf\udce9.jpg") == "failed"
        assert set(done) == {"a.jpg", "z.jpg"}
        assert "failed" not in done.values()


def test_with_asyncio_a_file_whose_name_is_not_utf_8_fails_alone(
    http_api: HttpApi, pauses: list[float], collection: str, tmp_path: Path
) -> None:
    (tmp_path / "caf\udce9.jpg").write_bytes(b"a cafe")
    (tmp_path / "z.jpg").write_bytes(b"an owl")

    async def run() -> list[FolderOutcome]:
        client: AsyncClient = async_client(http_api, pauses)
        return [outcome async for outcome in client.uploads.folder(collection, tmp_path, width=2)]

    assert outcomes(loops.run(run())) == {"caf\udce9.jpg": "failed", "z.jpg": "uploaded"}


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_would_change_the_path_is_refused_before_anything_is_sent(
    client: Client, http_api: HttpApi, collection: str, id: str
) -> None:
    sent = len(http_api.requests)
    for call in (
        lambda: client.uploads.cancel(collection, id),
        lambda: client.files.delete(id),
        lambda: client.collections.delete(id),
        lambda: client.webhooks.delivery(collection, id),
    ):
        with pytest.raises(ValueError, match="is no"):
            call()
    assert len(http_api.requests) == sent


def test_a_folder_that_is_none_is_refused_before_anything_is_sent(client: Client, collection: str) -> None:
    with pytest.raises(NotADirectoryError):
        client.uploads.folder(collection, "/no/such/folder")
