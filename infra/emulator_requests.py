"""What a request to the emulator may change, told before it is handled: nothing, its items and objects, or settings."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

# Requests that change no settings: most of all.
_ITEM_ACTIONS = ("Item", "Items", "Query", "Scan")
_MESSAGE_ACTIONS = ("Message", "MessageBatch", "Visibility", "VisibilityBatch", "QueueUrl", "QueueAttributes")
# Every request is described, so only these are read of it. A server has their names in lower case:
# https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope
_DESCRIBING_HEADERS = frozenset({b"authorization", b"x-amz-target", b"content-type"})
_CREDENTIAL = re.compile(rb"(?:^|&)X-Amz-Credential=([^&]+)")
_STATELESS_SERVICES = ("sts", "logs", "monitoring", "execute-api")

Request = Mapping[str, Any]


def described(scope: Any) -> Request:
    """A request as an ASGI server describes it: its method, path, service and action, and whether it names a key."""
    headers = {name: value.decode("latin-1") for name, value in scope.get("headers", []) if name in _DESCRIBING_HEADERS}
    path, presigned = scope["path"], _CREDENTIAL.search(scope.get("query_string", b""))
    # AWS4-HMAC-SHA256 Credential=KEY/20260301/us-east-1/SERVICE/aws4_request, in a header or in a presigned URL.
    credential = headers.get(b"authorization", "") or (
        unquote_plus(presigned[1].decode("latin-1")) if presigned else ""
    )
    scope_parts = (
        credential.partition("Credential=")[2].partition(",")[0].split("/")
        if " " in credential
        else (credential.split("/"))
    )
    service = scope_parts[3] if len(scope_parts) == 5 else ("execute-api" if path.startswith("/_") else "s3")
    bucket_and_key = path.strip("/").split("/", 1)
    return {
        "method": scope["method"],
        "path": path,
        "service": service,
        "action": headers.get(b"x-amz-target", "").rpartition(".")[2],
        # A form's POST names its key in the body.
        "has_key": len(bucket_and_key) == 2 or "multipart/form-data" in headers.get(b"content-type", ""),
    }


def writes(request: Request) -> bool:
    """Whether a request stores anything; a read, a deletion and an invocation are possible on a full disk, too."""
    if request["service"] == "s3":
        return request["method"] in ("PUT", "POST") and request["has_key"]
    action = str(request["action"])
    if request["service"] == "dynamodb":
        # Not UpdateItem: it adds little, and a search notes by it that its token is used.
        return action in ("PutItem", "TransactWriteItems", "BatchWriteItem")
    return request["service"] == "sqs" and action.startswith("SendMessage")


def changes_settings(request: Request) -> bool:
    """Whether a request may change more than items, messages and objects."""
    service, action = request["service"], str(request["action"])
    if request["method"] in ("GET", "HEAD") or service in _STATELESS_SERVICES:
        return False
    if service == "dynamodb":
        return not action.endswith(_ITEM_ACTIONS)
    if service == "sqs":
        return not action.endswith(_MESSAGE_ACTIONS) or action == "SetQueueAttributes"
    if service == "s3":
        return not request["has_key"]
    return not (service == "lambda" and str(request["path"]).endswith("/invocations"))
