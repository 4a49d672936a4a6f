"""``users``, ``invite-user``, ``disable-user`` and ``enable-user``."""

import argparse
from typing import Any

from chalicelib.domain.users import Role, SignUp
from infra.admin.command import ExitStatus, report
from infra.admin.deployment import Deployment
from infra.user_pool import UserPool


def add(subparsers: Any) -> None:
    show = subparsers.add_parser("users", help="list all users of the dashboard, each with the accounts they belong to")
    show.set_defaults(run=list_users)

    invite = subparsers.add_parser("invite-user", help="invite an e-mail address to an account, for two weeks")
    invite.add_argument("account")
    invite.add_argument("email")
    invite.add_argument("--role", choices=list(Role), default=Role.OWNER, type=Role, help="default: %(default)s")
    invite.set_defaults(run=invite_user)

    disable = subparsers.add_parser(
        "disable-user", help="refuse a user's sessions and sign-ins, and revoke their tokens"
    )
    disable.add_argument("user", help="the identifier, as 'users' prints it")
    disable.set_defaults(run=disable_user)

    enable = subparsers.add_parser("enable-user", help="admit a disabled user again")
    enable.add_argument("user")
    enable.set_defaults(run=enable_user)


def list_users(deployment: Deployment, _: argparse.Namespace) -> ExitStatus:
    service = deployment.services.users
    for user in service.all():
        state = "  (disabled)" if user.disabled_at else ""
        report(f"{user.id}  {user.email}  {user.name}{state}")
        for account, role in service.accounts_of(user.id):
            report(f"    {account.uuid}  {account.subscription.plan:<10} {role:<6}  {account.name}")
    return ExitStatus.OK


def invite_user(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    invitation = deployment.services.users.invite(options.account, options.email, options.role, None)
    report(
        f"{invitation.email} joins as {invitation.role} at a sign-in before {invitation.expires_at:%Y-%m-%d %H:%M} UTC."
    )
    # Where strangers sign up by themselves, an invited person does, too.
    pool = UserPool.of(deployment) if deployment.services.config.sign_up is SignUp.INVITATION else None
    if pool is not None and pool.invite(invitation.email):
        report("Cognito sends a first password to this address. It is good for seven days.")
    return ExitStatus.OK


def disable_user(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    revoked = deployment.services.users.disable(options.user)
    ended = deployment.services.sessions.end_all(options.user)
    report(f"{options.user} is disabled; {ended} sessions ended, {revoked} tokens revoked.")
    return ExitStatus.OK


def enable_user(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    deployment.services.users.enable(options.user)
    report(f"{options.user} may sign in again.")
    return ExitStatus.OK
