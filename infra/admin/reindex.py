"""``reindex``: the vector store anew from the catalogue, while searches and writes go on."""

import argparse
from typing import Any

from chalicelib.services.maintenance.rebuild import WRITER_TIMEOUT_SECONDS
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "reindex", help="fill the vector store anew from the catalogue; embeds nothing, and searches go on"
    )
    parser.add_argument("--model", help="the stamp whose vectors are filled in (default: the embedder's)")
    parser.add_argument(
        "--settle",
        type=float,
        default=WRITER_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="after which no worker is left that began before this did (default: %(default)s)",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--drop-old", action="store_true", help="only delete what earlier rebuilds have left behind")
    instead.add_argument("--abandon", action="store_true", help="only delete what an unfinished rebuild has filled")
    parser.set_defaults(run=reindex)


def reindex(deployment: Deployment, options: argparse.Namespace) -> None:
    services = deployment.services
    if options.drop_old or options.abandon:
        dropped = services.adapters.vectors.drop_old() if options.drop_old else services.adapters.vectors.abandon()
        print("\n".join(f"{name} is deleted." for name in dropped) or "There is nothing to delete.")
        return
    services.rebuild(say, options.settle).rebuild(options.model or services.model_version())


def say(line: str) -> None:
    print(line, flush=True)
