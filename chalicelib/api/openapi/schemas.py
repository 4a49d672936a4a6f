"""The JSON Schemas of the API's values, each with an example.

Those of responses have no field beside the documented ones, which the tests check. The document itself leaves them
open (``components.open_schema``).
"""

from chalicelib.api.openapi.builders import (
    COLLECTION_ID,
    FILE_ID,
    TOKEN_ID,
    Schema,
    array,
    boolean,
    counts,
    identifier,
    integer,
    known_values,
    nullable,
    number,
    obj,
    ref,
    text,
    timestamp,
)
from chalicelib.api.openapi.file_schemas import FILE_SCHEMAS
from chalicelib.api.openapi.request_schemas import REQUEST_SCHEMAS
from chalicelib.api.openapi.server_schemas import PROBLEMS_OF_SERVERS, WARNINGS_OF_SERVERS
from chalicelib.api.openapi.upload_schemas import UPLOAD_SCHEMAS
from chalicelib.api.openapi.webhook_schemas import WEBHOOK_SCHEMAS
from chalicelib.api.requests.queries import EXPECTED_BY_CHANCE
from chalicelib.domain.accounts import EXPORT_KINDS, Scope
from chalicelib.domain.collections import AutoSync, CollectionType, SyncStatus
from chalicelib.domain.files import FileState
from chalicelib.domain.plans import LIMIT_NAMES, PLANS, RATE_NAMES

_SIGNED = "expires=1772496000&signature=4Wr1zlWnwOqJQcWmpB2ZAw"
_FOUND = {
    "uuid": identifier("Unique identifier for the file", FILE_ID),
    "file_name": text("Name of the file", "richard-brutyo-Sg3XwuEpybU-unsplash.jpg"),
    "file_size": integer("Size of the file in bytes", 702316),
    "md5": text("MD5 hash of the file", "653b6e02f13241e943e0889f0165d627"),
    "thumbnail": text(
        "URL of the file's thumbnail; it needs no token, and works for one to two days",
        f"/media/{COLLECTION_ID}/{FILE_ID}.jpg?{_SIGNED}",
    ),
    "s3_uri": text("S3 URI of the file", "s3://similarix-test/images/richard-brutyo-Sg3XwuEpybU-unsplash.jpg"),
    "download_url": text(
        "URL to download the file; it needs no token, and works for one to two days",
        f"/collections/download/{FILE_ID}/?{_SIGNED}",
    ),
}
_LISTED = {
    **_FOUND,
    "md5": nullable(_FOUND["md5"]),
    "thumbnail": nullable(_FOUND["thumbnail"]),
    "download_url": nullable(_FOUND["download_url"]),
    "collection": identifier("The collection of the file", COLLECTION_ID),
    "mime_type": nullable(text("Media type of its bytes", "image/jpeg")),
    "width": nullable(integer("Pixels", 1920)),
    "height": nullable(integer("Pixels", 1280)),
    "state": known_values(
        "Searches find only indexed files", (state for state in FileState if state is not FileState.REMOVED), "indexed"
    ),
    "reason": nullable(text("Why it failed, as a stable code: `not_an_image`, `too_large`, `over_plan`, …")),
    "detail": nullable(text("Why it failed, as a sentence")),
    "updated_at": timestamp("When this record last changed."),
    "path": text("Path of the file within its collection", "2024/richard-brutyo-Sg3XwuEpybU-unsplash.jpg"),
    "format": nullable(text("Format of its bytes, such as `jpeg`, `png` or `heif`", "jpeg")),
    "metadata": ref("Metadata"),
    "modified": nullable(timestamp("When the storage received the file.")),
}
# Only as ``include`` asks for it; what is not known is null.
_INCLUDED = {
    name: nullable(_LISTED[name]) if name == "path" else _LISTED[name]
    for name in ("collection", "path", "width", "height", "format", "mime_type", "metadata", "modified")
}
_LIMIT = obj(
    {"allowed": integer("Limit of the plan", 10), "used": integer("How much of it is used", 2)}, title="PlanLimit"
)
_POLICY: Schema = {"type": "object", "description": "An IAM policy, ready to paste", "additionalProperties": True}

_INTERVAL = known_values("Frequency of automatic synchronization", AutoSync, "daily")
_COUNT = integer("A count", 16)
_STATE = known_values("State of the file", FileState, "indexed")

_BINDINGS = {
    "collections": nullable(
        array(identifier("Identifier of a collection", COLLECTION_ID))
        | {"description": "The only collections that the token searches; null for all"}
    ),
    "origins": nullable(
        array(text("Scheme, host and port; a host `*.shop.example` stands for all below it", "https://shop.example"))
        | {"description": "The only web pages that may send the token; null for any caller"}
    ),
}
_PATTERN = text("A pattern as in a .gitignore file", "drafts/")
_PATTERNS = {
    "include": {**array(_PATTERN), "description": "What of the folder is indexed; everything if it is empty"},
    "exclude": {**array(_PATTERN), "description": "What of that is left out"},
}

