"""``usage``: what an account may use, and what it uses."""

import argparse
from typing import Any

from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("usage", help="an account's plan, its allowances and what is used of them")
    parser.add_argument("account")
    parser.set_defaults(run=show_usage)


def show_usage(deployment: Deployment, options: argparse.Namespace) -> None:
    services = deployment.services
    account = services.accounts.get(options.account)
    used = services.accounts.usage(account.uuid)
    print(f"{account.name}, plan '{account.subscription.plan}'")
    for name, number in used.items():
        print(f"  {name:<16} {number:>16,} of {getattr(account.subscription.effective_plan, name):>18,}")
