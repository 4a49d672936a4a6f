"""Collections: a list, a new one of managed storage, and an end."""

from typing import Annotated

import typer

from similarix_sdk.cli.arguments import AsJson, CollectionName, find_collection
from similarix_sdk.cli.output import size
from similarix_sdk.cli.session import session_of
from similarix_sdk.models import Collection

HEADER = ("name", "files", "size", "failed", "state", "from", "uuid")


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="List, create and delete collections.", invoke_without_command=True)
    group.callback()(show)
    group.command()(create)
    group.command()(delete)
    app.add_typer(group, name="collections")


def show(context: typer.Context, as_json: AsJson = False) -> None:
    """List the collections with what is in them, or create and delete one."""
    if context.invoked_subcommand is not None:
        return
    session = session_of(context)
    with session.client() as client:
        collections = client.collections.list()
    if as_json:
        session.output.json(collections)
    else:
        session.output.rows(HEADER, (_cells(collection) for collection in collections))


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    as_json: AsJson = False,
) -> None:
    """Create a collection in managed storage, for 'similarix upload'. Prints its uuid."""
    session = session_of(context)
    with session.client() as client:
        collection = client.collections.create_managed(name).collection
    if as_json:
        session.output.json(collection)
    else:
        session.output.line(collection.uuid)


def delete(
    context: typer.Context,
    collection: CollectionName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a collection with its index; of managed storage, its pictures too. Your own bucket stays as it is."""
    session = session_of(context)
    with session.client() as client:
        shown = client.collections.get(find_collection(client, collection))
        if not yes:
            what = f"{shown.files} pictures" if shown.type == "managed" else "its index; the bucket stays"
            typer.confirm(f"Delete {shown.name!r} with {what}?", abort=True, err=True)
        client.collections.delete(shown.uuid)
    session.output.say(f"{shown.name} is deleted.")


def _cells(collection: Collection) -> tuple[object, ...]:
    source = "managed" if collection.type == "managed" else f"s3://{collection.bucket}{collection.folder}"
    return (
        collection.name,
        collection.files,
        size(collection.stats.total_size),
        sum(collection.failed.values()),
        collection.sync_status,
        source,
        collection.uuid,
    )
