"""The JSON Schemas of JSON bodies, as strict as the code that parses them where a schema can say it.

A schema cannot say how many bytes of UTF-8 a text has, nor whether a pattern of a .gitignore file matches anything.
"""

from chalicelib.api.openapi.builders import (
    COLLECTION_ID,
    FILE_ID,
    ROLE_ARN,
    SEARCH_UPLOAD_ID,
    Schema,
    array,
    boolean,
    choice,
    identifier,
    integer,
    nullable,
    number,
    obj,
    ref,
    text,
    timestamp,
)
from chalicelib.api.openapi.file_schemas import FILE_REQUEST_SCHEMAS, METADATA
from chalicelib.api.openapi.filters import FILTER_SCHEMAS
from chalicelib.api.openapi.searches import COLLECTIONS, CUTOFF, DISTANCE, FOLD_DUPLICATES, INCLUDE, MATCH, QUERY_TEXT
from chalicelib.api.openapi.server_schemas import ACCESS_KEY, ENDPOINT, OPTIONAL_ACCESS_KEY, REGION
from chalicelib.api.openapi.webhook_schemas import WEBHOOK_REQUEST_SCHEMAS
from chalicelib.api.requests.queries import LIMIT_MAX
from chalicelib.domain.accounts import TOKEN_NAME_LIMIT, Scope
from chalicelib.domain.collections import (
    BUCKET_PATTERN,
    COLLECTION_NAME_LIMIT,
    FOLDER_LIMIT,
    HOURS_A_DAY,
    REFUSED_BUCKET_PATTERN,
    ROLE_ARN_LIMIT,
    ROLE_ARN_PATTERN,
    AutoSync,
)
from chalicelib.domain.composition import TERMS_MAX, WEIGHT_MAX
from chalicelib.domain.file_paths import PATH_LIMIT
from chalicelib.domain.image_files import ACCEPTED_TYPES
from chalicelib.domain.origins import ORIGINS_MAX
from chalicelib.domain.selection import MAX_PATTERNS, PATTERN_LIMIT
from chalicelib.domain.uploads import UPLOAD_LIMIT
from chalicelib.domain.vectors import COLLECTIONS_MAX
from chalicelib.domain.web_urls import URL_LIMIT

# Regular expressions in what Python's dialect and JavaScript's have in common.
_STORABLE = r"^[^\u0000]*$"
_NOT_BLANK = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
_WITHOUT_CONTROLS = r"^[^#\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"

_ROLE = text(
    "The role that may read the bucket; its name starts with `similarix-`",
    ROLE_ARN,
    pattern=f"^{ROLE_ARN_PATTERN}$",
    maxLength=ROLE_ARN_LIMIT,
)
_INTERVAL = choice("Frequency of automatic synchronization", AutoSync, "daily")
_HOUR = integer(
    "Hour of the day (UTC) for automatic synchronization; null for the usual one",
    3,
    minimum=0,
    maximum=HOURS_A_DAY - 1,
)
_FOLDER = text(
    f"Folder within the bucket, of at most {FOLDER_LIMIT} bytes; by default the whole bucket",
    "/images",
    pattern=_STORABLE,
    maxLength=FOLDER_LIMIT,
)
_SOURCE = {
    "bucket": text(
        "S3 bucket name",
        "similarix-test",
        pattern=f"^{BUCKET_PATTERN}$",
        **{"not": {"pattern": REFUSED_BUCKET_PATTERN}},
    ),
    "folder": nullable(_FOLDER),
    "region": nullable(REGION),
    "role_arn": nullable(_ROLE),
    "endpoint": nullable(ENDPOINT),
}
# A bucket has a role or an access key, so that no example has all fields.
BUCKET_ON_AWS = {
    "bucket": "similarix-test",
    "folder": "/images",
    "region": "eu-central-1",
    "role_arn": ROLE_ARN,
}
_OPTIONAL_SOURCE = ("folder", "region", "role_arn", "endpoint")
_NAME = text("Name of the collection", "test", pattern=_NOT_BLANK, minLength=1, maxLength=COLLECTION_NAME_LIMIT)
_PATTERN = text(
    "A pattern as in a .gitignore file", "drafts/", pattern=_WITHOUT_CONTROLS, minLength=1, maxLength=PATTERN_LIMIT
)
_PATTERNS = {
    name: nullable({**array(_PATTERN), "maxItems": MAX_PATTERNS, "description": description})
    for name, description in (
        ("include", "What of the folder is indexed; everything if it is empty, or null"),
        ("exclude", "What of that is left out; null for the default"),
    )
}
_BINDINGS = {
    "collections": nullable(
        array(identifier("Identifier of a collection", COLLECTION_ID))
        | {
            "description": "With the scope `search`: the only collections that the token searches; null for all",
            "minItems": 1,
            "maxItems": COLLECTIONS_MAX,
        }
    ),
    "origins": nullable(
        array(text("Scheme, host and port; a host `*.shop.example` stands for all below it", "https://shop.example"))
        | {
            "description": "With the scope `search`: the only web pages that may send the token; null for any caller",
            "minItems": 1,
            "maxItems": ORIGINS_MAX,
        }
    ),
}

