"""What the commands share: exit statuses, output, options, and the choice of collections."""

import argparse
from collections.abc import Callable, Sequence
from enum import IntEnum

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound
from chalicelib.services.maintenance.rebuild import WRITER_TIMEOUT_SECONDS
from infra.admin.deployment import Deployment

Report = Callable[[str], None]


class ExitStatus(IntEnum):
    """What a command returns; an error is raised instead."""

    OK = 0
    FINDINGS = 1


def report(line: str) -> None:
    """Print a line at once, even where the output goes to a file: some commands run for hours."""
    print(printable(line), flush=True)


def printable(text: str) -> str:
    """The text with each character that does not print as an escape.

    Customers choose names: one with control characters could write over other lines, or have the terminal act.
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def report_findings(findings: Sequence[str]) -> ExitStatus:
    """Print what a check has found; returns the status that it ends with."""
    for finding in findings:
        report(f"- {finding}")
    return ExitStatus.FINDINGS if findings else ExitStatus.OK


def select_collections(deployment: Deployment, uuid: str | None) -> list[Collection]:
    """The collection with this identifier, or all of them; raises NotFound when there is none."""
    collections = [c for c in deployment.services.every_collection() if uuid in (None, c.uuid)]
    if uuid and not collections:
        raise NotFound(f"There is no collection {uuid}.")
    return collections


def add_writer_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--writer-timeout",
        type=float,
        default=WRITER_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="after which no worker runs any more that began before this command (default: %(default)s)",
    )
