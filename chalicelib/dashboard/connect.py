"""Connecting a bucket in one sitting: name it, let it be read, see each check turn good, connect and sync.

What has been said so far stands in the address, so that the page can be left, sent on and come back to; nothing is
stored before the bucket can be read.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.dashboard.access_checks import TRIES, checks_of, is_ready, waiting_checks
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.fields import Fields
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.domain.bucket_access import AccessReport, permissions_policy, trust_policy
from chalicelib.domain.bucket_stacks import can_notify, parse_role_or_account, stack_name, stack_parameters
from chalicelib.domain.collections import (
    AutoSync,
    BucketDescription,
    NewS3Collection,
    Trigger,
    parse_bucket,
    parse_folder,
    parse_name,
    parse_region,
)
from chalicelib.domain.errors import (
    DuplicateCollection,
    InvalidRequest,
    QuotaExceeded,
    SourceUnavailable,
    SourceUnreadable,
)
from chalicelib.domain.notifications import queue_configuration
from chalicelib.services.bucket_stacks import template

TEMPLATE_NAME = "similarix-bucket.yaml"
_SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Sitting:
    """What has been said so far; texts as they were typed.

    Args:
        edits: whether the first step is to be changed.
    """

    name: str = ""
    bucket: str = ""
    folder: str = ""
    region: str = ""
    role: str = ""
    edits: bool = False

    @classmethod
    def of(cls, fields: Fields, region: str) -> "Sitting":
        """The sitting of an address or form; a bucket may be written with its folder, as ``s3://bucket/folder``."""
        bucket, folder = fields.text("bucket"), fields.get("folder") or ""
        if bucket.startswith(_SCHEME):
            bucket, _, rest = bucket.removeprefix(_SCHEME).partition("/")
            folder = folder or rest
        return cls(
            name=fields.text("name"),
            bucket=bucket,
            folder=folder,
            region=fields.text("region") or region,
            role=fields.text("role"),
            edits=fields.text("edit") == "1",
        )

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What the next step's address repeats, without the role."""
        return [("name", self.name), ("bucket", self.bucket), ("folder", self.folder), ("region", self.region)]

    def address(self, **more: str) -> str:
        return f"/collections/connect?{urlencode([*self.fields, *more.items()])}"

    def stack_address(self, notifies: bool) -> str:
        """Where the one click leads; a link, because a form's policy would hold each redirect of the console's."""
        more = [("notify", "on")] if notifies else []
        return f"/collections/connect/stack?{urlencode([*self.fields, *more])}"

    def described(self, role_arn: str | None = None) -> BucketDescription:
        """Raises InvalidRequest for a field that cannot be so; it names the field."""
        parse_name(self.name)
        return BucketDescription(
            parse_bucket(self.bucket), parse_folder(self.folder), parse_region(self.region), role_arn
        )


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/collections/connect", methods=("GET", "POST"))
    def connect_bucket(request: PageRequest) -> Page | Redirect:
        is_change = request.method == "POST"
        sitting = Sitting.of(request.form if is_change else request.query, request.services.config.aws_region)
        if not sitting.bucket or sitting.edits:
            return _first_step(sitting)
        try:
            source = sitting.described()
        except InvalidRequest as error:
            return _first_step(sitting, {error.field or "bucket": error.message})
        without_role = request.services.collections.check(request.account.uuid, source)
        if not is_change:
            return _further_steps(request, sitting, without_role)
        return _connect(request, sitting, without_role)

    @page("/collections/connect/stack")
    def create_stack(request: PageRequest) -> Redirect:
        sitting = Sitting.of(request.query, request.services.config.aws_region)
        report = request.services.collections.check(request.account.uuid, sitting.described())
        notifies = request.query.text("notify") == "on"
        return Redirect(url=request.services.bucket_stacks.link(report.collection, notifies=notifies))

    @page("/collections/connect/template")
    def download_template(_: PageRequest) -> Response:
        disposition = f'attachment; filename="{TEMPLATE_NAME}"'
        return Response(template().decode(), {"Content-Type": "application/yaml", "Content-Disposition": disposition})


def _first_step(sitting: Sitting, wrong: Mapping[str, str] | None = None) -> Page:
    data = {"sitting": sitting, "step": 1, "wrong": wrong or {}}
    return Page("connect.html", data, 400 if wrong else 200)


