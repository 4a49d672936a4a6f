"""Files of a collection that show the same picture."""

from typing import Annotated

import typer

from similarix_sdk.cli.arguments import AsJson, CollectionName, find_collection
from similarix_sdk.cli.exits import Exit
from similarix_sdk.cli.output import size
from similarix_sdk.cli.session import Session, session_of
from similarix_sdk.client import Client
from similarix_sdk.errors import Conflict

SECONDS = 3.0


def register(app: typer.Typer) -> None:
    app.command()(duplicates)


def duplicates(
    context: typer.Context,
    collection: CollectionName,
    find: Annotated[bool, typer.Option("--find", help="Look for them first, and wait until that has ended.")] = False,
    tier: Annotated[
        list[str] | None, typer.Option(help="identical, same or similar; may be repeated. All unless given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the files that show the same picture, the largest waste first.

    similarix duplicates Photos --find --tier identical | awk '$3 == "copy"'

    In a pipe a line has the number of the group, its tier, 'keep' for one file of it and 'copy' for the others, the
    size in bytes, the uuid and the path. Nothing is deleted. The exit code is 6 if nobody has looked for them yet.
    """
    session = session_of(context)
    with session.client() as client:
        uuid = find_collection(client, collection)
        status = _find(session, client, uuid) if find else _status(client, uuid)
        groups = list(client.duplicates.list(uuid, tiers=tier or ()))
    if as_json:
        session.output.json(groups)
    else:
        shown = size if session.output.pretty else str
        rows = (
            (number, group.tier, "copy" if place else "keep", shown(file.file_size), file.uuid, file.path)
            for number, group in enumerate(groups, start=1)
            for place, file in enumerate(group.files)
        )
        session.output.rows(("group", "tier", "", "size", "uuid", "path"), rows)
    waste = sum(group.waste for group in groups)
    session.output.complain(f"{len(groups)} groups; {size(waste)} in copies. The last search for them: {status}.")
    if status in ("never", "stopped"):
        raise typer.Exit(Exit.INCOMPLETE)


def _find(session: Session, client: Client, uuid: str) -> str:
    """Starts a scan, or waits for the one that runs; returns how it has ended."""
    try:
        client.duplicates.find(uuid)
    except Conflict:
        session.output.complain("A search for duplicates runs already.")
    while (status := _status(client, uuid)) == "running":
        session.sleep(SECONDS)
    return status


def _status(client: Client, uuid: str) -> str:
    return str(next(client.duplicates.list(uuid, limit=1).pages()).info.get("status"))
