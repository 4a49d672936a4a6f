"""``sweep``: thumbnails that no file shows, left behind by workers that died."""

import argparse
from typing import Any

from infra.admin.deployment import Deployment
from infra.admin.recount import chosen


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("sweep", help="count thumbnails that no file shows, older than a day")
    parser.add_argument("--collection", metavar="UUID", help="only this one's (default: all)")
    parser.add_argument("--delete", action="store_true", help="delete them")
    parser.set_defaults(run=sweep)


def sweep(deployment: Deployment, options: argparse.Namespace) -> None:
    orphaned_thumbnails, total = deployment.services.orphaned_thumbnails, 0
    for collection in chosen(deployment, options.collection):
        found = (
            orphaned_thumbnails.sweep(collection)
            if options.delete
            else sum(1 for _ in orphaned_thumbnails.orphans(collection))
        )
        if found:
            print(f"{collection.uuid} {collection.name!r}: {found:,}")
        total += found
    print(f"{total:,} thumbnails that no file shows{' deleted' if options.delete else ''}")
