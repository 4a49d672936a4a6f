"""The values of the API as JSON Schema, each with an example."""

from typing import Any

from chalicelib.domain.accounts import TOKEN_NAME_LIMIT as TOKEN_NAME_LIMIT
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import COLLECTION_NAME_LIMIT, AutoSync, CollectionType, SyncStatus
from chalicelib.domain.files import FileState
from chalicelib.domain.image_files import ACCEPTED_TYPES, FILE_NAME_LIMIT
from chalicelib.domain.plans import LIMITS, PLANS
from chalicelib.domain.uploads import UPLOAD_LIMIT

Schema = dict[str, Any]

FILE_ID, COLLECTION_ID = "dd09f404-1bd6-4246-a277-b5af21e9da66", "8ff9ef69-fd22-4308-ad1e-22c59500d944"
UPLOAD_ID, TOKEN_ID = "0c9d1f2e-8a54-4a53-9df5-5e0f3e6f9b1d", "5b0f6c1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"
ROLE, WHEN = "arn:aws:iam::111122223333:role/similarix-reader", "2024-09-08T08:57:17.158088+03:00"


def text(description: str, example: str | None = None, **more: Any) -> Schema:
    return {"type": "string", "description": description, **({"examples": [example]} if example else {}), **more}


def number(description: str, example: float, **more: Any) -> Schema:
    return {"type": "integer", "description": description, "examples": [example], **more}


def nullable(schema: Schema) -> Schema:
    also = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **also, "type": [schema["type"], "null"]}


def choice(description: str, values: Any, example: str) -> Schema:
    return text(description, example, enum=[str(value) for value in values])


def obj(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), closed: bool = True) -> Schema:
    """An object whose fields are all there but for the optional ones."""
    required = [name for name in properties if name not in optional]
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": False} if closed else schema


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def moment(description: str) -> Schema:
    return text(f"{description} ISO 8601 with its offset.", WHEN, format="date-time")


def identifier(description: str, example: str) -> Schema:
    return text(description, example, format="uuid")


_FOUND = {
    "uuid": identifier("Unique identifier for the file", FILE_ID),
    "file_name": text("Name of the file", "richard-brutyo-Sg3XwuEpybU-unsplash.jpg"),
    "file_size": number("Size of the file in bytes", 702316),
    "md5": text("MD5 hash of the file", "653b6e02f13241e943e0889f0165d627"),
    "thumbnail": text(
        "URL of the file's thumbnail; ask for it with your token", f"/media/{COLLECTION_ID}/{FILE_ID}.jpg"
    ),
    "s3_uri": text("S3 URI of the file", "s3://similarix-test/images/richard-brutyo-Sg3XwuEpybU-unsplash.jpg"),
    "download_url": text("URL to download the file; ask for it with your token", f"/collections/download/{FILE_ID}/"),
}
_LISTED = {
    **_FOUND,
    "md5": nullable(_FOUND["md5"]),
    "thumbnail": nullable(_FOUND["thumbnail"]),
    "download_url": nullable(_FOUND["download_url"]),
    "collection": identifier("The collection it is in", COLLECTION_ID),
    "mime_type": nullable(text("What its bytes are", "image/jpeg")),
    "width": nullable(number("Pixels", 1920)),
    "height": nullable(number("Pixels", 1280)),
    "state": choice("Only an indexed file can be found", (s for s in FileState if s != "removed"), "indexed"),
    "reason": nullable(text("Why it failed, as a stable code: `not_an_image`, `too_large`, `over_plan`, …")),
    "detail": nullable(text("Why it failed, as a sentence")),
    "updated_at": moment("When this was last found to be so."),
}
_ALLOWANCE = obj({"allowed": number("What the plan allows", 10), "used": number("What is used of it", 2)})
_POLICY: Schema = {"type": "object", "description": "An IAM policy, ready to paste", "additionalProperties": True}