_WEIGHT = number(
    "Below 0 for what is not wanted; at least one term has a weight above 0",
    0.5,
    minimum=-WEIGHT_MAX,
    maximum=WEIGHT_MAX,
    default=1,
)

REQUEST_SCHEMAS: dict[str, Schema] = {
    **FILE_REQUEST_SCHEMAS,
    **FILTER_SCHEMAS,
    **WEBHOOK_REQUEST_SCHEMAS,
    "ComposedQuery": obj(
        {
            "query": array({"oneOf": [ref("TextTerm"), ref("FileTerm"), ref("UploadTerm")]})
            | {"minItems": 1, "maxItems": TERMS_MAX},
            "limit": nullable(integer("How many results to return at most", 16, minimum=1, maximum=LIMIT_MAX)),
            "collection": nullable(COLLECTIONS | {"description": "Search only these collections"}),
            "max_distance": nullable(DISTANCE | {"description": "Return only pictures with at most this distance"}),
            "cutoff": nullable(CUTOFF | {"description": "End the answer where chance begins"}),
            "match": nullable(MATCH | {"description": "What the text is compared with"}),
            "include": nullable(INCLUDE | {"description": "Fields to show beside the usual ones"}),
            "fold_duplicates": nullable(FOLD_DUPLICATES | {"description": "Show each picture once"}),
            "cursor": nullable(text("`next_cursor` of the page before; all other fields must be the same")),
            "filter": {"oneOf": [ref("Filter"), {"type": "null"}]},
        },
        optional=(
            "limit",
            "collection",
            "max_distance",
            "cutoff",
            "match",
            "include",
            "fold_duplicates",
            "cursor",
            "filter",
        ),
    ),
    "TextTerm": obj({"text": QUERY_TEXT | {"examples": ["a beach"]}, "weight": _WEIGHT}, optional=("weight",)),
    "FileTerm": obj(
        {"file": identifier("An indexed file of the account", FILE_ID), "weight": _WEIGHT}, optional=("weight",)
    ),
    "UploadTerm": obj(
        {"upload": identifier("A picture that was uploaded to search by", SEARCH_UPLOAD_ID), "weight": _WEIGHT},
        optional=("weight",),
    ),
    "CollectionDefinition": {
        "oneOf": [ref("ManagedCollectionDefinition"), ref("BucketCollectionDefinition")],
        "discriminator": {
            "propertyName": "type",
            "mapping": {
                "managed": ref("ManagedCollectionDefinition")["$ref"],
                "s3": ref("BucketCollectionDefinition")["$ref"],
            },
        },
    },
    "ManagedCollectionDefinition": obj(
        {
            "type": choice("A collection in our storage", ["managed"], "managed"),
            "name": _NAME,
            "auto_sync_interval": nullable(choice("A managed collection needs no syncs", ["manual"], "manual")),
        },
        optional=("auto_sync_interval",),
    ),
    "BucketCollectionDefinition": obj(
        {
            "type": choice("A collection on a bucket of yours", ["s3"], "s3"),
            "name": _NAME,
            **_SOURCE,
            **OPTIONAL_ACCESS_KEY,
            "auto_sync_interval": nullable(_INTERVAL),
            "auto_sync_at": nullable(_HOUR),
            **_PATTERNS,
        },
        optional=(*_OPTIONAL_SOURCE, *ACCESS_KEY, "auto_sync_interval", "auto_sync_at", *_PATTERNS),
    ),
    "CollectionChange": obj(
        {
            "name": _NAME,
            "auto_sync_interval": nullable(_INTERVAL),
            "auto_sync_at": nullable(_HOUR),
            "role_arn": _ROLE,
            **ACCESS_KEY,
            **_PATTERNS,
        },
        optional=("name", "auto_sync_interval", "auto_sync_at", "role_arn", *ACCESS_KEY, *_PATTERNS),
    ),
    "BucketDescription": obj({**_SOURCE, **OPTIONAL_ACCESS_KEY}, optional=(*_OPTIONAL_SOURCE, *ACCESS_KEY)),
    "SyncOptions": obj(
        {
            "dry_run": boolean("Only report what a sync would do"),
            "confirm_removals": boolean("Remove files even if they are most of the collection"),
            "retry_failed": boolean("Try every failed file again, also those that are no pictures"),
        },
        optional=("dry_run", "confirm_removals", "retry_failed"),
    ),
    "FetchDefinition": obj(
        {
            "url": text(
                "Where the picture is, by HTTPS on port 443 and without credentials",
                "https://pictures.example/2024/owl.jpg",
                format="uri",
                pattern=r"^[Hh][Tt][Tt][Pp][Ss]://[^\u0000- \u007f]+$",
                maxLength=URL_LIMIT,
            ),
            "path": nullable(
                text(
                    "Where to store the file; by default under the last part of the URL's path",
                    "2024/summer/owl.jpg",
                    pattern=_NOT_BLANK,
                    minLength=1,
                    maxLength=PATH_LIMIT,
                )
            ),
            "replace": boolean("Whether to replace another picture of this path; else this one is stored beside it"),
            "metadata": METADATA,
        },
        optional=("path", "replace", "metadata"),
    ),
    "SearchUploadDefinition": obj(
        {
            "size": integer("Its exact size in bytes", 15000000, minimum=1, maximum=UPLOAD_LIMIT),
            "mime_type": choice("Its media type", ACCEPTED_TYPES, "image/jpeg"),
        }
    ),
    "UploadDefinition": obj(
        {
            "path": text(
                "Where to store the file: folders, and its name",
                "2024/summer/example_image.jpg",
                pattern=_NOT_BLANK,
                minLength=1,
                maxLength=PATH_LIMIT,
            ),
            "size": integer("Its exact size in bytes", 15000000, minimum=1, maximum=UPLOAD_LIMIT),
            "mime_type": choice("Its media type", ACCEPTED_TYPES, "image/jpeg"),
            "replace": boolean("Whether to replace another picture of this path; else this one is stored beside it"),
            "metadata": METADATA,
        },
        optional=("replace", "metadata"),
    ),
    "TokenDefinition": obj(
        {
            "name": text(
                "Where it will be used", "laptop", pattern=_NOT_BLANK, minLength=1, maxLength=TOKEN_NAME_LIMIT
            ),
            "scope": choice("What it may do; each scope includes those before it", Scope, "search"),
            "expires_at": nullable(timestamp("In the future.") | {"examples": ["2030-01-31T12:00:00+00:00"]}),
            **_BINDINGS,
        },
        optional=("expires_at", *_BINDINGS),
    ),
}
