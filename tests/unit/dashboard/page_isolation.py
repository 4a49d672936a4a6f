"""Every page and form, with the identifiers that they take, and two users who try each other's.

What a page names is found in its source: a path's parameter, and each field that a template or a view names. One that
is unknown here fails the tests until ``PATHS`` or ``FIELDS`` says what it identifies, or ``NO_IDENTIFIERS`` that it
identifies nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from chalicelib import dashboard as dashboard_package
from chalicelib.dashboard.dispatch import PageDispatcher, PageOptions
from chalicelib.dashboard.routes import PATHS as PATHS_OF_MODULES
from chalicelib.dashboard.routes import add_pages
from chalicelib.domain.accounts import Caller, NewToken, Scope
from chalicelib.domain.collections import NewManagedCollection
from chalicelib.domain.filter_syntax import is_filter_parameter
from chalicelib.domain.plans import PLANS
from chalicelib.domain.search_uploads import NewSearchUpload
from chalicelib.domain.uploads import NewUpload
from chalicelib.domain.users import Role
from chalicelib.domain.webhook_endpoints import NewWebhook
from chalicelib.domain.webhook_events import EventType
from tests.factories import a_collection
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import Answer, FakeBrowser, FakeDashboard

SOURCE = Path(dashboard_package.__file__).parent
MISSING = "00000000-0000-4000-8000-000000000000"
PLAN = "business"


class Kind(StrEnum):
    """What an identifier identifies."""

    ACCOUNT = "account"
    COLLECTION = "collection"
    FILE = "file"
    UPLOAD = "upload"
    SEARCH_UPLOAD = "search upload"
    TOKEN = "token"  # a kind
    USER = "user"
    WEBHOOK = "webhook"
    DELIVERY = "delivery"
    SESSION = "session"
    EMAIL = "e-mail"
    KEY = "key"
    CURSOR = "cursor"


# By parameter and the beginning of its path.
PATHS = {
    ("uuid", "/collections/"): Kind.COLLECTION,
    ("uuid", "/samples/"): Kind.COLLECTION,
    ("uuid", "/pictures/"): Kind.FILE,
    ("id", "/collections/{uuid}/uploads/"): Kind.UPLOAD,
    ("token", "/account/tokens/"): Kind.TOKEN,
    ("user", "/account/members/"): Kind.USER,
    ("webhook", "/account/webhooks/"): Kind.WEBHOOK,
    ("delivery", "/account/webhooks/{webhook}/deliveries/"): Kind.DELIVERY,
    ("session", "/account/sessions/"): Kind.SESSION,
    ("name", "/samples/photos/"): None,
    ("digest", "/assets/"): None,
    ("name", "/assets/"): None,
}
FIELDS = {
    "account": Kind.ACCOUNT,
    "collection": Kind.COLLECTION,
    "collections": Kind.COLLECTION,
    "cursor": Kind.CURSOR,
    "email": Kind.EMAIL,
    "key": Kind.KEY,
    "less": Kind.FILE,
    "like": Kind.FILE,
    "more": Kind.FILE,
    "picked": Kind.FILE,
    "syncing": Kind.COLLECTION,
    "unlike": Kind.FILE,
    "unlike_upload": Kind.SEARCH_UPLOAD,
    "upload": Kind.SEARCH_UPLOAD,
}
NO_IDENTIFIERS = {
    *("description", "events", "url"),
    *("access_key_id", "endpoint", "secret_access_key"),
    *("at", "auto", "bucket", "csrf", "cutoff", "date", "delete", "do", "exclude", "expires_at", "file", "fold"),
    *("folder", "form", "from", "hour", "include", "metadata_name", "metadata_value", "mime_type", "name", "notify"),
    *("origins", "part", "path", "query", "reason", "region", "role", "role_arn", "scope", "size", "sort", "state"),
    *("good", "tenth", "tries", "typed", "until", "without", "words", "zoom", "filter", "term"),
    *("code", "error", "next"),  # of the sign-in: tests/unit/dashboard/test_sign_in.py
    *("color-scheme", "htmx-config", "viewport"),  # of <meta>
}
ACTIONS = ("cancel", "effect", "preview", "remove", "retry", "save", "start")  # values of the buttons named "do"


@dataclass(frozen=True)
class Target:
    """A page, or a form of one, by method and path."""

    method: str
    path: str
    options: PageOptions

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> Mapping[str, Kind | None]:
        """What the path's parameters identify; raises LookupError for one that is unknown here."""
        return {name: self._kind(name) for name in re.findall(r"\{(\w+)\}", self.path)}

    def _kind(self, parameter: str) -> Kind | None:
        named = [(start, kind) for (name, start), kind in PATHS.items() if name == parameter]
        fitting = [(start, kind) for start, kind in named if self.path.startswith(start)]
        if not fitting:
            raise LookupError(f"{self.path} has '{parameter}': say in {Path(__file__).name} what that identifies.")
        return max(fitting, key=lambda each: len(each[0]))[1]

    def filled(self, ids: Mapping[Kind, str]) -> str:
        values = {name: quote(ids[kind] if kind else "owl.jpg", safe="") for name, kind in self.parameters.items()}
        return self.path.format(**values)


def _no_services() -> Any:
    raise AssertionError("nothing is requested")


def targets() -> list[Target]:
    """All pages and forms, in the order of their paths."""
    dispatcher = PageDispatcher(_no_services)
    for module in PATHS_OF_MODULES:
        add_pages(module, dispatcher)
    found = [Target(method, path, options) for (method, path), options in dispatcher.options.items()]
    return sorted((each for each in found if each.method != "HEAD"), key=lambda each: (each.path, each.method))


