"""``issue-token``, ``tokens`` and ``revoke-token``."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.accounts import NewToken, Scope, parse_chosen_collections, parse_token_name
from chalicelib.domain.origins import parse_origins
from infra.admin.command import ExitStatus, report
from infra.admin.deployment import Deployment

MAX_DAYS = 36_500


def add(subparsers: Any) -> None:
    issue = subparsers.add_parser("issue-token", help="issue a token; it is printed only this once")
    issue.add_argument("account")
    issue.add_argument("name", help="where it will be used")
    issue.add_argument(
        "--scope",
        choices=list(Scope),
        default=Scope.WRITE,
        type=Scope,
        help="each includes those before it (default: %(default)s); 'admin' also issues and revokes tokens",
    )
    issue.add_argument("--days", type=_days, help="until it expires; by default it never does")
    issue.add_argument(
        "--collection",
        action="append",
        metavar="UUID",
        help="with the scope 'search': the only collection that it searches; may be repeated",
    )
    issue.add_argument(
        "--origin",
        action="append",
        help="with the scope 'search': the only web pages that may send it, as https://shop.example; may be repeated",
    )
    issue.set_defaults(run=issue_token)

    show = subparsers.add_parser("tokens", help="list an account's tokens, one a line")
    show.add_argument("account")
    show.set_defaults(run=list_tokens)

    revoke = subparsers.add_parser(
        "revoke-token", help="revoke a token and all that it has made; they work for five more seconds at most"
    )
    revoke.add_argument("account")
    revoke.add_argument("token", help="its identifier, not the token itself")
    revoke.set_defaults(run=revoke_token)


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) == 0 or int(text) > MAX_DAYS:
        raise argparse.ArgumentTypeError(f"a token expires after a whole number of days, from 1 to {MAX_DAYS:,}")
    return int(text)


def issue_token(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    expires = datetime.now(UTC) + timedelta(days=options.days) if options.days is not None else None
    new = NewToken(
        parse_token_name(options.name),
        options.scope,
        expires,
        parse_chosen_collections(options.collection),
        parse_origins(options.origin),
    )
    secret, _ = deployment.services.accounts.issue_token(options.account, new)
    report(secret)
    return ExitStatus.OK


def list_tokens(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    for token in deployment.services.accounts.tokens(options.account):
        used = f"last used {token.last_used:%Y-%m-%d %H:%M}" if token.last_used else "never used"
        expires = f", expires {token.expires_at:%Y-%m-%d}" if token.expires_at else ""
        made_by = f", made by {token.made_by}" if token.made_by else ""
        made_by += f", made by user {token.user}" if token.user else ""
        bound = "".join(f", only {', '.join(bounds)}" for bounds in (token.collections, token.origins) if bounds)
        report(f"{token.id}  {token.scope.value:<6}  {used}{expires}{made_by}{bound}  {token.name}")
    return ExitStatus.OK


def revoke_token(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    deployment.services.accounts.revoke_token(options.account, options.token)
    report(f"{options.token} is revoked.")
    return ExitStatus.OK
