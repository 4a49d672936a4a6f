"""The access key of S3-compatible storage, read where no history of a shell and no list of processes keeps it."""

import sys
from collections.abc import Mapping

import typer

ID_VARIABLE, SECRET_VARIABLE = "SIMILARIX_ACCESS_KEY_ID", "SIMILARIX_SECRET_ACCESS_KEY"


def read_access_key(environ: Mapping[str, str]) -> tuple[str, str]:
    """Its id and its secret: of the variables, of prompts, or in a pipe the first two lines of standard input."""
    identifier, secret = environ.get(ID_VARIABLE), environ.get(SECRET_VARIABLE)
    if not identifier:
        identifier = _asked("Access key id", hidden=False)
    if not secret:
        secret = _asked("Secret access key", hidden=True)
    return identifier, secret


def _asked(what: str, *, hidden: bool) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=hidden, err=True)).strip()
    line = sys.stdin.readline().strip()
    if not line:
        raise typer.BadParameter(f"{what}: set {ID_VARIABLE} and {SECRET_VARIABLE}, or send the two as lines.")
    return line
