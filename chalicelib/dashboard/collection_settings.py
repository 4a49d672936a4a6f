"""Of one collection: its syncs, what they would do and remove, its settings, and its deletion."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.dashboard.collection_files import file_list
from chalicelib.dashboard.collections import collection_of, countdown, frame_data, thumbnail, view_of
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect, check_rate
from chalicelib.dashboard.texts import text
from chalicelib.domain.collections import (
    HOURS_A_DAY,
    AutoSync,
    Collection,
    CollectionChange,
    CollectionType,
    SyncStatus,
    Trigger,
    parse_auto_sync,
    parse_name,
    parse_role,
)
from chalicelib.domain.errors import InvalidRequest, PlanForbids
from chalicelib.domain.files import FileRecord
from chalicelib.domain.permissions import Permission
from chalicelib.domain.rates import Rate
from chalicelib.domain.schedules import sync_hour
from chalicelib.domain.selection import parse_patterns
from chalicelib.domain.storage_servers import AccessKey, parse_access_key
from chalicelib.domain.sync_diff import ChangeKind
from chalicelib.domain.syncs import Preview

PREVIEW_SECONDS = 18  # of the 29 that API Gateway waits
SHOWN_REMOVALS = 8  # pictures
_FIELDS = {"role_arn": "role", "auto_sync_interval": "auto", "auto_sync_at": "hour"}  # of errors, as the form has them


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/collections/{uuid}/sync", methods=("GET", "POST"))
    def sync(request: PageRequest) -> Page | Redirect:
        collection = collection_of(request)
        if request.method != "POST":
            if not request.is_fragment:
                return Redirect(f"/collections/{collection.uuid}")
            return _sync_page(request, collection, {"said": _said(request, collection)})
        what, syncs = request.form.text("do"), request.services.syncs
        if what == "cancel":
            syncs.cancel(collection)
            return _after(request, collection, "collections.sync_cancelled")
        if what == "preview":
            preview = syncs.preview(collection, countdown(PREVIEW_SECONDS))
            said = text(
                "collections.preview_said", new=preview.to_add, changed=preview.to_update, gone=preview.to_remove
            )
            return _sync_page(request, collection, {"preview": preview, "said": said})
        syncs.start(collection, Trigger.MANUAL, confirm_removals=what == "remove", retry_failed=what == "retry")
        return _after(request, collection, "collections.sync_started")

    @page("/collections/{uuid}/removals")
    def show_removals(request: PageRequest) -> Page:
        collection = collection_of(request)
        data = frame_data(request, collection, "removals") | _removals(request, collection)
        return Page("collection_removals.html", data, fragment="examples")

    @page("/collections/{uuid}/settings", methods=("GET", "POST"))
    def change_settings(request: PageRequest) -> Page | Redirect:
        collection = collection_of(request)
        if request.method != "POST":
            return _settings_page(request, collection, _stored(collection))
        form = {name: request.form.get(name) or "" for name in _stored(collection)}
        try:
            change = _change(form, collection, request.form.text("secret_access_key"))
            if request.form.text("do") == "effect":
                changed = replace(collection, include=change.include or (), exclude=change.exclude or ())
                preview = request.services.syncs.preview(changed, countdown(PREVIEW_SECONDS))
                return _settings_page(request, collection, form, effect=preview)
            if change.access_key is not None:
                check_rate(request, Rate.UPLOAD)  # the server is asked, which anybody may name
            request.services.collections.change(request.caller, collection, change)
        except (InvalidRequest, PlanForbids) as error:
            wrong = {_FIELDS.get(error.field or "", error.field or "name"): error.message}
            return _settings_page(request, collection, form, wrong=wrong, status=error.status)
        return Redirect(f"/collections/{collection.uuid}/settings", toast="collections.saved")

    @page("/collections/{uuid}/delete", methods=("POST",), needs=Permission.COLLECTION_DELETION)
    def delete(request: PageRequest) -> Page | Redirect:
        collection = collection_of(request)
        if request.form.text("typed") != collection.name:
            wrong = {"typed": text("collections.type_name_wrong")}
            return _settings_page(request, collection, _stored(collection), wrong=wrong, status=400)
        request.services.collections.delete(request.caller, collection)
        return Redirect("/collections", toast="collections.deleted")


def _sync_page(request: PageRequest, collection: Collection, data: Mapping[str, Any] | None = None) -> Page:
    shown = frame_data(request, collection, "files")
    if not request.is_fragment:
        shown |= file_list(request, collection)
    return Page("collection_files.html", {"preview": None, **shown, **(data or {})}, fragment="sync")


def _said(request: PageRequest, collection: Collection) -> str | None:
    """What is said aloud since the page asked for the last time: another tenth of the sync, or how it ended."""
    shown, tenth = view_of(request, collection), request.query.get("tenth")
    if tenth is None:
        return None
    if shown.progress is None:
        return shown.badge.word
    if tenth == str(shown.progress.tenth):
        return None
    return text("collections.said_tenth", percent=10 * shown.progress.tenth)


def _after(request: PageRequest, collection: Collection, toast: str) -> Page | Redirect:
    """The collection's page, or its state alone where htmx asks."""
    if not request.is_fragment:
        return Redirect(f"/collections/{collection.uuid}", toast=toast)
    current = request.services.collections.get(request.account.uuid, collection.uuid)
    return replace(_sync_page(request, current), toast=toast)


