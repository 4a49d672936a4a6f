"""The schemas of changes and deletions of files."""

from chalicelib.api.openapi.builders import (
    COLLECTION_ID,
    FILE_ID,
    Schema,
    array,
    boolean,
    identifier,
    integer,
    known_values,
    nullable,
    obj,
    ref,
    text,
)
from chalicelib.domain.file_deletions import DELETED_AT_ONCE_MAX, DeletionOutcome
from chalicelib.domain.file_paths import PATH_LIMIT
from chalicelib.domain.metadata import METADATA_BYTES, METADATA_LIST_LIMIT, METADATA_NAME

_METADATA_PATCH: Schema = {
    "type": ["object", "null"],
    "description": "A merge patch (RFC 7396): null removes a name, or all of them; names that it leaves out stay",
    "propertyNames": {"pattern": f"^{METADATA_NAME.pattern}$"},
    # Without a type: with alternatives, clients in Java do not compile.
    "additionalProperties": {
        "description": f"A string, a number, a boolean, a list of at most {METADATA_LIST_LIMIT} strings, or null"
    },
    "examples": [{"product_id": "A1", "tag": ["sea", "summer"], "draft": None}],
}

METADATA: Schema = {
    "type": "object",
    "description": (
        f"Names and values of your own, {METADATA_BYTES:,} bytes of UTF-8 together; of a file in your bucket, the "
        "user metadata of its object"
    ),
    "propertyNames": {"pattern": f"^{METADATA_NAME.pattern}$"},
    "additionalProperties": {"description": "A string, a number, a boolean or a list of strings"},
    "examples": [{"product_id": "A1", "price": 12.5, "sold": False, "tag": ["sea", "summer"]}],
}

FILE_REQUEST_SCHEMAS: dict[str, Schema] = {
    "FileChange": {
        **obj(
            {
                "metadata": _METADATA_PATCH,
                "path": text(
                    "Where to move the file: folders, and its name", "2024/owl.jpg", minLength=1, maxLength=PATH_LIMIT
                ),
            },
            optional=("metadata", "path"),
        ),
        "minProperties": 1,
    },
    "FileDeletion": {
        **obj(
            {
                "files": {
                    **array(identifier("Identifier of a file", FILE_ID)),
                    "minItems": 1,
                    "maxItems": DELETED_AT_ONCE_MAX,
                },
                "collection": identifier("The managed collection whose files the filter is for", COLLECTION_ID),
                "filter": ref("Filter"),
                "cursor": nullable(text("`next_cursor` of the request before; `filter` must be the same")),
                "dry_run": boolean("Only say what would be deleted"),
            },
            optional=("files", "collection", "filter", "cursor", "dry_run"),
        ),
        "examples": [{"files": [FILE_ID], "dry_run": False}],
    },
}
FILE_SCHEMAS: dict[str, Schema] = {
    "Metadata": METADATA,
    "DeletionReport": obj(
        {
            "count": integer("Number of files that are deleted, or would be", 1),
            "files": array(
                obj(
                    {
                        "uuid": identifier("Identifier of the file", FILE_ID),
                        "path": nullable(text("Path of the file within its collection", "2024/owl.jpg")),
                        "outcome": known_values("What becomes of the file", DeletionOutcome, "deleted"),
                        "message": nullable(text("Why it was refused")),
                    },
                    title="FileOutcome",
                )
            ),
        }
    ),
}
