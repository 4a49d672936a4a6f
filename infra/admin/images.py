"""``clean-images``: counts or deletes orphaned images, which no record names: workers that end early leave them."""

import argparse
from typing import Any

from infra.admin.command import ExitStatus, report
from infra.admin.deployment import Deployment

PAGES_PER_REPORT = 100


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "clean-images", help="count orphaned images, which no file has and which are older than 15 days"
    )
    parser.add_argument("--delete", action="store_true", help="delete them")
    parser.add_argument("--after", metavar="POSITION", help="go on where another run has been stopped")
    parser.set_defaults(run=clean_images)


def clean_images(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    """Read the whole catalogue. It may be stopped and run again at any time."""
    images = deployment.services.orphaned_images
    after, pages, read, total = options.after, 0, 0, 0
    while after is not None or not pages:
        page = images.find_page(after)
        total += images.delete(page) if options.delete else len(page.orphans)
        after, pages, read = page.after, pages + 1, read + page.read
        if after is not None and pages % PAGES_PER_REPORT == 0:
            report(f"{read:,} records and images read; to go on from here: --after {after}")
    report(f"{total:,} orphaned images{' deleted' if options.delete else ''}")
    return ExitStatus.OK
