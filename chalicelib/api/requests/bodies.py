"""Parses JSON bodies into the values that services take; each field is checked once, here."""

from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from chalice.app import Request

from chalicelib.api.requests.headers import has_json_body
from chalicelib.api.requests.names import check_name
from chalicelib.domain.accounts import (
    NewToken,
    parse_chosen_collections,
    parse_expiry,
    parse_scope,
    parse_token_name,
)
from chalicelib.domain.collections import (
    AutoSync,
    BucketDescription,
    Collection,
    CollectionChange,
    CollectionType,
    NewCollection,
    NewManagedCollection,
    NewS3Collection,
    SyncOptions,
    check_takes_uploads,
    parse_auto_sync,
    parse_auto_sync_at,
    parse_bucket,
    parse_folder,
    parse_name,
    parse_region,
    parse_role,
    parse_type,
)
from chalicelib.domain.errors import InvalidRequest, UnsupportedMediaType
from chalicelib.domain.file_paths import parse_path
from chalicelib.domain.json_values import RepeatedName, parse_json
from chalicelib.domain.metadata import Metadata, parse_metadata
from chalicelib.domain.origins import parse_origins
from chalicelib.domain.search_uploads import NewSearchUpload
from chalicelib.domain.selection import DEFAULT_EXCLUDE, Selection, parse_patterns
from chalicelib.domain.storage_servers import (
    AccessKey,
    ServerDescription,
    parse_access_key,
    parse_endpoint,
    parse_server_region,
)
from chalicelib.domain.texts import check_storable
from chalicelib.domain.uploads import NewUpload, parse_mime_type, parse_name_rule, parse_upload_size
from chalicelib.domain.web_pictures import NewUrlUpload, parse_picture_url
from chalicelib.domain.web_urls import parse_https_url, parse_local_url
from chalicelib.domain.webhook_endpoints import NewWebhook, WebhookChange, parse_description, parse_events

Body = Mapping[str, object]
_ACCESS_KEY_FIELDS = ("access_key_id", "secret_access_key")
_BUCKET_FIELDS = ("bucket", "folder", "region", "role_arn", "endpoint", *_ACCESS_KEY_FIELDS)
_S3_SETTINGS = ("name", "auto_sync_interval", "auto_sync_at", "include", "exclude")
_SYNC_OPTIONS = ("dry_run", "confirm_removals", "retry_failed")


def json_object(request: Request) -> dict[str, Any]:
    """The body, a JSON object in UTF-8.

    Raises:
        UnsupportedMediaType: the content type is another than JSON's.
        InvalidRequest: it is something else, or one of its strings cannot be stored; named after the outermost field.
    """
    if request.headers.get("content-type") and not has_json_body(request):
        raise UnsupportedMediaType("Send JSON with the header 'Content-Type: application/json'.", field="Content-Type")
    raw = request.raw_body
    text = raw if isinstance(raw, str) else _decoded(raw)
    try:
        body = parse_json(text)
    except ValueError:
        raise InvalidRequest("Send a JSON object as the body, in UTF-8.") from None
    except RepeatedName as error:
        raise InvalidRequest(f"The body has '{error.name}' more than once.", field=error.name) from None
    if not isinstance(body, dict):
        raise InvalidRequest("Send a JSON object as the body, not another JSON value.")
    for name, value in body.items():
        check_storable(name, name)
        for text in _texts(value):
            check_storable(text, name)
    return body


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest("Send the JSON object in UTF-8.") from None


