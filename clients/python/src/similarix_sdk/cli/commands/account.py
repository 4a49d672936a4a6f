"""Signing in and out, and what the account may use."""

import sys
from typing import Annotated

import typer

from similarix_sdk.cli.arguments import AsJson
from similarix_sdk.cli.credentials import Credentials
from similarix_sdk.cli.output import size
from similarix_sdk.cli.session import session_of
from similarix_sdk.client import Client
from similarix_sdk.errors import ScopeForbids


def register(app: typer.Typer) -> None:
    app.command()(login)
    app.command()(logout)
    app.command("account")(show)


def login(
    context: typer.Context,
    url: Annotated[str | None, typer.Argument(help="Where the API is.", metavar="URL")] = None,
) -> None:
    """Sign in with a token, which is asked for and not shown.

    In a pipe the token is the first line of standard input:

    similarix login https://api.example < token.txt

    It is kept in a file that only you can read. SIMILARIX_TOKEN and SIMILARIX_URL go before that file.
    """
    session = session_of(context)
    url = url or session.url or session.environ.get("SIMILARIX_URL") or typer.prompt("URL of the API")
    token = typer.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    credentials = Credentials(url.rstrip("/"), token.strip())
    with session.connect(credentials) as client:
        whose = _whose(client)
    session.file.save(credentials)
    session.output.say(f"Signed in to {credentials.url}{whose}.")


def logout(context: typer.Context) -> None:
    """Delete the saved token. It stays valid: 'similarix tokens revoke' ends it."""
    session = session_of(context)
    session.output.say("Signed out." if session.file.delete() else "Nobody was signed in.")


def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the plan, its limits and what is used of them."""
    session = session_of(context)
    with session.client() as client:
        account = client.account.get()
    if as_json:
        session.output.json(account)
        return
    limits = account.allowances
    rows = [
        (name, shown(limit.used), shown(limit.allowed))
        for name, limit, shown in (
            ("collections", limits.collections, str),
            ("files", limits.files, str),
            ("bytes", limits.bytes, size),
            ("managed bytes", limits.managed_bytes, size),
            ("uploads this month", limits.uploads_a_month, str),
        )
    ]
    session.output.say(f"{account.name}, plan {account.plan}")
    session.output.rows(("limit", "used", "allowed"), rows)


def _whose(client: Client) -> str:
    """Tries the token; raises Forbidden for one that is not known."""
    try:
        account = client.account.get()
    except ScopeForbids:
        return " with a token for searches"
    return f" as {account.name} (plan {account.plan})"
