"""``issue-token``, ``tokens`` and ``revoke-token``."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.accounts import NewToken, Scope, parse_token_name
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    issue = subparsers.add_parser("issue-token", help="a new token; it is printed this once")
    issue.add_argument("account")
    issue.add_argument("name", help="where it will be used")
    issue.add_argument("--scope", choices=list(Scope), default=Scope.WRITE, type=Scope, help="default: %(default)s")
    issue.add_argument("--days", type=int, help="until it expires; by default it never does")
    issue.set_defaults(run=issue_token)

    show = subparsers.add_parser("tokens", help="an account's tokens, a line each")
    show.add_argument("account")
    show.set_defaults(run=list_tokens)

    revoke = subparsers.add_parser("revoke-token", help="take a token back; it works for five more seconds at most")
    revoke.add_argument("account")
    revoke.add_argument("token", help="its identifier, not the token itself")
    revoke.set_defaults(run=revoke_token)


def issue_token(deployment: Deployment, options: argparse.Namespace) -> None:
    expires = datetime.now(UTC) + timedelta(days=options.days) if options.days is not None else None
    name = parse_token_name(options.name)
    secret, _ = deployment.services.accounts.issue_token(options.account, NewToken(name, options.scope, expires))
    print(secret)


def list_tokens(deployment: Deployment, options: argparse.Namespace) -> None:
    for token in deployment.services.accounts.tokens(options.account):
        used = f"last used {token.last_used:%Y-%m-%d %H:%M}" if token.last_used else "never used"
        expires = f", expires {token.expires_at:%Y-%m-%d}" if token.expires_at else ""
        print(f"{token.id}  {token.scope.value:<5}  {used}{expires}  {token.name}")


def revoke_token(deployment: Deployment, options: argparse.Namespace) -> None:
    deployment.services.accounts.revoke_token(options.account, options.token)
    print(f"{options.token} is revoked.")