def _texts(value: object) -> Iterator[str]:
    """All strings in a JSON value, without recursion: it may be nested deeply."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case list() as items:
                waiting += items
            case dict() as members:
                waiting += [*members, *members.values()]


def reject_unknown_fields(body: Body, known: Names[str]) -> None:
    """Raises UnknownParameter for an unknown field: a misspelt one must not be ignored."""
    for field in body:
        check_name(field, known, "field")


# Each of the following raises the errors of its fields: mostly InvalidRequest, which names the field.


def parse_new_collection(body: Body, *, is_local: bool = False) -> NewCollection:
    """Args:
    is_local: an S3-compatible server may be on this machine.
    """
    kind = parse_type(body.get("type"))
    fields = ("type", "name", "auto_sync_interval")
    if kind is CollectionType.MANAGED:
        reject_unknown_fields(body, fields)
        if parse_auto_sync(body.get("auto_sync_interval")) is not AutoSync.MANUAL:
            raise InvalidRequest(
                "A managed collection is always in sync; leave the interval out.", field="auto_sync_interval"
            )
        return NewManagedCollection(parse_name(body.get("name")))
    reject_unknown_fields(body, (*fields, "auto_sync_at", *_BUCKET_FIELDS, "include", "exclude"))
    name, auto_sync = parse_name(body.get("name")), parse_auto_sync(body.get("auto_sync_interval"))
    return NewS3Collection(
        name=name,
        source=_parse_new_bucket(body, is_local=is_local),
        auto_sync=auto_sync,
        auto_sync_at=parse_auto_sync_at(body.get("auto_sync_at")),
        selection=Selection(_parse_include(body), _parse_exclude(body)),
    )


def parse_bucket_description(body: Body, *, is_local: bool = False) -> BucketDescription:
    """As a new collection's; its role or its access key may be left out."""
    reject_unknown_fields(body, _BUCKET_FIELDS)
    role = body.get("role_arn")
    if body.get("endpoint") is None:
        _reject_access_key(body)
        return _parse_bucket_fields(body, None if role is None else parse_role(role))
    has_key = any(body.get(name) is not None for name in _ACCESS_KEY_FIELDS)
    return _parse_bucket_on_server(body, _parse_access_key(body) if has_key else None, is_local=is_local)


def parse_collection_change(body: Body, collection: Collection) -> CollectionChange:
    settings: tuple[str, ...] = ("name",)
    if collection.type is CollectionType.S3:
        settings = (*_S3_SETTINGS, *(_ACCESS_KEY_FIELDS if collection.server else ("role_arn",)))
    reject_unknown_fields(body, settings)
    return CollectionChange(
        name=parse_name(body["name"]) if "name" in body else None,
        auto_sync=parse_auto_sync(body["auto_sync_interval"]) if "auto_sync_interval" in body else None,
        auto_sync_at=parse_auto_sync_at(body.get("auto_sync_at")),
        usual_hour="auto_sync_at" in body and body["auto_sync_at"] is None,
        role_arn=parse_role(body["role_arn"]) if "role_arn" in body else None,
        include=_parse_include(body) if "include" in body else None,
        exclude=_parse_exclude(body) if "exclude" in body else None,
        access_key=_parse_access_key(body) if any(name in body for name in _ACCESS_KEY_FIELDS) else None,
    )


def parse_sync_options(request: Request) -> SyncOptions:
    """The options of a sync; a request without a body has none, as one has whose body is ``null``: Java clients'."""
    body = {} if request.raw_body.strip() in (b"", b"null", "", "null") else json_object(request)
    for name, value in body.items():
        check_name(name, _SYNC_OPTIONS, "option")
        if not isinstance(value, bool):
            raise InvalidRequest(f"{name} is true or false.", field=name)
    return SyncOptions(**body)


def parse_new_upload(body: Body, collection: Collection, *, only_new: bool = False) -> NewUpload:
    # Before the fields: a caller with the wrong collection has no use for a correct body.
    check_takes_uploads(collection)
    reject_unknown_fields(body, ("path", "size", "mime_type", "replace", "metadata"))
    return NewUpload(
        path=parse_path(body.get("path")),
        size=parse_upload_size(body.get("size")),
        mime_type=parse_mime_type(body.get("mime_type")),
        rule=parse_name_rule(only_new=only_new, replaces=_parse_replace(body)),
        metadata=_parse_metadata(body),
    )


def parse_new_url_upload(body: Body, collection: Collection, *, only_new: bool = False) -> NewUrlUpload:
    check_takes_uploads(collection)
    reject_unknown_fields(body, ("url", "path", "replace", "metadata"))
    path = body.get("path")
    return NewUrlUpload(
        parse_picture_url(body.get("url")),
        None if path is None else parse_path(path),
        parse_name_rule(only_new=only_new, replaces=_parse_replace(body)),
        _parse_metadata(body),
    )


def _parse_metadata(body: Body) -> Metadata | None:
    return parse_metadata(body["metadata"]) if "metadata" in body else None


