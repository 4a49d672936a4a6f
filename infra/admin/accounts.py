"""``create-account``, ``accounts`` and ``set-plan``."""

import argparse
from typing import Any

from chalicelib.domain.accounts import Subscription
from chalicelib.domain.plans import LIMIT_NAMES, PLANS
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    create = subparsers.add_parser("create-account", help="open an account; prints its identifier")
    create.add_argument("name", help="whose it is")
    _add_terms(create)
    create.set_defaults(run=create_account)

    show = subparsers.add_parser("accounts", help="all accounts, a line each")
    show.set_defaults(run=list_accounts)

    change = subparsers.add_parser("set-plan", help="put an account on a plan")
    change.add_argument("account")
    _add_terms(change)
    change.set_defaults(run=set_plan)


def create_account(deployment: Deployment, options: argparse.Namespace) -> None:
    print(deployment.services.accounts.open(options.name, _terms(options)).uuid)


def list_accounts(deployment: Deployment, _: argparse.Namespace) -> None:
    for account in deployment.services.accounts.all():
        print(f"{account.uuid}  {account.subscription.plan:<10} {account.tokens:>2} tokens  {account.name}")


def set_plan(deployment: Deployment, options: argparse.Namespace) -> None:
    deployment.services.accounts.set_subscription(options.account, _terms(options))
    print(f"{options.account} is on the plan '{options.plan}'.")


def _add_terms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", choices=PLANS)
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help=f"an allowance beside the plan's own: {', '.join(LIMIT_NAMES)}",
    )


def _terms(options: argparse.Namespace) -> Subscription:
    allowances = {}
    for setting in options.allow:
        name, _, number = setting.partition("=")
        if not number.isdigit():
            raise ValueError(f"--allow takes NAME=NUMBER, not {setting!r}.")
        allowances[name] = int(number)
    terms = Subscription(options.plan, allowances)
    _ = terms.effective_plan  # refuses what is no allowance
    return terms
