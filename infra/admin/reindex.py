"""``reindex``: rebuilds the vector store from the catalogue, while searches and writes go on."""

import argparse
from typing import Any

from infra.admin.command import ExitStatus, add_writer_timeout, report
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "reindex", help="rebuild the vector store from the catalogue; embeds nothing, and searches go on"
    )
    parser.add_argument("--model", help="the model version whose vectors are written (default: the embedder's)")
    add_writer_timeout(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--drop-old", action="store_true", help="only delete the indexes that earlier rebuilds left")
    instead.add_argument("--abandon", action="store_true", help="only delete the index of an unfinished rebuild")
    parser.set_defaults(run=reindex)


def reindex(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    services = deployment.services
    if options.drop_old or options.abandon:
        # The port directly: the store alone knows which indexes are left.
        vectors = services.adapters.vectors
        deleted = vectors.drop_old() if options.drop_old else vectors.abandon()
        report("\n".join(f"{name} is deleted." for name in deleted) or "There is nothing to delete.")
        return ExitStatus.OK
    if options.writer_timeout:
        report(
            f"This takes {options.writer_timeout:.0f} s at least: a worker that began before may write for that long, "
            "and what it writes is looked for at the end (--writer-timeout)."
        )
    services.rebuild(report, options.writer_timeout).rebuild(options.model or services.model_version())
    return ExitStatus.OK
