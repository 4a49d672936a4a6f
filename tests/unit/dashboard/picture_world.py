"""An account with pictures, and a browser of its user."""

from collections.abc import Iterable
from html.parser import HTMLParser

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import Collection, NewManagedCollection
from chalicelib.domain.plans import PLANS
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import Answer, FakeBrowser, FakeDashboard

PLAN = "business"
HTMX = {"hx-request": "true"}


class PictureWorld:
    """A user with a managed collection, in which pictures are put one by one."""

    def __init__(self, name: str = "Nora Keller", collection: str = "Ferien") -> None:
        self.ports = FakeAdapters.fresh()
        self.app = services_on(self.ports)
        self.dashboard = FakeDashboard(self.app)
        self.browser: FakeBrowser = self.dashboard.signed_in(name, plan=PLAN)
        assert self.browser.account is not None
        self.caller = Caller(self.browser.account.uuid, PLANS[PLAN])
        self.collection = self.add_collection(collection)

    def add_collection(self, name: str) -> Collection:
        return self.app.collections.create(self.caller, NewManagedCollection(name)).collection

    def put(self, *paths: str, collection: Collection | None = None) -> list[str]:
        """The uuids of new pictures, each of other bytes."""
        target = collection or self.collection
        return [self.app.uploads.upload(self.caller, target, path, f"{path}".encode()).uuid for path in paths]

    def get(self, path: str, *, fragment: bool = False) -> Answer:
        return self.browser.get(path, HTMX if fragment else None)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def tags(html: str, name: str) -> list[dict[str, str | None]]:
    """The attributes of each element of this name, in their order."""
    return [attributes for tag, attributes in _parsed(html).found if tag == name]


def every_tag(html: str) -> list[dict[str, str | None]]:
    """The attributes of every element."""
    return [attributes for _, attributes in _parsed(html).found]


def words(html: str) -> str:
    """What a reader sees, with single spaces."""
    return " ".join(" ".join(_parsed(html).words).split())


def links(html: str, beginning: str) -> list[str]:
    """The addresses of links that begin so, without the stage."""
    every: Iterable[str | None] = (each.get("href") for each in tags(html, "a"))
    return [link.removeprefix("/live") for link in every if link and link.removeprefix("/live").startswith(beginning)]


def _parsed(html: str) -> _Tags:
    parser = _Tags()
    parser.feed(html)
    return parser
