"""All words of the dashboard, by section and key, so that another language needs no other place.

Each section is a module of this folder with ``TEXTS``. A template writes ``t.section.key``, Python
``text("section.key")``. A text may have places to fill, ``"{count} selected"``, which ``text(key, count=3)`` or
``t.section.key.format(…)`` fills.
"""

from collections.abc import Mapping

from chalicelib.dashboard.texts import (
    account,
    collections,
    connect,
    errors,
    first_run,
    frame,
    pictures,
    search,
    sign_in,
    uploads,
    webhooks,
)

TEXTS: Mapping[str, Mapping[str, str]] = {
    "account": account.TEXTS,
    "collections": collections.TEXTS,
    "connect": connect.TEXTS,
    "errors": errors.TEXTS,
    "first_run": first_run.TEXTS,
    "frame": frame.TEXTS,
    "pictures": pictures.TEXTS,
    "search": search.TEXTS,
    "sign_in": sign_in.TEXTS,
    "uploads": uploads.TEXTS,
    "webhooks": webhooks.TEXTS,
}


def counted(key: str, count: int, **values: object) -> str:
    """The text of a number of things, which is its place ``count``; of one, it is that of ``key`` with ``_one``."""
    return text(f"{key}_one" if count == 1 else key, count=f"{count:,}", **values)


def text(key: str, **values: object) -> str:
    """The text of a key such as ``account.revoked``; empty for a key that does not exist, as an old page may have."""
    section, _, name = key.partition(".")
    found = TEXTS.get(section, {}).get(name, "")
    return found.format(**values) if values else found