_ROLE_ARN = text("The role that may read the bucket; its name starts with `similarix-`", ROLE)
_INTERVAL = choice("Frequency of automatic synchronization", AutoSync, "daily")
_SOURCE = {
    "bucket": text("S3 bucket name", "similarix-test"),
    "folder": nullable(text("Folder within the bucket; everything, if left out", "/images")),
    "region": text("AWS region of the S3 bucket", "eu-central-1"),
    "role_arn": _ROLE_ARN,
}
_NAME = text("Name of the collection", "test", minLength=1, maxLength=COLLECTION_NAME_LIMIT)
_COUNT = number("A count", 16)
_STATE = choice("What became of it", FileState, "indexed")

SCHEMAS: dict[str, Schema] = {
    "FoundFile": obj(
        {
            **_FOUND,
            "distance": {
                "type": "number",
                "description": "Cosine distance: 0 is the same picture, lower is more similar",
                "examples": [0.79],
            },
        }
    ),
    "File": obj(_LISTED),
    "Collection": obj(
        {
            "uuid": identifier("Unique identifier for the collection", COLLECTION_ID),
            "name": text("Name of the collection", "test"),
            "bucket": text("S3 bucket name", "similarix-test"),
            "folder": text("Folder path within the bucket", "/images"),
            "type": choice("`s3` for a bucket of yours, `managed` for ours", CollectionType, "s3"),
            "region": text("AWS region of the S3 bucket", "eu-central-1"),
            "sync_status": choice("Current synchronization status", SyncStatus, "completed"),
            "last_sync": nullable(moment("The last successful synchronization.")),
            "auto_sync_interval": _INTERVAL,
            "stats": obj(
                {"total_files": number("Files that can be found", 16), "total_size": number("Their bytes", 46988023)}
            ),
        }
    ),
    "NewCollection": {
        "oneOf": [
            obj(
                {
                    "type": {"const": "managed"},
                    "name": _NAME,
                    "auto_sync_interval": nullable(choice("Always in sync", ["manual"], "manual")),
                },
                optional=("auto_sync_interval",),
            ),
            obj(
                {"type": {"const": "s3"}, "name": _NAME, **_SOURCE, "auto_sync_interval": nullable(_INTERVAL)},
                optional=("folder", "auto_sync_interval"),
            ),
        ]
    },
    "CollectionChange": obj(
        {"name": _NAME, "auto_sync_interval": nullable(_INTERVAL), "role_arn": _ROLE_ARN},
        optional=("name", "auto_sync_interval", "role_arn"),
    ),
    "Source": obj({**_SOURCE, "role_arn": nullable(_ROLE_ARN)}, optional=("folder", "role_arn")),
    "Examination": obj(
        {
            "readable": {"type": "boolean", "description": "Whether all is in order"},
            "problems": many(
                obj(
                    {
                        "error": choice(
                            "What is missing",
                            (
                                "no_role",
                                "role_not_assumable",
                                "no_such_bucket",
                                "wrong_region",
                                "list_denied",
                                "get_denied",
                            ),
                            "list_denied",
                        ),
                        "message": text("What to do about it"),
                        "field": text("The field at fault", "role_arn"),
                    }
                )
            ),
            "external_id": text("Belongs to your account and this folder; the role's trust policy asks for it"),
            "trust_policy": _POLICY,
            "permissions_policy": _POLICY,
            "notification_configuration": {
                **_POLICY,
                "description": "For `aws s3api put-bucket-notification-configuration`",
            },
        }
    ),
    "SyncOptions": obj(
        {
            "dry_run": {"type": "boolean", "description": "Only say what a sync would do"},
            "confirm_removals": {"type": "boolean", "description": "Even if most of the collection goes"},
            "retry_failed": {"type": "boolean", "description": "Look again at files that could not be read"},
        },
        optional=("dry_run", "confirm_removals", "retry_failed"),
    ),
    "Preview": obj(
        {
            **dict.fromkeys(("listed", "unchanged", "to_add", "to_update", "to_remove", "to_retry"), _COUNT),
            "needs_confirmation": {"type": "boolean"},
            "complete": {"type": "boolean", "description": "Whether the whole bucket was looked at in time"},
            "examples": {"type": "object", "additionalProperties": many({"type": "string"})},
        }
    ),
    "SyncState": obj(
        {
            "status": choice("Current status of the sync", SyncStatus, "completed"),
            "last_sync": nullable(moment("The last manual sync.")),
            "last_auto_sync": nullable(moment("The last automatic sync.")),
            "progress": obj(
                {
                    **dict.fromkeys(("listed", "to_do", "done", "failed", "skipped", "removed"), _COUNT),
                    "started_at": nullable(moment("When it began.")),
                    "estimated_end": nullable(moment("When it may end.")),
                    "reason": nullable(text("Why it failed or waits")),
                }
            ),
        }
    ),
    "Explanation": obj(
        {
            "key": text("The object's key", "images/owl.jpg"),
            "in_bucket": obj(
                {
                    "exists": nullable({"type": "boolean", "description": "null where the bucket could not be asked"}),
                    "etag": nullable(text("As S3 has it")),
                    "size": nullable(_COUNT),
                    "reason": nullable(text("Why the bucket could not be asked")),
                }
            ),
            "in_catalogue": nullable(
                obj(
                    {
                        "uuid": identifier("Unique identifier for the file", FILE_ID),
                        "state": _STATE,
                        "etag": text("Of the bytes that were looked at"),
                        "size": _COUNT,
                        "model": nullable(text("What it was looked at with")),
                    }
                )
            ),
            "in_index": {"type": "boolean", "description": "Whether a search can show it"},
            "last_event": nullable(
                obj({"sequencer": text("S3's own"), "at": nullable(moment("When it was handled."))})
            ),
            "last_outcome": nullable(
                obj(
                    {
                        "state": _STATE,
                        "reason": nullable(text("A stable code")),
                        "detail": nullable(text("A sentence")),
                        "at": moment("When it came about."),
                    }
                )
            ),
            "conclusion": text("What it comes to", "It is indexed and can be found."),
        }
    ),
    "Uploaded": obj(
        {
            "message": text("Says so", "Image uploaded successfully"),
            "collection": identifier("The managed collection", COLLECTION_ID),
            "file": text("Name of the file", "example_image.jpg"),
            "mime_type": text("What its bytes are", "image/jpeg"),
        }
    ),
    "NewUpload": obj(
        {
            "file": text("Name of the file", "example_image.jpg", minLength=1, maxLength=FILE_NAME_LIMIT),
            "size": number("Its size in bytes, exactly", 15000000, minimum=1, maximum=UPLOAD_LIMIT),
            "mime_type": choice("Its media type", ACCEPTED_TYPES, "image/jpeg"),
        }
    ),
    "PreparedUpload": obj(
        {
            "message": text("What to do next"),
            "collection": identifier("The managed collection", COLLECTION_ID),
            "file": text("Name of the file", "example_image.jpg"),
            "mime_type": text("The type that the form takes", "image/jpeg"),
            "upload": obj(
                {
                    "id": identifier("For the call that completes it", UPLOAD_ID),
                    "url": text("Where to send the file", format="uri"),
                    "fields": {
                        "type": "object",
                        "description": "Fields of the form, before the file",
                        "additionalProperties": {"type": "string"},
                    },
                    "expires_at": moment("Until then it may be sent."),
                }
            ),
        }
    ),
    "Account": obj(
        {
            "uuid": identifier("Unique identifier for the account", COLLECTION_ID),
            "name": text("Whose it is", "A photographer"),
            "plan": choice("The plan", PLANS, "pro"),
            "created_at": moment("When it was opened."),
            "allowances": obj(dict.fromkeys(LIMITS, _ALLOWANCE)),
            "auto_sync_intervals": many(_INTERVAL),
        }
    ),
    "Token": obj(
        {
            "id": identifier("Names the token, and is no secret", TOKEN_ID),
            "name": text("Where it is used", "laptop"),
            "scope": choice("What it may do; `write` may read as well", Scope, "read"),
            "created_at": moment("When it was made."),
            "last_used": nullable(moment("To the minute.")),
            "expires_at": nullable(moment("From then on it is refused.")),
        }
    ),
    "NewToken": obj(
        {
            "name": text("Where it will be used", "laptop", minLength=1, maxLength=TOKEN_NAME_LIMIT),
            "scope": choice("What it may do", Scope, "read"),
            "expires_at": nullable(moment("In the future.") | {"examples": ["2030-01-31T12:00:00+00:00"]}),
        },
        optional=("expires_at",),
    ),
    "Message": obj({"message": text("What was done")}),
}
