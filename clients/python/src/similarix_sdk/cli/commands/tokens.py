"""Tokens: a list, a new one, and an end."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from similarix_sdk.cli.arguments import AsJson, find_collections
from similarix_sdk.cli.credentials import private_file
from similarix_sdk.cli.session import session_of
from similarix_sdk.models import AccessToken

HEADER = ("name", "scope", "last used", "expires", "bound to", "id")


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="List, create and revoke tokens.", invoke_without_command=True)
    group.callback()(show)
    group.command()(create)
    group.command()(revoke)
    app.add_typer(group, name="tokens")


def show(context: typer.Context, as_json: AsJson = False) -> None:
    """List the account's tokens without their secrets, or create and revoke one."""
    if context.invoked_subcommand is not None:
        return
    session = session_of(context)
    with session.client() as client:
        tokens = client.tokens.list()
    if as_json:
        session.output.json(tokens)
    else:
        session.output.rows(HEADER, (_cells(token) for token in tokens))


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    to: Annotated[Path, typer.Option(help="The file that gets the token; only you can read it.", metavar="FILE")],
    scope: Annotated[str, typer.Option(help="search, read, write or admin.")] = "search",
    within: Annotated[list[str] | None, typer.Option("--in", help="Only for this collection; may be repeated.")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="Only for pages of this origin; may be repeated.")] = None,
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="When it ends, in UTC.")
    ] = None,
) -> None:
    """Create a token, which is written into a file and never shown. Prints its id.

    similarix tokens create shop-window --scope search --in Photos --to shop.token
    """
    if to.exists():
        raise typer.BadParameter(f"{to} exists.")
    session = session_of(context)
    # A token that no file takes would be valid, and nobody would have it.
    with session.client() as client, private_file(to) as file:
        created = client.tokens.create(
            name,
            scope,
            expires_at=expires.replace(tzinfo=UTC) if expires else None,
            collections=find_collections(client, within or []),
            origins=origin or (),
        )
        file.write(created.secret + "\n")
    session.output.line(created.token.id)
    session.output.complain(f"The token is in {to}.")


def revoke(context: typer.Context, id: Annotated[str, typer.Argument(help="The token's id.")]) -> None:
    """Revoke a token and those that it has made, within five seconds."""
    session = session_of(context)
    with session.client() as client:
        client.tokens.revoke(id)
    session.output.say("It is revoked.")


def _cells(token: AccessToken) -> tuple[object, ...]:
    bound = [*(token.collections or ()), *(token.origins or ())]
    return token.name, token.scope, _day(token.last_used), _day(token.expires_at), " ".join(bound), token.id


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}"
