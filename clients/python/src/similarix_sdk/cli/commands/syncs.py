"""Syncs: started, looked at before, and followed to their end."""

from typing import Annotated

import typer

from similarix_sdk.cli.arguments import AsJson, CollectionName, find_collection
from similarix_sdk.cli.exits import Exit
from similarix_sdk.cli.session import Session, session_of
from similarix_sdk.client import Client
from similarix_sdk.errors import SyncAlreadyRunning
from similarix_sdk.models import SyncState

SECONDS = 2.0


def register(app: typer.Typer) -> None:
    app.command()(sync)


def sync(
    context: typer.Context,
    collection: CollectionName,
    follow: Annotated[bool, typer.Option("--follow", help="Show the progress until it ends.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")] = False,
    confirm_removals: Annotated[
        bool, typer.Option("--confirm-removals", help="Remove also where most of the files are gone.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that failed and have not changed.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Start none; show the last or the running one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sync a collection with its bucket.

    similarix sync Photos --follow

    With --follow, a sync that runs already is followed, and the exit code is 6 unless it completes.
    """
    session = session_of(context)
    with session.client() as client:
        uuid = find_collection(client, collection)
        if dry_run:
            preview = client.syncs.preview(uuid)
            if as_json:
                session.output.json(preview)
            else:
                names = ("listed", "unchanged", "to_add", "to_update", "to_remove", "to_retry", "ignored")
                session.output.rows(("what", "objects"), ((name, getattr(preview, name)) for name in names))
            return
        if not status:
            _start(session, client, uuid, confirm_removals, retry_failed, follow)
        if follow:
            _follow(session, client, uuid, as_json)
        elif status:
            _show(session, client.syncs.status(uuid), as_json)


def _start(
    session: Session, client: Client, uuid: str, confirm_removals: bool, retry_failed: bool, follow: bool
) -> None:
    try:
        session.output.say(client.syncs.start(uuid, confirm_removals=confirm_removals, retry_failed=retry_failed))
    except SyncAlreadyRunning:
        if not follow:
            raise
        session.output.say("A sync runs already.")


def _follow(session: Session, client: Client, uuid: str, as_json: bool) -> None:
    state = None
    for state in client.syncs.follow(uuid, seconds=SECONDS):
        _show(session, state, as_json)
    if state is not None and state.status != "completed":
        raise typer.Exit(Exit.INCOMPLETE)


def _show(session: Session, state: SyncState, as_json: bool) -> None:
    if as_json:
        session.output.json(state)
        return
    progress = state.progress
    reason = f": {progress.reason}" if progress.reason else ""
    session.output.line(
        f"{state.status}{reason}",
        f"{progress.done} of {progress.to_do} done",
        f"{progress.removed} removed",
        f"{progress.failed} failed",
    )