def _removals(request: PageRequest, collection: Collection) -> dict[str, Any]:
    """Some of the pictures that the sync would remove, by a look at the bucket now."""
    records: list[FileRecord] = []
    keys: list[str] = []
    if collection.sync.status_at(request.services.now()) is SyncStatus.NEEDS_CONFIRMATION:
        preview = request.services.syncs.preview(collection, countdown(PREVIEW_SECONDS))
        keys = list(preview.examples[ChangeKind.REMOVE.value])
        known = request.services.files.known_of(
            request.account.uuid, [(collection.uuid, key) for key in keys[:SHOWN_REMOVALS]]
        )
        records = [record for record, _ in known.values() if record is not None]
    return {
        "pictures": [(record, thumbnail(request, record)) for record in records],
        "paths": [collection.path_of(key) for key in keys],
    }


def _settings_page(
    request: PageRequest,
    collection: Collection,
    form: Mapping[str, str],
    *,
    wrong: Mapping[str, str] | None = None,
    effect: Preview | None = None,
    status: int = 200,
) -> Page:
    data = {
        **frame_data(request, collection, "settings"),
        "form": form,
        "wrong": wrong or {},
        "effect": effect,
        "intervals": [(each.value, each in request.plan.auto_sync) for each in AutoSync],
        "is_limited": not set(AutoSync) <= request.plan.auto_sync,
        "hours": range(HOURS_A_DAY),
        "hour": sync_hour(collection),
        "role_name": collection.role_arn.rpartition("/")[2] if collection.role_arn else None,
    }
    return Page("collection_settings.html", data, status, fragment="tab")


def _stored(collection: Collection) -> dict[str, str]:
    """The settings as the form has them."""
    hour = collection.auto_sync_at
    return {
        "name": collection.name,
        "auto": collection.auto_sync.value,
        "hour": "" if hour is None else str(hour),
        "include": "\n".join(collection.include),
        "exclude": "\n".join(collection.exclude),
        **_stored_access(collection),
    }


def _stored_access(collection: Collection) -> dict[str, str]:
    """What the bucket is read by. The secret of an access key is never sent back."""
    if collection.server is not None:
        return {"access_key_id": collection.server.access_key_id}
    return {"role": collection.role_arn or ""}


def _change(form: Mapping[str, str], collection: Collection, secret: str) -> CollectionChange:
    """What the form changes; a role or key that is as it was is not checked again."""
    name = parse_name(form["name"])
    if collection.type is CollectionType.MANAGED:
        return CollectionChange(name=name)
    return CollectionChange(
        name=name,
        auto_sync=parse_auto_sync(form["auto"] or None),
        auto_sync_at=_hour(form["hour"]),
        usual_hour=not form["hour"],
        include=parse_patterns(_lines(form["include"]), "include", ()),
        exclude=parse_patterns(_lines(form["exclude"]), "exclude", ()),
        role_arn=_role(form, collection),
        access_key=_access_key(form, collection, secret),
    )


def _role(form: Mapping[str, str], collection: Collection) -> str | None:
    role = form.get("role", "").strip()
    return parse_role(role) if collection.server is None and role != collection.role_arn else None


def _access_key(form: Mapping[str, str], collection: Collection, secret: str) -> AccessKey | None:
    """The new key; another identifier needs its secret, and so does a new secret of the same."""
    if collection.server is None:
        return None
    identifier = form["access_key_id"].strip()
    if identifier == collection.server.access_key_id and not secret:
        return None
    return parse_access_key(identifier, secret)


def _hour(value: str) -> int | None:
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and int(value) < HOURS_A_DAY):
        raise InvalidRequest("The hour is a number from 0 to 23.", field="hour")
    return int(value)


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]
