"""The JSON Schemas of the responses about uploads."""

from chalicelib.api.openapi.builders import (
    COLLECTION_ID,
    FILE_ID,
    SEARCH_UPLOAD_ID,
    UPLOAD_ID,
    Schema,
    boolean,
    identifier,
    integer,
    known_values,
    nullable,
    obj,
    ref,
    text,
    timestamp,
)
from chalicelib.domain.uploads import UploadState

_PATH = text("Where the file is stored: folders, and its name", "2024/summer/example_image.jpg")
UPLOAD_SCHEMAS: dict[str, Schema] = {
    "UploadedPicture": obj(
        {
            "message": text("A confirmation", "Image uploaded successfully"),
            "collection": identifier("The managed collection", COLLECTION_ID),
            "file": text("Name of the file", "example_image.jpg"),
            "mime_type": text("Media type of its bytes", "image/jpeg"),
            "uuid": identifier("What other requests name the file by", FILE_ID),
            "path": _PATH,
            "replaced": boolean("Whether it replaced another picture"),
        }
    ),
    "PreparedUpload": obj(
        {
            "message": text("What to do next"),
            "upload": ref("Upload"),
            "form": ref("UploadForm"),
        }
    ),
    "PreparedSearchUpload": obj(
        {
            "message": text("What to do next"),
            "upload": ref("SearchUpload"),
            "form": ref("UploadForm"),
        }
    ),
    "SearchUpload": obj(
        {
            "id": identifier("What searches take as `upload`", SEARCH_UPLOAD_ID),
            "size": integer("Its exact size in bytes", 15000000),
            "mime_type": text("The media type that the form requires", "image/jpeg"),
            "arrived": boolean("Whether its picture was sent"),
            "expires_at": timestamp("When it is no query any more: an hour after it was prepared."),
        }
    ),
    "UploadForm": obj(
        {
            "url": text("Where to send the form", format="uri"),
            "fields": {
                "type": "object",
                "description": "Fields of the form, before the file",
                "additionalProperties": {"type": "string"},
                "examples": [{"key": "uploads/0c9d1f2e", "policy": "eyJleHBpcmF0aW9uIjogIj"}],
            },
        }
    ),
    "Upload": obj(
        {
            "id": identifier("Of the upload", UPLOAD_ID),
            "collection": identifier("The managed collection", COLLECTION_ID),
            "path": _PATH,
            "size": integer("Its exact size in bytes", 15000000),
            "state": known_values("How far the upload is", UploadState, "pending"),
            "reason": nullable(text("Why it has failed, as a stable code")),
            "detail": nullable(text("Why it has failed, in a sentence")),
            "uuid": nullable(identifier("What other requests name the file by, once the upload is done", FILE_ID)),
            "mime_type": nullable(text("Media type of its bytes, once the upload is done", "image/jpeg")),
            "created_at": timestamp("When it was prepared."),
            "expires_at": timestamp("The file must be sent before this time."),
        }
    ),
}
