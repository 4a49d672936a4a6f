"""Uploads of files and folders, once or as they change."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from similarix_sdk.cli.arguments import AsJson, find_collection
from similarix_sdk.cli.exits import Exit
from similarix_sdk.cli.session import Session, session_of
from similarix_sdk.folders import FolderOutcome, is_picture, pictures_below

# Uploads these files of a folder, or all of its pictures.
Send = Callable[[list[Path] | None], Iterator[FolderOutcome]]


def register(app: typer.Typer) -> None:
    app.command()(upload)


def upload(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(exists=True, help="A folder, or one picture.", metavar="FOLDER")],
    to: Annotated[str, typer.Option("--to", help="A managed collection, by its name or uuid.")],
    prefix: Annotated[str, typer.Option(help="A folder of the collection to put them into.")] = "",
    beside: Annotated[bool, typer.Option("--beside", help="Keep the stored picture where one has changed.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with what changes, until Ctrl-C.")] = False,
    width: Annotated[int, typer.Option(min=1, max=16, help="How many are sent at once.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Upload the pictures below a folder, under their own paths.

    similarix upload ~/Pictures --to Holidays --watch

    What the collection has already is not sent again, and nothing is deleted there. In a pipe a line has what became of
    a picture (uploaded, stored or failed), its path, and the error. The exit code is 6 if a picture failed.
    """
    session = session_of(context)
    source = source.absolute()  # as the files are named that have changed in a watched folder
    folder = source if source.is_dir() else source.parent
    only = None if source.is_dir() else [source]
    with session.client() as client:
        # Asked once, so that not each picture fails.
        chosen = client.collections.get(find_collection(client, to))
        if chosen.type != "managed":
            raise typer.BadParameter(f"{chosen.name} is a bucket of yours: put the pictures there, and sync it.")
        collection = chosen.uuid

        def send(files: list[Path] | None) -> Iterator[FolderOutcome]:
            return client.uploads.folder(collection, folder, prefix=prefix, replace=not beside, only=files, width=width)

        # What changes during the first upload is sent after it.
        changes = session.watch(folder) if watch else iter(())
        next(changes, None)
        failed = _report(session, send(only), _count(folder, only), as_json)
        if watch:
            session.output.say(f"Watching {folder}; Ctrl-C ends it.")
            _follow(session, changes, partial(_is_wanted, folder=folder, only=only), send, as_json)
    if failed:
        raise typer.Exit(Exit.INCOMPLETE)


def _follow(
    session: Session,
    changes: Iterator[set[Path]],
    is_wanted: Callable[[Path], bool],
    send: Send,
    as_json: bool,
) -> None:
    try:
        for changed in changes:
            files = sorted(file for file in changed if is_wanted(file))
            if files:
                _report(session, send(files), len(files), as_json)
    except KeyboardInterrupt:
        session.output.say("No longer watching.")


def _is_wanted(file: Path, folder: Path, only: list[Path] | None) -> bool:
    if only is not None and file.resolve() not in {wanted.resolve() for wanted in only}:
        return False
    parts = file.relative_to(folder).parts if file.is_relative_to(folder) else ()
    return bool(parts) and not any(part.startswith(".") for part in parts) and is_picture(file.name) and file.is_file()


def _report(session: Session, outcomes: Iterator[FolderOutcome], count: int, as_json: bool) -> int:
    """Print what became of each picture; returns how many have failed."""
    totals = {"uploaded": 0, "stored": 0, "failed": 0}
    console = Console(file=session.output.err)
    with Progress(console=console, transient=True, disable=not (session.output.pretty and console.is_terminal)) as bar:
        task = bar.add_task("Uploading", total=count)
        for outcome in outcomes:
            what = "failed" if outcome.error else "stored" if outcome.skipped else "uploaded"
            totals[what] += 1
            bar.advance(task)
            if as_json:
                session.output.json(_as_json(outcome, what))
            elif not session.output.pretty or outcome.error:
                session.output.line(what, outcome.path, *([outcome.error] if outcome.error else []))
    session.output.say(f"{totals['uploaded']} uploaded, {totals['stored']} stored before, {totals['failed']} failed.")
    return totals["failed"]


def _as_json(outcome: FolderOutcome, what: str) -> dict[str, object]:
    uploaded = outcome.uploaded.to_dict() if outcome.uploaded else None
    return {"outcome": what, "path": outcome.path, "error": str(outcome.error or "") or None, "uploaded": uploaded}


def _count(folder: Path, only: list[Path] | None) -> int:
    return len(only) if only is not None else sum(1 for _ in pictures_below(folder))
