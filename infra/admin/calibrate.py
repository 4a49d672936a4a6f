"""``calibrate``: computes from each account's own pictures what chance gives, which relevance and cuts rest on."""

import argparse
from typing import Any

from chalicelib.services.maintenance.calibration import MIN_PICTURES
from infra.admin.command import ExitStatus, report
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "calibrate", help="compute from accounts' pictures what chance gives, now and not only in the night"
    )
    parser.add_argument("--account", metavar="UUID", help="only this one's (default: all)")
    parser.set_defaults(run=calibrate)


def calibrate(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    services = deployment.services
    accounts = [options.account] if options.account else [account.uuid for account in services.accounts.all()]
    model, texts = services.calibration.embed_texts()
    for account in accounts:
        pictures = services.calibration.calibrate(account, model, texts)
        outcome = "calibrated" if pictures >= MIN_PICTURES else f"not calibrated, {MIN_PICTURES} are needed"
        report(f"{account}: {pictures:,} pictures of {model}: {outcome}")
    return ExitStatus.OK
