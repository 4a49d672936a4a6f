"""The addresses at which every page of the dashboard is looked at.

``PLACES`` has each path of a page that answers GET; ``NO_PAGES`` the paths that answer with something else. A path in
neither fails ``unnamed``, and so the suite and tests/unit/dashboard/test_places.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.unit.dashboard.page_isolation import targets

NO_PAGES = {
    "/account/export": "a file",
    "/assets/{digest}/{name}": "style, scripts and pictures of pages",
    "/collections/connect/stack": "leads to AWS",
    "/collections/connect/template": "a file",
    "/collections/{uuid}/sync": "a part of the collection's page",
    "/pictures/{uuid}/similar": "a part of the picture's page",
    "/samples/photos/{name}": "a picture",
    "/sign-in/start": "leads to Cognito",
}
# Who looks: nobody has signed in; the account of ``empty`` has no file, of ``waiting`` some that nothing has read yet,
# of ``one`` one, of ``many`` several hundred.
NOBODY, EMPTY, WAITING, ONE, MANY = "nobody", "empty", "waiting", "one", "many"


@dataclass(frozen=True)
class Place:
    """An address that a person opens; ``status`` is what its response must have."""

    name: str
    person: str
    address: str
    status: int = 200


# By path: for each look a name, a person, and the address with identifiers of ``accounts.Accounts.ids``.
_BROKEN = "/collections/{removals}"
_CONNECT = "/collections/connect?name=n&bucket=b-1&folder=f&region=us-east-1"
PLACES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "/": (
        ("first-run", EMPTY, "/"),
        ("first-run-waiting", WAITING, "/"),
        ("search-of-one", ONE, "/?query=an+owl"),
        ("search", MANY, "/"),
        ("results", MANY, "/?query=an+animal&without=people&cutoff=off&fold=off"),
        ("results-folded", MANY, "/?query=an+animal"),
        ("results-none", MANY, "/?query=an+owl&size.gte=900000000"),
        ("results-hostile", MANY, "/?query=%3Cscript%3Ealert(1)%3C%2Fscript%3E&query={long}&cutoff=off"),
    ),
    "/pictures/{uuid}": (
        ("picture", MANY, "/pictures/{picture}?query=an+animal&cutoff=off&at=1"),
        ("picture-long", MANY, "/pictures/{long_picture}"),
        ("picture-of-one", ONE, "/pictures/{one_picture}"),
    ),
    "/selection": (("selection", MANY, "/selection?picked={picture}&picked={long_picture}"),),
    "/samples/{uuid}": (("samples", WAITING, "/samples/{waiting}"),),
    "/collections/connect": (
        ("connect", EMPTY, "/collections/connect"),
        ("connect-role", MANY, _CONNECT),
        ("connect-refused", MANY, _CONNECT + "&role=arn:aws:iam::111122223333:role/similarix-nobody"),
    ),
    "/collections/connect/server": (
        ("connect-server", EMPTY, "/collections/connect/server"),
        ("connect-server-filled", MANY, "/collections/connect/server?name=n&endpoint=https%3A%2F%2Fs3.example.com"),
    ),
    "/collections": (
        ("collections-none", EMPTY, "/collections"),
        ("collections-one", ONE, "/collections"),
        ("collections", MANY, "/collections"),
    ),
    "/collections/new": (("collection-new", MANY, "/collections/new"),),
    "/collections/{uuid}": (
        ("collection-of-none", EMPTY, "/collections/{nothing}"),
        ("collection-of-one", ONE, "/collections/{one}"),
        ("collection", MANY, "/collections/{bucket}"),
        ("collection-failed", MANY, "/collections/{bucket}?state=failed"),
        ("collection-100000", MANY, "/collections/{hundred_thousand}"),
    ),
    "/collections/{uuid}/explain": (
        ("explain", MANY, "/collections/{bucket}/explain"),
        ("explain-long", MANY, "/collections/{bucket}/explain?key={long_key}"),
    ),
    "/collections/{uuid}/failures": (
        ("failures", MANY, "/collections/{bucket}/failures"),
        ("failures-none", ONE, "/collections/{one}/failures"),
    ),
    "/collections/{uuid}/removals": (("removals", MANY, _BROKEN + "/removals"),),
    "/collections/{uuid}/settings": (
        ("settings", MANY, "/collections/{bucket}/settings"),
        ("settings-managed", ONE, "/collections/{one}/settings"),
    ),
    "/collections/{uuid}/upload": (("upload", MANY, "/collections/{hundred_thousand}/upload"),),
    "/upload": (("upload-where", EMPTY, "/upload"), ("upload-where-many", MANY, "/upload")),
    "/account": (("account-empty", EMPTY, "/account"), ("account", MANY, "/account")),
    "/account/delete": (("account-delete", MANY, "/account/delete"),),
    "/account/tokens/new": (("token-new", MANY, "/account/tokens/new"),),
    "/account/webhooks": (("webhooks", MANY, "/account/webhooks"),),
    "/account/webhooks/new": (("webhook-new", MANY, "/account/webhooks/new"),),
    "/account/webhooks/{webhook}": (("webhook", MANY, "/account/webhooks/{webhook}"),),
    "/sign-in": (("sign-in", NOBODY, "/sign-in"),),
    "/sign-in/callback": (("sign-in-failed", NOBODY, "/sign-in/callback?state=of-nobody"),),
    "/sign-out": (("signed-out", NOBODY, "/sign-out"),),
}
ERRORS = (
    Place("error-404", MANY, "/nothing/here", 404),
    Place("picture-gone", MANY, "/pictures/00000000-0000-4000-8000-000000000000", 404),
)
STATUS = {"sign-in-failed": 400}


def unnamed() -> list[str]:
    """Paths of pages that are in neither table, and those of a table that are no page's."""
    paths = {target.path for target in targets() if target.method == "GET"}
    return sorted(paths ^ (PLACES.keys() | NO_PAGES.keys())) + sorted(PLACES.keys() & NO_PAGES.keys())


def places(ids: Mapping[str, str]) -> Iterator[Place]:
    """All places, with the identifiers filled in."""
    for looks in PLACES.values():
        for name, person, address in looks:
            yield Place(name, person, address.format_map(ids), STATUS.get(name, 200))
    yield from ERRORS