def _further_steps(
    request: PageRequest, sitting: Sitting, without_role: AccessReport, problem: str | None = None, status: int = 200
) -> Page:
    """The page from the second step on, with what the role lacks once it is named."""
    services, collection = request.services, without_role.collection
    queue = services.config.events_queue_arn
    tries = int(request.query.text("tries") or 0) if request.query.text("tries").isdecimal() else 0
    wrong, checks, warnings = {}, waiting_checks(collection), []
    if sitting.role:
        try:
            role = parse_role_or_account(sitting.role, collection, queue.split(":")[1])
            report = services.collections.check(request.account.uuid, sitting.described(role))
            checks, warnings = checks_of(report), list(report.findings.warnings)
        except SourceUnavailable as error:
            problem = error.message
        except InvalidRequest as error:
            wrong = {"role": error.message}
    ready, good = is_ready(checks), sum(check.state == "good" for check in checks)
    data = {
        "sitting": sitting,
        "step": 4 if ready else 3 if sitting.role and not wrong else 2,
        "wrong": wrong,
        "problem": problem,
        "checks": checks,
        "warnings": warnings,
        "ready": ready,
        "polls": bool(sitting.role) and not ready and not wrong and tries < TRIES,
        "next_look": sitting.address(role=sitting.role, tries=str(tries + 1), good=str(good)),
        "said": checks[max(0, good - 1 if ready else good)].words if request.query.text("good") != str(good) else None,
        "collection": collection,
        "role_name": stack_name(collection),
        "can_notify": can_notify(collection, queue),
        "documents": _documents(without_role, queue),
        "interval": _interval(request).value,
    }
    return Page("connect.html", data, status, fragment="checking")


def _connect(request: PageRequest, sitting: Sitting, without_role: AccessReport) -> Page | Redirect:
    services, queue = request.services, request.services.config.events_queue_arn
    try:
        role = parse_role_or_account(sitting.role, without_role.collection, queue.split(":")[1])
        new = NewS3Collection(parse_name(sitting.name), sitting.described(role), _interval(request))
        made, _ = services.collections.create(request.caller, new)
    except (SourceUnreadable, DuplicateCollection, QuotaExceeded) as error:
        return _further_steps(request, sitting, without_role, error.message, error.status)
    except InvalidRequest as error:
        return _further_steps(request, sitting, without_role, status=error.status)
    services.syncs.start(made, Trigger.MANUAL)
    return Redirect(f"/collections/{made.uuid}", toast="connect.connected")


def _interval(request: PageRequest) -> AutoSync:
    """Daily where the plan has it: a bucket may send no events."""
    return AutoSync.DAILY if AutoSync.DAILY in request.plan.auto_sync else AutoSync.MANUAL


def _documents(report: AccessReport, events_queue: str) -> dict[str, Any]:
    """What a customer needs who does it by hand: the two policies, the notifications, and the commands."""
    collection, partition = report.collection, events_queue.split(":")[1]
    assert collection.external_id is not None
    role = stack_name(collection)
    notifications = {"QueueConfigurations": [queue_configuration(collection.prefix, events_queue)]}
    return {
        "trust": _written(trust_policy(collection.external_id, events_queue)),
        "read": _written(permissions_policy(collection.bucket, collection.prefix, partition)),
        "notifications": _written(notifications) if can_notify(collection, events_queue) else None,
        "commands": (
            f"aws iam create-role --role-name {role} \\\n  --assume-role-policy-document file://trust.json\n"
            f"aws iam put-role-policy --role-name {role} \\\n  --policy-name read --policy-document file://read.json"
        ),
        "deploy": _deploy_command(report, events_queue),
    }


def _deploy_command(report: AccessReport, events_queue: str) -> str:
    collection = report.collection
    parameters = stack_parameters(collection, events_queue, notifies=True)
    values = " \\\n    ".join(shlex.quote(f"{name}={value}") for name, value in parameters.items())
    return (
        f"aws cloudformation deploy --region {collection.region} --stack-name {stack_name(collection)} \\\n"
        f"  --template-file {TEMPLATE_NAME} --capabilities CAPABILITY_NAMED_IAM \\\n"
        f"  --parameter-overrides \\\n    {values}"
    )


def _written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2)
