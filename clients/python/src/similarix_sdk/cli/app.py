"""The command ``similarix``: its parts, its options, and how it ends."""

import inspect
import re
import sys
from typing import Annotated

import typer

from similarix_sdk.cli.commands import (
    account,
    collections,
    connection,
    duplicates,
    failures,
    mcp,
    search,
    syncs,
    tokens,
    uploads,
    webhooks,
)
from similarix_sdk.cli.credentials import CredentialError
from similarix_sdk.cli.exits import Exit, NoSuchCollection, exit_of, sentence
from similarix_sdk.cli.session import Session, session_of
from similarix_sdk.client import package_version
from similarix_sdk.errors import SimilarixError

app = typer.Typer(
    name="similarix",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="""Find pictures in S3 buckets by what they show.

    Sign in once with 'similarix login'; then 'similarix search "a red car"'.

    In a pipe each result is one line, its cells separated by tabs; '--json' prints what the API answers.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not allowed, 4 not found, 5 try again later, 6 done in part.
    """,
)
for module in (account, search, collections, connection, uploads, syncs, failures, duplicates, tokens, webhooks, mcp):
    module.register(app)


def _fill_paragraphs(group: typer.Typer) -> None:
    """Have each paragraph of a docstring filled to the terminal's width: typer keeps its line breaks."""
    for command in group.registered_commands:
        text = inspect.getdoc(command.callback) or ""
        command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _fill_paragraphs(inner.typer_instance)


_fill_paragraphs(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"similarix-sdk {package_version()}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(help="Where the API is, instead of where you have signed in.", metavar="URL")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    session_of(context).url = url


def run(arguments: list[str] | None = None, session: Session | None = None) -> None:
    """Run the command and exit with its code."""
    sys.exit(execute(arguments, session))


def execute(arguments: list[str] | None = None, session: Session | None = None) -> int:
    """Run the command; returns its exit code. Every error that is expected becomes a sentence."""
    session = session or Session()
    try:
        app(args=arguments, obj=session)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.FAILED
    except (SimilarixError, CredentialError, NoSuchCollection, OSError, ValueError) as error:
        session.output.complain(f"similarix: {sentence(error)}")
        return exit_of(error)
    return Exit.DONE
