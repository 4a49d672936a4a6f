"""``clean-thumbnails``: counts or deletes orphaned thumbnails, which no file shows: crashed workers leave them."""

import argparse
from typing import Any

from infra.admin.command import ExitStatus, report, select_collections
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "clean-thumbnails", help="count orphaned thumbnails, which no file shows and which are older than a day"
    )
    parser.add_argument("--collection", metavar="UUID", help="only this one's (default: all)")
    parser.add_argument("--delete", action="store_true", help="delete them")
    parser.set_defaults(run=clean_thumbnails)


def clean_thumbnails(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    thumbnails, total = deployment.services.orphaned_thumbnails, 0
    for collection in select_collections(deployment, options.collection):
        count = thumbnails.delete(collection) if options.delete else sum(1 for _ in thumbnails.find(collection))
        if count:
            report(f"{collection.uuid} {collection.name!r}: {count:,}")
        total += count
    report(f"{total:,} orphaned thumbnails{' deleted' if options.delete else ''}")
    return ExitStatus.OK
