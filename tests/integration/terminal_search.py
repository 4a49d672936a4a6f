"""A search by the command ``similarix`` on the API's fakes, as a program: its thumbnails are pictures."""

import io
import sys
from pathlib import Path

from PIL import Image

from chalicelib.domain.thumbnails import ThumbnailSize
from similarix_sdk.cli.app import execute
from similarix_sdk.cli.credentials import CredentialFile
from similarix_sdk.cli.session import Session
from tests.fakes.http_api import BASE_URL, HttpApi
from tests.unit.sdk.conftest import blocking_client

# Stands between the log of the API and what the command prints.
BEGIN = "The command begins"


def search() -> int:
    api = HttpApi()
    body = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(body, "JPEG")
    client = blocking_client(api, [])
    collection = client.collections.create_managed("n").collection.uuid
    client.uploads.send(collection, b"a red picture", path="red.jpg")
    storage = api.ports.storage
    for key in storage.thumbnails:
        storage.resized[key] = {ThumbnailSize(256): body.getvalue()}
    environ = {"SIMILARIX_URL": BASE_URL, "SIMILARIX_TOKEN": api.token}
    session = Session(environ=environ, file=CredentialFile(Path("nowhere")), connect=lambda _: client)
    print(BEGIN, flush=True)
    return execute(["search", "red"], session)


if __name__ == "__main__":
    sys.exit(search())
