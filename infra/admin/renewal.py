"""``renew-records``: takes the images out of records that an earlier version of the application has written."""

import argparse
from typing import Any

from infra.admin.command import ExitStatus, report, select_collections
from infra.admin.deployment import Deployment

PAGES_PER_REPORT = 50


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "renew-records",
        help="write records of earlier versions in the present layout, while everything else goes on",
    )
    parser.add_argument("--collection", metavar="UUID", help="only this one")
    parser.add_argument("--after", metavar="KEY", help="of the one collection, only records after this key")
    parser.set_defaults(run=renew)


def renew(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    """Renew the records of all collections. It may be stopped and run again at any time."""
    if options.after and not options.collection:
        raise ValueError("--after is a key of the collection that --collection names.")
    catalogue = deployment.services.adapters.catalogue
    collections, total = select_collections(deployment, options.collection), 0
    for collection in collections:
        after, pages, renewed = options.after, 0, 0
        while after is not None or not pages:
            page = catalogue.renew_page(collection.uuid, after)
            after, pages, renewed = page.after, pages + 1, renewed + page.renewed
            if pages % PAGES_PER_REPORT == 0:
                report(f"{collection.uuid}: {renewed:,} records renewed, up to {after!r}")
        total += renewed
    report(f"{total:,} records of {len(collections)} collections renewed")
    return ExitStatus.OK
