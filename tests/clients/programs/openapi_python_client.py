"""What a client in Python that openapi-python-client has made does with the API; a line for each call."""

import os
import time
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from similarix_client import AuthenticatedClient
from similarix_client.api.account import show_account
from similarix_client.api.collections import create_collection, list_collections, show_collection
from similarix_client.api.files import list_files
from similarix_client.api.search import search_by_picture, search_by_text
from similarix_client.api.synchronization import show_sync_status, start_sync
from similarix_client.api.uploads import complete_upload, prepare_upload, upload_picture
from similarix_client.models import (
    ManagedCollectionDefinition,
    ManagedCollectionDefinitionType,
    SearchByPictureBody,
    SyncOptions,
    UploadDefinition,
    UploadDefinitionMimeType,
    UploadPictureBody,
)
from similarix_client.types import File

PICTURE = Path(os.environ["PICTURE"]).read_bytes()
COLLECTION = UUID(os.environ["COLLECTION"])
client = AuthenticatedClient(base_url=os.environ["API"], token=os.environ["TOKEN"], prefix="Token")


def picture(name: str) -> File:
    return File(payload=BytesIO(PICTURE), file_name=name, mime_type="image/jpeg")


def new_collection() -> UUID:
    definition = ManagedCollectionDefinition(type_=ManagedCollectionDefinitionType.MANAGED, name="of a client")
    return create_collection.sync(client=client, body=definition).result.collection.uuid


def search() -> None:
    answer = search_by_text.sync(client=client, query="an owl", limit=5, collection=[COLLECTION])
    assert answer.info.files_count == len(answer.result.files) == 5
    assert answer.result.files[0].file_name == "owl.jpg"
    assert answer.result.files[0].distance < answer.result.files[4].distance


def picture_search() -> None:
    body = SearchByPictureBody(file=picture("owl.jpg"))
    answer = search_by_picture.sync(client=client, body=body, limit=3, collection=[COLLECTION])
    assert answer.result.files[0].distance == 0.0
    assert len(answer.result.files) == 3


def upload() -> None:
    answer = upload_picture.sync(new_collection(), client=client, body=UploadPictureBody(file=picture("one.jpg")))
    assert (answer.result.file, answer.result.mime_type) == ("one.jpg", "image/jpeg")


def two_step_upload() -> None:
    definition = UploadDefinition(path="two.jpg", size=len(PICTURE), mime_type=UploadDefinitionMimeType.IMAGEJPEG)
    collection = new_collection()
    prepared = prepare_upload.sync(collection, client=client, body=definition).result
    form = prepared.form
    sent = httpx.post(form.url, data=form.fields.to_dict(), files={"file": ("two.jpg", PICTURE)})
    assert sent.is_success, sent.text
    completed = complete_upload.sync(collection, prepared.upload.id, client=client)
    assert completed.result.file == "two.jpg"
    files = list_files.sync(collection, client=client).result.files
    assert [file.file_name for file in files] == ["two.jpg"]


def lists() -> None:
    listed = list_collections.sync(client=client).result.collections
    assert COLLECTION in [collection.uuid for collection in listed]
    page = list_files.sync(COLLECTION, client=client, limit=10)
    assert len(page.result.files) == 10
    following = list_files.sync(COLLECTION, client=client, limit=10, cursor=page.info.next_cursor)
    assert following.result.files[0].uuid != page.result.files[0].uuid
    assert show_account.sync(client=client).result.account.allowances.bytes_.allowed > 2**32


def sync() -> None:
    preview = start_sync.sync(COLLECTION, client=client, body=SyncOptions(dry_run=True)).result.preview
    assert preview.complete
    assert start_sync.sync(COLLECTION, client=client).result.message
    while show_sync_status.sync(COLLECTION, client=client).result.status == "in_progress":
        time.sleep(0.2)
    assert show_sync_status.sync(COLLECTION, client=client).result.status == "completed"


def errors() -> None:
    refused = show_collection.sync_detailed(uuid4(), client=client)
    assert refused.status_code == 404
    assert refused.parsed.info.error == "not_found"
    anonymous = AuthenticatedClient(base_url=os.environ["API"], token="none", prefix="Token")
    assert list_collections.sync(client=anonymous).info.error == "forbidden"


for name, call in {
    "search": search,
    "picture search": picture_search,
    "upload": upload,
    "two-step upload": two_step_upload,
    "list": lists,
    "sync": sync,
    "errors": errors,
}.items():
    try:
        call()
    except Exception as error:
        print(f"{name}: {type(error).__name__} {error}".replace("\n", " "))
    else:
        print(f"{name}: ok")
