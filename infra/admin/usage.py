"""``usage``: an account's allowances, and how much of them it uses."""

import argparse
from typing import Any

from infra.admin.command import ExitStatus, report
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("usage", help="show an account's plan, its allowances and how much of them it uses")
    parser.add_argument("account")
    parser.set_defaults(run=show_usage)


def show_usage(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    services = deployment.services
    account = services.accounts.get(options.account)
    usage = services.accounts.usage(account.uuid)
    report(f"{account.name}, plan '{account.subscription.plan}'")
    for name, used in usage.items():
        report(f"  {name:<16} {used:>16,} of {getattr(account.subscription.effective_plan, name):>18,}")
    return ExitStatus.OK
