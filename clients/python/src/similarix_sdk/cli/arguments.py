"""Options that several commands have, and how their values are read."""

from typing import Annotated, Any
from uuid import UUID

import typer

from similarix_sdk.cli.exits import NoSuchCollection
from similarix_sdk.client import Client
from similarix_sdk.models import Collection

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as the API sends it.")]
CollectionName = Annotated[str, typer.Argument(help="A collection, by its name or uuid.", metavar="COLLECTION")]


def find_collection(client: Client, wanted: str) -> str:
    """The uuid of the collection of this uuid or name.

    Raises NoSuchCollection where there is none, and typer.BadParameter where there are several.
    """
    if is_uuid(wanted):
        return wanted
    named = [collection for collection in client.collections.list() if collection.name == wanted]
    if len(named) == 1:
        return named[0].uuid
    if named:
        raise typer.BadParameter(f"{len(named)} collections are called {wanted!r}: give the uuid of one.")
    raise NoSuchCollection(f"No collection is called {wanted!r}; 'similarix collections' lists them.")


def find_collections(client: Client, wanted: list[str]) -> list[str]:
    return [find_collection(client, name) for name in wanted]


def chosen_collections(client: Client, wanted: str | None) -> list[Collection]:
    """The one that is wanted, or all."""
    if wanted is None:
        return [*client.collections.list()]
    return [client.collections.get(find_collection(client, wanted))]


def read_filter(values: list[str]) -> dict[str, Any]:
    """``size.gte=100`` and so on; the same name again means any of its values."""
    found: dict[str, list[str]] = {}
    for value in values:
        name, equals, wanted = value.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"A filter is NAME=VALUE, such as width.gte=1000, not {value!r}.")
        found.setdefault(name, []).append(wanted)
    return dict(found)


def is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
