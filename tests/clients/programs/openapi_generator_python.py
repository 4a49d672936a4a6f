"""What a client in Python that openapi-generator has made does with the API; a line for each call."""

import os
import time
from pathlib import Path
from uuid import UUID, uuid4

import similarix_client as similarix
import urllib3

PICTURE = Path(os.environ["PICTURE"]).read_bytes()
COLLECTION = UUID(os.environ["COLLECTION"])
configuration = similarix.Configuration(host=os.environ["API"], access_token=os.environ["TOKEN"])
client = similarix.ApiClient(configuration)
searches, collections = similarix.SearchApi(client), similarix.CollectionsApi(client)
uploads, files = similarix.UploadsApi(client), similarix.FilesApi(client)
syncs, accounts = similarix.SynchronizationApi(client), similarix.AccountApi(client)


def new_collection() -> UUID:
    definition = similarix.ManagedCollectionDefinition(type="managed", name="of a client")
    answer = collections.create_collection(collection_definition=similarix.CollectionDefinition(definition))
    return answer.result.collection.uuid


def search() -> None:
    answer = searches.search_by_text("an owl", limit=5, collection=[COLLECTION])
    assert answer.info.files_count == len(answer.result.files) == 5
    assert answer.result.files[0].file_name == "owl.jpg"
    assert answer.result.files[0].distance < answer.result.files[4].distance


def picture_search() -> None:
    answer = searches.search_by_picture(file=("owl.jpg", PICTURE), limit=3, collection=[COLLECTION])
    assert answer.result.files[0].distance == 0.0
    assert len(answer.result.files) == 3


def upload() -> None:
    answer = uploads.upload_picture(new_collection(), file=("one.jpg", PICTURE))
    assert (answer.result.file, answer.result.mime_type) == ("one.jpg", "image/jpeg")


def two_step_upload() -> None:
    collection = new_collection()
    definition = similarix.UploadDefinition(path="two.jpg", size=len(PICTURE), mime_type="image/jpeg")
    prepared = uploads.prepare_upload(collection, upload_definition=definition).result
    fields = {**prepared.form.fields, "file": ("two.jpg", PICTURE)}
    sent = urllib3.request("POST", prepared.form.url, fields=fields)
    assert sent.status < 300, sent.data
    assert uploads.complete_upload(collection, prepared.upload.id).result.file == "two.jpg"
    assert [file.file_name for file in files.list_files(collection).result.files] == ["two.jpg"]


def lists() -> None:
    assert COLLECTION in [collection.uuid for collection in collections.list_collections().result.collections]
    page = files.list_files(COLLECTION, limit=10)
    assert len(page.result.files) == 10
    following = files.list_files(COLLECTION, limit=10, cursor=page.info.next_cursor)
    assert following.result.files[0].uuid != page.result.files[0].uuid
    assert accounts.show_account().result.account.allowances.bytes.allowed > 2**32


def sync() -> None:
    preview = syncs.start_sync(COLLECTION, sync_options=similarix.SyncOptions(dry_run=True)).result.preview
    assert preview.complete
    assert syncs.start_sync(COLLECTION).result.message
    while syncs.show_sync_status(COLLECTION).result.status == "in_progress":
        time.sleep(0.2)
    assert syncs.show_sync_status(COLLECTION).result.status == "completed"


def errors() -> None:
    refusal = None
    try:
        collections.show_collection(uuid4())
    except similarix.exceptions.NotFoundException as error:
        refusal = error.data
    assert refusal is not None
    assert refusal.info.error == "not_found"


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
