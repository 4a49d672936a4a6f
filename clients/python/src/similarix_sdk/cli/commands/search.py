"""Searches by text, by picture and by file."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from similarix_sdk.cli.arguments import AsJson, find_collections, read_filter
from similarix_sdk.cli.session import Session, session_of
from similarix_sdk.cli.thumbnails import thumbnails
from similarix_sdk.client import Client
from similarix_sdk.errors import SimilarixError
from similarix_sdk.models import FoundFile, Page
from similarix_sdk.queries import Filter

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="How many pictures.")]
In = Annotated[list[str] | None, typer.Option("--in", help="Only in this collection; may be repeated.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--filter", "-f", help="NAME=VALUE, such as path=2024/ or width.gte=1000; may be repeated."),
]
Open = Annotated[bool, typer.Option("--open", help="Open the first picture in the browser.")]
Pictures = Annotated[
    bool | None,
    typer.Option("--pictures/--no-pictures", help="Show thumbnails; unless given, where the terminal shows pictures."),
]
# A terminal shows so many thumbnails without asking; each is a request.
SHOWN = 8


def register(app: typer.Typer) -> None:
    app.command()(search)
    app.command()(similar)


def search(  # each is an option of the command
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="What the pictures show.")] = None,
    image: Annotated[Path | None, typer.Option("--image", "-i", exists=True, help="A picture to search by.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="What they do not show; may be repeated.")] = None,
    like: Annotated[list[str] | None, typer.Option(help="The uuid of a file to be near to.")] = None,
    unlike: Annotated[list[str] | None, typer.Option(help="The uuid of a file to be far from.")] = None,
    within: In = None,
    where: Where = None,
    match: Annotated[str | None, typer.Option(help="Compare with content, name, or both.")] = None,
    cut: Annotated[bool, typer.Option("--cut", help="End where chance begins.")] = False,
    fold: Annotated[bool, typer.Option("--fold", help="Show copies of one picture once.")] = False,
    limit: Limit = 16,
    open_first: Open = False,
    pictures: Pictures = None,
    as_json: AsJson = False,
) -> None:
    """Find pictures by text, by a picture, or by both.

    similarix search "a red car" --without people

    similarix search --image owl.jpg --filter path=2024/

    similarix search "an owl" | cut -f3

    In a pipe a line has the distance, the file's uuid and its path.
    """
    if not (text or image or like):
        raise typer.BadParameter("Say what to search for: a text, --image, or --like.")
    session = session_of(context)
    with session.client() as client:
        found = client.search(
            text,
            picture=image,
            without=without or (),
            like=like or (),
            unlike=unlike or (),
            collections=find_collections(client, within or []),
            filter=_filter(where),
            match=match,
            cutoff="auto" if cut else None,
            fold_duplicates=fold,
            limit=limit,
            include=("collection", "path"),
        )
        _present(session, client, found, open_first, pictures, as_json)


def similar(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The file's uuid.", metavar="UUID")],
    within: In = None,
    where: Where = None,
    limit: Limit = 16,
    open_first: Open = False,
    pictures: Pictures = None,
    as_json: AsJson = False,
) -> None:
    """Find the pictures nearest to a file."""
    session = session_of(context)
    with session.client() as client:
        found = client.similar(
            file,
            collections=find_collections(client, within or []),
            filter=_filter(where),
            limit=limit,
            include=("collection", "path"),
        )
        _present(session, client, found, open_first, pictures, as_json)


def _filter(values: list[str] | None) -> Filter | None:
    # The names with their bounds are those of the parameters already.
    return read_filter(values) if values else None  # type: ignore[return-value]


def _present(
    session: Session,
    client: Client,
    found: Page[FoundFile],
    open_first: bool,
    pictures: bool | None,
    as_json: bool,
) -> None:
    if as_json:
        session.output.json(list(found))
    elif not (session.output.pretty and pictures is not False and _show(session, client, found, bool(pictures))):
        session.output.rows(("distance", "uuid", "path"), (_cells(file) for file in found))
        if not found:
            session.output.say("Nothing was found.")
    if open_first and found:
        session.browse(f"{found[0].download_url}&inline=1")


def _cells(file: FoundFile) -> tuple[str, str, str]:
    distance = "" if file.distance is None else f"{file.distance:.3f}"
    return distance, file.uuid, file.path or file.file_name


def _show(session: Session, client: Client, found: Page[FoundFile], always: bool) -> bool:
    """Print results with thumbnails; False where the terminal shows none."""
    shown = thumbnails(always)
    if not shown.shows:
        return False
    for number, file in enumerate(found):
        if number < SHOWN:
            # A result without its picture is still a result.
            with suppress(SimilarixError):
                shown.show(session.output.console, client.files.thumbnail(file, size=256))
        session.output.line(*_cells(file))
    return True
