"""``rotate-signing-key``."""

import argparse
from typing import Any

from infra.admin.command import ExitStatus, report
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    rotate = subparsers.add_parser(
        "rotate-signing-key", help="replace the key that signs links to pictures; links that work now go on working"
    )
    rotate.add_argument("--revoke", action="store_true", help="end the links that work now, within five minutes")
    rotate.set_defaults(run=rotate_signing_key)


def rotate_signing_key(deployment: Deployment, arguments: argparse.Namespace) -> ExitStatus:
    keys = deployment.services.links.rotate(revoke=arguments.revoke)
    if keys.previous_until is None:
        report("All links end within five minutes; those that a response has from then on work.")
        return ExitStatus.OK
    until = f"{keys.previous_until:%Y-%m-%d %H:%M}"
    report(f"New links are signed with a new key within five minutes; the key before is accepted until {until} UTC.")
    return ExitStatus.OK
