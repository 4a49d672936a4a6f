"""Files that could not be indexed, and another attempt."""

from typing import Annotated

import typer

from similarix_sdk.cli.arguments import AsJson, chosen_collections
from similarix_sdk.cli.exits import Exit
from similarix_sdk.cli.session import Session, session_of
from similarix_sdk.client import Client
from similarix_sdk.errors import NotFound, NotRetriable
from similarix_sdk.models import ListedFile


def register(app: typer.Typer) -> None:
    app.command()(failed)


def failed(
    context: typer.Context,
    collection: Annotated[str | None, typer.Argument(help="A collection, by its name or uuid; else all.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those that failed for this reason.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try each again.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the files that could not be indexed, with the reason. The exit code is 6 if there are any.

    With --retry each is tried again, in the background; the exit code is 0.
    """
    session = session_of(context)
    with session.client() as client:
        files = [
            file
            for chosen in chosen_collections(client, collection)
            if chosen.failed
            for file in client.files.list(chosen.uuid, state="failed", reason=reason)
        ]
        if as_json:
            session.output.json(files)
        else:
            session.output.rows(
                ("reason", "uuid", "path", "detail"),
                ((file.reason, file.uuid, file.path, file.detail) for file in files),
            )
        if retry:
            _retry(session, client, files)
        elif files:
            raise typer.Exit(Exit.INCOMPLETE)


def _retry(session: Session, client: Client, files: list[ListedFile]) -> None:
    tried = 0
    for file in files:
        try:
            client.files.retry(file.uuid)
            tried += 1
        except (NotRetriable, NotFound) as error:
            # It was indexed or deleted since it was listed.
            session.output.complain(f"{file.path}: {error}")
    session.output.say(f"{tried} of {len(files)} files are tried again.")