def parse_new_search_upload(body: Body) -> NewSearchUpload:
    reject_unknown_fields(body, ("size", "mime_type"))
    return NewSearchUpload(parse_upload_size(body.get("size")), parse_mime_type(body.get("mime_type")))


def parse_new_token(body: Body, now: datetime) -> NewToken:
    reject_unknown_fields(body, ("name", "scope", "expires_at", "collections", "origins"))
    return NewToken(
        name=parse_token_name(body.get("name")),
        scope=parse_scope(body.get("scope")),
        expires_at=parse_expiry(body.get("expires_at"), now),
        collections=parse_chosen_collections(body.get("collections")),
        origins=parse_origins(body.get("origins")),
    )


def parse_new_webhook(body: Body, *, is_local: bool) -> NewWebhook:
    reject_unknown_fields(body, ("url", "events", "collections", "description"))
    return NewWebhook(
        url=_parse_receiver(body.get("url"), is_local=is_local),
        events=parse_events(body.get("events")),
        collections=parse_chosen_collections(body.get("collections")),
        description=parse_description(body.get("description")),
    )


def parse_webhook_change(body: Body, *, is_local: bool) -> WebhookChange:
    reject_unknown_fields(body, ("url", "events", "collections", "description", "enabled"))
    enabled = body.get("enabled")
    if "enabled" in body and not isinstance(enabled, bool):
        raise InvalidRequest("enabled is true or false.", field="enabled")
    return WebhookChange(
        url=_parse_receiver(body["url"], is_local=is_local) if "url" in body else None,
        events=parse_events(body["events"]) if "events" in body else None,
        collections=parse_chosen_collections(body.get("collections")),
        all_collections="collections" in body and body["collections"] is None,
        description=parse_description(body["description"]) if "description" in body else None,
        enabled=enabled if isinstance(enabled, bool) else None,
    )


def _parse_receiver(value: object, *, is_local: bool) -> str:
    """A URL that may be sent to, as it was written."""
    (parse_local_url if is_local else parse_https_url)(value)
    assert isinstance(value, str)
    return value


def _parse_replace(body: Body) -> bool:
    replaces = body.get("replace", False)
    if not isinstance(replaces, bool):
        raise InvalidRequest("replace is true or false.", field="replace")
    return replaces


def _parse_include(body: Body) -> tuple[str, ...]:
    return parse_patterns(body.get("include"), "include", ())


def _parse_exclude(body: Body) -> tuple[str, ...]:
    return parse_patterns(body.get("exclude"), "exclude", DEFAULT_EXCLUDE)


def _parse_new_bucket(body: Body, *, is_local: bool) -> BucketDescription:
    if body.get("endpoint") is not None:
        return _parse_bucket_on_server(body, _parse_access_key(body), is_local=is_local)
    _reject_access_key(body)
    return _parse_bucket_fields(body, parse_role(body.get("role_arn")))


def _parse_bucket_on_server(body: Body, key: AccessKey | None, *, is_local: bool) -> BucketDescription:
    if body.get("role_arn") is not None:
        raise InvalidRequest(
            "A bucket at an endpoint is read with an access key: leave role_arn out.", field="role_arn"
        )
    return BucketDescription(
        bucket=parse_bucket(body.get("bucket")),
        prefix=parse_folder(body.get("folder")),
        region=parse_server_region(body.get("region")),
        role_arn=None,
        server=ServerDescription(parse_endpoint(body.get("endpoint"), is_local=is_local), key),
    )


def _parse_access_key(body: Body) -> AccessKey:
    return parse_access_key(body.get("access_key_id"), body.get("secret_access_key"))


def _reject_access_key(body: Body) -> None:
    for name in _ACCESS_KEY_FIELDS:
        if body.get(name) is not None:
            raise InvalidRequest(
                "An access key is for a bucket at an endpoint, which must be named too. One on AWS is read by a role.",
                field="endpoint",
            )


def _parse_bucket_fields(body: Body, role_arn: str | None) -> BucketDescription:
    return BucketDescription(
        bucket=parse_bucket(body.get("bucket")),
        prefix=parse_folder(body.get("folder")),
        region=parse_region(body.get("region")),
        role_arn=role_arn,
    )
