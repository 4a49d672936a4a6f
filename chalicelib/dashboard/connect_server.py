"""Connecting a bucket of an S3-compatible server: one form, because no role has to be made in between.

The secret of its access key travels in the body of the form alone: never in an address, and never back to the browser.
"""

from collections.abc import Mapping

from chalicelib.api.requests.bodies import parse_new_collection
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect, check_rate
from chalicelib.domain.collections import AutoSync, NewCollection, Trigger
from chalicelib.domain.errors import DuplicateCollection, InvalidRequest, PlanForbids, QuotaExceeded, Unavailable
from chalicelib.domain.rates import Rate

FIELDS = ("name", "endpoint", "bucket", "folder", "region", "access_key_id")  # that a form which is sent back repeats
_SCHEME = "s3://"


def add_pages(dispatcher: PageDispatcher) -> None:
    @dispatcher.page("/collections/connect/server", methods=("GET", "POST"))
    def connect_bucket_of_server(request: PageRequest) -> Page | Redirect:
        if request.method != "POST":
            return _form(request, {name: request.query.text(name) for name in FIELDS})
        check_rate(request, Rate.UPLOAD)  # each form asks a server that anybody may name
        filled = {name: request.form.text(name) for name in FIELDS}
        try:
            made, _ = request.services.collections.create(request.caller, _new(request, filled))
        except InvalidRequest as error:
            field = "bucket" if error.field == "folder" else error.field or "name"
            return _form(request, filled, wrong={field: error.message}, status=error.status)
        except (DuplicateCollection, PlanForbids, QuotaExceeded, Unavailable) as error:
            return _form(request, filled, problem=error.message, status=error.status)
        request.services.syncs.start(made, Trigger.MANUAL)
        return Redirect(f"/collections/{made.uuid}", toast="connect.connected")


def interval(request: PageRequest) -> AutoSync:
    """Daily where the plan has it: such a bucket sends no events."""
    return AutoSync.DAILY if AutoSync.DAILY in request.plan.auto_sync else AutoSync.MANUAL


def _new(request: PageRequest, filled: Mapping[str, str]) -> NewCollection:
    """What the form asks for; a bucket may be written with its folder, as ``s3://bucket/folder``."""
    bucket, folder = filled["bucket"], filled["folder"]
    if bucket.startswith(_SCHEME):
        bucket, _, rest = bucket.removeprefix(_SCHEME).partition("/")
        folder = folder or rest
    body = {
        **filled,
        "type": "s3",
        "bucket": bucket,
        "folder": folder,
        "region": filled["region"] or None,
        "secret_access_key": request.form.text("secret_access_key"),
        "auto_sync_interval": interval(request).value,
    }
    return parse_new_collection(body, is_local=request.services.config.local_servers)


def _form(
    request: PageRequest,
    filled: Mapping[str, str],
    *,
    wrong: Mapping[str, str] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Page:
    data = {"filled": filled, "wrong": wrong or {}, "problem": problem, "interval": interval(request).value}
    return Page("connect_server.html", data, status)