RESPONSE_SCHEMAS: dict[str, Schema] = {
    "DownloadLink": obj(
        {"url": text("Serves the original", format="uri"), "expires_at": timestamp("When the URL stops working.")}
    ),
    "FoundFile": obj(
        {
            **_FOUND,
            "distance": nullable(
                number("Cosine distance: lower is more similar, 0 is the same picture; null for `match=name`", 0.79)
            ),
            "duplicates": obj(
                {
                    "count": integer("How many other files show the same picture, of those that this page has read", 1),
                    "files": array({"type": "string", "format": "uuid"}) | {"description": "Their identifiers"},
                },
                title="FoldedDuplicates",
            ),
            **_INCLUDED,
            EXPECTED_BY_CHANCE: nullable(
                number("How many pictures as near as this an unrelated query would find among as many", 0.02)
            ),
        },
        optional=("duplicates", *_INCLUDED, EXPECTED_BY_CHANCE),
    ),
    "ListedFile": obj(_LISTED),
    "PictureCollection": obj(
        {
            "uuid": identifier("Unique identifier for the collection", COLLECTION_ID),
            "name": text("Name of the collection", "test"),
            "bucket": text("S3 bucket name", "similarix-test"),
            "folder": text("Folder path within the bucket", "/images"),
            "type": known_values("`s3`: on a bucket of yours; `managed`: in our storage", CollectionType, "s3"),
            "region": text("AWS region of the S3 bucket", "eu-central-1"),
            "sync_status": known_values("Current synchronization status", SyncStatus, "completed"),
            "last_sync": nullable(timestamp("The last successful synchronization.")),
            "auto_sync_interval": _INTERVAL,
            "stats": obj(
                {
                    "total_files": integer("Number of indexed files", 16),
                    "total_size": integer("Size of these files in bytes", 46988023),
                },
                title="CollectionStatistics",
            ),
            "files": integer("Number of listed files, indexed or not", 19),
            "failed": counts("Number of failed files, by reason", {"not_an_image": 2}),
            "pending": integer("Number of files of which an upload or a retry is under way", 1),
            **_PATTERNS,
            "auto_sync_at": nullable(
                integer("Hour of the day (UTC) of the next automatic sync; null if there is none", 3)
            ),
            "last_auto_sync": nullable(timestamp("The last automatic sync.")),
            "next_auto_sync": nullable(timestamp("When the next automatic sync starts.")),
            "endpoint": nullable(
                text("The server of a bucket that is not on AWS; null for every other", "https://s3.example.com")
            ),
            "access_key_id": nullable(text("Identifier of the access key that reads the bucket there", "AKIDEXAMPLE")),
        }
    ),
    "BucketAccessReport": obj(
        {
            "readable": boolean("Whether the bucket can be read"),
            "problems": array(
                obj(
                    {
                        "error": known_values(
                            "What is missing",
                            (
                                "no_role",
                                "role_not_assumable",
                                "external_id_not_required",
                                "folder_too_long",
                                "no_such_bucket",
                                "wrong_region",
                                "list_denied",
                                "get_denied",
                                *PROBLEMS_OF_SERVERS,
                            ),
                            "list_denied",
                        ),
                        "message": text("What to do"),
                        "field": text("The field at fault", "role_arn"),
                    },
                    title="AccessProblem",
                )
            ),
            "external_id": nullable(
                text(
                    "Specific to your account and this folder; the role's trust policy requires it. This and the next "
                    "three are null for a bucket at an endpoint"
                )
            ),
            "trust_policy": nullable(_POLICY),
            "permissions_policy": nullable(_POLICY),
            "notification_configuration": {
                **nullable(_POLICY),
                "description": (
                    "For `aws s3api put-bucket-notification-configuration`; null for a bucket in another region than "
                    "the service, which S3 would refuse"
                ),
            },
            "warnings": array(ref("AccessWarning")),
        }
    ),
    "AccessWarning": obj(
        {
            "warning": known_values(
                "What will not be as you may expect, although the bucket can be read",
                (
                    "folder_empty",
                    "folder_spelling",
                    "some_denied",
                    "some_archived",
                    "some_customer_key",
                    "reading_untried",
                    "events_in_other_region",
                    *WARNINGS_OF_SERVERS,
                ),
                "some_archived",
            ),
            "message": text("What it means, and what to do"),
            "examples": array(text("A key, or the prefix of a folder", "images/2019/owl.jpg")),
        }
    ),
    "SyncPreview": obj(
        {
            **dict.fromkeys(("listed", "unchanged", "to_add", "to_update", "to_remove", "to_retry"), _COUNT),
            "needs_confirmation": boolean("Whether a sync would wait for `confirm_removals`"),
            "complete": boolean("Whether the time sufficed to list the whole bucket"),
            "examples": {
                "type": "object",
                "description": "Some keys of each kind",
                "additionalProperties": array({"type": "string"}),
                "examples": [{"to_add": ["images/owl.jpg"]}],
            },
            "ignored": integer("Objects that the collection does not select", 2),
        }
    ),
    "SyncState": obj(
        {
            "status": known_values("Current status of the sync", SyncStatus, "completed"),
            "last_sync": nullable(timestamp("The last manual sync.")),
            "last_auto_sync": nullable(timestamp("The last automatic sync.")),
            "progress": obj(
                {
                    **dict.fromkeys(("listed", "to_do", "done", "failed", "skipped", "removed"), _COUNT),
                    "started_at": nullable(timestamp("When it started, or is to start")),
                    "estimated_end": nullable(timestamp("When it may end.")),
                    "reason": nullable(text("Why it failed, or waits for confirmation")),
                    "ignored": integer("Objects that the collection does not select", 2),
                },
                title="SyncProgress",
            ),
            "next_auto_sync": nullable(timestamp("When the next automatic sync starts.")),
            "waiting": counts(
                "Number of failed files that syncs try again because the cause lies outside them, by reason",
                {"access_denied": 3, "archived": 12},
            ),
        }
    ),
    "ObjectExplanation": obj(
        {
            "key": text("The object's key", "images/owl.jpg"),
            "in_bucket": obj(
                {
                    "exists": nullable(boolean("null if the bucket could not be read")),
                    "etag": nullable(text("ETag of the object in S3")),
                    "size": nullable(_COUNT),
                    "reason": nullable(text("Why the bucket could not be read")),
                },
                title="ObjectInBucket",
            ),
            "in_catalogue": nullable(
                obj(
                    {
                        "uuid": identifier("Unique identifier for the file", FILE_ID),
                        "state": _STATE,
                        "etag": text("ETag of the object that was indexed"),
                        "size": _COUNT,
                        "model": nullable(text("Model version of its embedding")),
                    },
                    title="ObjectInCatalogue",
                )
            ),
            "in_index": boolean("Whether searches find it"),
            "last_event": nullable(
                obj(
                    {
                        "sequencer": text("S3's sequencer of the event"),
                        "at": nullable(timestamp("When it was processed.")),
                    },
                    title="ObjectEvent",
                )
            ),
            "last_outcome": nullable(
                obj(
                    {
                        "state": _STATE,
                        "reason": nullable(text("A stable code")),
                        "detail": nullable(text("A sentence")),
                        "at": timestamp("When this state was reached."),
                    },
                    title="ObjectOutcome",
                )
            ),
            "conclusion": text("The conclusion", "The object is indexed as it is in the bucket, and searches find it."),
        }
    ),
    **UPLOAD_SCHEMAS,
    **FILE_SCHEMAS,
    **WEBHOOK_SCHEMAS,
    "Account": obj(
        {
            "uuid": identifier("Unique identifier for the account", COLLECTION_ID),
            "name": text("Name of its owner", "A photographer"),
            "plan": known_values("The plan", PLANS, "pro"),
            "created_at": timestamp("When it was created."),
            "allowances": obj(dict.fromkeys(LIMIT_NAMES, _LIMIT), title="PlanLimits"),
            "rates": obj(
                dict.fromkeys(RATE_NAMES, integer("Requests of one token a minute", 600)), title="RequestRates"
            ),
            "auto_sync_intervals": array(_INTERVAL),
        }
    ),
    "AccessToken": obj(
        {
            "id": identifier("Identifier of the token; not a secret", TOKEN_ID),
            "name": text("Where it is used", "laptop"),
            "scope": known_values("What it may do; each scope includes those before it", Scope, "read"),
            "created_at": timestamp("When it was created."),
            "last_used": nullable(timestamp("Its last use, to the minute.")),
            "expires_at": nullable(timestamp("When it expires.")),
            "made_by": nullable(identifier("The token that made it; null if the operator or a user did", TOKEN_ID)),
            **_BINDINGS,
        }
    ),
    "ExportRecord": {
        "type": "object",
        "description": "What is kept of one thing; its other fields depend on its kind",
        "required": ["kind"],
        "properties": {"kind": known_values("What it is", EXPORT_KINDS, "file")},
        "additionalProperties": True,
    },
    "Confirmation": obj({"message": text("A confirmation")}),
}
SCHEMAS = {**RESPONSE_SCHEMAS, **REQUEST_SCHEMAS}
