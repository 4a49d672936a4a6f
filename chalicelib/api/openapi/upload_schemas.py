"""The schemas of uploads."""

from chalicelib.api.openapi.builders import (
    COLLECTION_ID,
    FILE_ID,
    UPLOAD_ID,
    Schema,
    choice,
    identifier,
    integer,
    nullable,
    obj,
    ref,
    text,
    timestamp,
)
from chalicelib.domain.file_paths import PATH_LIMIT
from chalicelib.domain.image_files import ACCEPTED_TYPES
from chalicelib.domain.uploads import UPLOAD_LIMIT, UploadState

_PATH = text("Where the file is stored: folders, and its name", "2024/summer/example_image.jpg")
UPLOAD_SCHEMAS: dict[str, Schema] = {
    "Uploaded": obj(
        {
            "message": text("A confirmation", "Image uploaded successfully"),
            "collection": identifier("The managed collection", COLLECTION_ID),
            "file": text("Name of the file", "example_image.jpg"),
            "mime_type": text("Media type of its bytes", "image/jpeg"),
            "uuid": identifier("What other requests name the file by", FILE_ID),
            "path": _PATH,
        }
    ),
    "NewUpload": obj(
        {
            "path": {**_PATH, "minLength": 1, "maxLength": PATH_LIMIT},
            "size": integer("Its exact size in bytes", 15000000, minimum=1, maximum=UPLOAD_LIMIT),
            "mime_type": choice("Its media type", ACCEPTED_TYPES, "image/jpeg"),
        }
    ),
    "PreparedUpload": obj(
        {
            "message": text("What to do next"),
            "upload": ref("Upload"),
            "form": ref("UploadForm"),
        }
    ),
    "UploadForm": obj(
        {
            "url": text("Where to send the form", format="uri"),
            "fields": {
                "type": "object",
                "description": "Fields of the form, before the file",
                "additionalProperties": {"type": "string"},
            },
        }
    ),
    "Upload": obj(
        {
            "id": identifier("Of the upload", UPLOAD_ID),
            "collection": identifier("The managed collection", COLLECTION_ID),
            "path": _PATH,
            "size": integer("Its exact size in bytes", 15000000),
            "state": choice("How far the upload is", UploadState, "pending"),
            "reason": nullable(text("Why it has failed, as a stable code")),
            "detail": nullable(text("Why it has failed, in a sentence")),
            "uuid": nullable(identifier("What other requests name the file by, once the upload is done", FILE_ID)),
            "mime_type": nullable(text("Media type of its bytes, once the upload is done", "image/jpeg")),
            "created_at": timestamp("When it was prepared."),
            "expires_at": timestamp("The file must be sent before this time."),
        }
    ),
}