def named_fields() -> set[str]:
    """The names of the fields that templates send and views read."""
    sent = "".join(path.read_text() for path in sorted((SOURCE / "templates").glob("*.html")))
    read = "".join(path.read_text() for path in sorted(SOURCE.glob("*.py")))
    names = set(re.findall(r'\bname="([a-z_-]+)"', sent))
    return names | set(re.findall(r'\b(?:form|query)\.(?:get|text|all)\("(\w+)"\)', read))


def kind_of_field(name: str) -> Kind | None:
    """Raises LookupError for a field that is unknown here."""
    if name in FIELDS:
        return FIELDS[name]
    if name in NO_IDENTIFIERS or is_filter_parameter(name):
        return None
    raise LookupError(f"A page has the field '{name}': say in {Path(__file__).name} what that identifies.")


@dataclass(frozen=True)
class Party:
    """A user with an account that has one of everything: ``ids`` by kind, and ``secrets`` that nobody else may see."""

    browser: FakeBrowser
    ids: Mapping[Kind, str]
    secrets: Sequence[str]

    def send(self, target: Target, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        if target.method == "GET":
            return self.browser.get(f"{path}?{urlencode(fields)}" if fields else path, headers)
        return self.browser.post(path, fields, headers, method=target.method)


class World:
    """A victim and a thief on one application."""

    def __init__(self) -> None:
        self.adapters = FakeAdapters.fresh()
        self.dashboard = FakeDashboard(services_on(self.adapters))
        self.victim, self.thief = self._party("victim"), self._party("thief")

    def _party(self, name: str) -> Party:
        services = self.dashboard.services
        browser = self.dashboard.signed_in(f"the {name} itself", f"{name}@example.com", PLAN)
        other = self.dashboard.signed_in(f"the {name} itself", f"{name}@example.com")
        assert browser.account is not None
        assert browser.user is not None
        assert other.key is not None
        account = browser.account.uuid
        caller = Caller(account, PLANS[PLAN])
        services.users.invite(account, f"member-of-{name}@example.com", Role.MEMBER, browser.user)
        member = self.dashboard.signed_in(f"member of the {name}", f"member-of-{name}@example.com")
        self.dashboard.let_work_in(member, browser.account)
        services.users.invite(account, f"invited-by-{name}@example.com", Role.MEMBER, browser.user)
        assert member.user is not None
        collection = services.collections.create(caller, NewManagedCollection(f"collection of the {name}")).collection
        self.adapters.collections.add(a_collection(account=account, name=f"bucket of the {name}"))
        file = services.uploads.upload(caller, collection, f"picture-of-the-{name}.jpg", name.encode())
        prepared = services.uploads.prepare(
            caller, collection, NewUpload(f"pending-of-the-{name}.jpg", 5000, "image/jpeg")
        )
        to_search_by, _ = services.search_uploads.prepare(caller, NewSearchUpload(5000, "image/jpeg"))
        _, token = services.accounts.issue_token(account, NewToken(f"token of the {name}", Scope.READ))
        new_webhook = NewWebhook(f"https://{name}.example/hooks-of-the-{name}", (EventType.FILE_INDEXED,))
        webhook = services.webhooks.create(caller, new_webhook, "https://images.example/live")
        ids = {
            Kind.WEBHOOK: webhook.id,
            Kind.DELIVERY: services.webhooks.try_out(account, webhook.id).id,
            Kind.ACCOUNT: account,
            Kind.COLLECTION: collection.uuid,
            Kind.FILE: file.uuid,
            Kind.UPLOAD: prepared.upload.id,
            Kind.SEARCH_UPLOAD: to_search_by.id,
            Kind.TOKEN: token.id,
            Kind.USER: member.user.id,
            Kind.SESSION: other.key.digest[:32],
            Kind.EMAIL: f"invited-by-{name}@example.com",
            Kind.KEY: f"{collection.prefix}picture-of-the-{name}.jpg",
            Kind.CURSOR: "bm8tY3Vyc29y",
        }
        secrets = [f"of the {name}", f"of-the-{name}", f"the {name} itself", f"member-of-{name}", f"invited-by-{name}"]
        return Party(browser, ids, [*secrets, account, collection.prefix])

    def state_of(self, party: Party) -> dict[str, list[str]]:
        """All that the fakes hold with an identifier of the party in it, by store."""
        marks = [party.ids[kind] for kind in party.ids if kind is not Kind.CURSOR]
        return {
            name: sorted(text for text in map(repr, _entries(port)) if any(mark in text for mark in marks))
            for name, port in vars(self.adapters).items()
            if name not in ("clock", "rate_buckets")
        }


def _entries(port: Any) -> Iterator[Any]:
    for name, value in sorted(vars(port).items()):
        if isinstance(value, dict):
            for key, entry in value.items():
                # The bucket of all accounts is not one thing, but its objects are.
                objects = getattr(entry, "objects", None)
                yield from ((name, key, each) for each in objects.items()) if objects else [(name, key, entry)]
        elif isinstance(value, list | set | frozenset):
            yield from ((name, entry) for entry in value)


def missing(kind: Kind) -> str:
    """An identifier of nothing."""
    match kind:
        case Kind.USER | Kind.SESSION:
            return "0" * 32
        case Kind.DELIVERY:
            return f"msg_{'0' * 32}"
        case Kind.EMAIL:
            return "nobody@example.com"
        case Kind.KEY:
            return "managed/nothing.jpg"
    return MISSING
