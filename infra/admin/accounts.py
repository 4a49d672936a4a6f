"""``create-account``, ``accounts``, ``set-plan``, ``export-account`` and ``delete-account``."""

import argparse
import json
from typing import Any

from chalicelib.domain.accounts import Subscription
from chalicelib.domain.plans import LIMIT_NAMES, PLANS, RATE_NAMES
from infra.admin.command import ExitStatus, printable, report
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    create = subparsers.add_parser("create-account", help="create an account and print its identifier")
    create.add_argument("name", help="of the customer")
    _add_subscription(create)
    create.set_defaults(run=create_account)

    show = subparsers.add_parser("accounts", help="list all accounts, one a line")
    show.set_defaults(run=list_accounts)

    change = subparsers.add_parser("set-plan", help="change an account's plan and limits")
    change.add_argument("account")
    _add_subscription(change)
    change.set_defaults(run=set_plan)

    export = subparsers.add_parser("export-account", help="print all that is kept of an account, a JSON object a line")
    export.add_argument("account")
    export.set_defaults(run=export_account)

    delete = subparsers.add_parser("delete-account", help="delete an account for good, with all that belongs to it")
    delete.add_argument("account")
    delete.add_argument("--confirm", required=True, metavar="NAME", help="the account's name, as 'accounts' prints it")
    delete.set_defaults(run=delete_account)


def create_account(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    report(deployment.services.accounts.open(options.name, _subscription(options)).uuid)
    return ExitStatus.OK


def list_accounts(deployment: Deployment, _: argparse.Namespace) -> ExitStatus:
    for account in deployment.services.accounts.all():
        state = "  (being deleted)" if account.deleted_at else ""
        report(f"{account.uuid}  {account.subscription.plan:<10} {account.tokens:>2} tokens  {account.name}{state}")
    return ExitStatus.OK


def set_plan(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    deployment.services.accounts.set_subscription(options.account, _subscription(options))
    report(f"{options.account} is on the plan '{options.plan}'.")
    return ExitStatus.OK


def export_account(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    for record in deployment.services.export.records(options.account):
        report(json.dumps(record))
    return ExitStatus.OK


def delete_account(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    """Raises ValueError if the name is not the account's."""
    name = deployment.services.accounts.get(options.account).name
    if options.confirm not in (name, printable(name)):
        raise ValueError(f"The account's name is {name!r}. Confirm with --confirm that you mean this account.")
    deployment.services.account_deletion.begin(options.account)
    report(f"{options.account} is deleted; all that belongs to it is being removed.")
    return ExitStatus.OK


def _add_subscription(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", choices=PLANS)
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help=f"an allowance of its own, in place of the plan's: {', '.join((*LIMIT_NAMES, *RATE_NAMES))}",
    )


def _subscription(options: argparse.Namespace) -> Subscription:
    """Raises ValueError for an allowance that does not exist or has no number."""
    allowances = {}
    for setting in options.allow:
        name, _, number = setting.partition("=")
        if not number.isdigit():
            raise ValueError(f"--allow takes NAME=NUMBER, not {setting!r}.")
        allowances[name] = int(number)
    subscription = Subscription(options.plan, allowances)
    _ = subscription.effective_plan  # checks the names
    return subscription
