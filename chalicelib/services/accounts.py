"""Accounts: their subscriptions, usage and tokens. The API and administration's commands share these operations."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.domain.accounts import (
    TOKENS_LIMIT,
    Account,
    NewToken,
    Scope,
    Subscription,
    Token,
    child_of,
    descendants,
    generate_secret,
    parse_account_name,
    token_digest,
    tokens_of_user,
)
from chalicelib.domain.collections import parse_uuid
from chalicelib.domain.errors import Conflict, Forbidden, NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.permissions import Permission, permits, refusal
from chalicelib.domain.uploads import month_of
from chalicelib.services.permissions import PermissionService
from chalicelib.services.ports import Accounts, Clock, Collections, QuotaLedger, Users, WebhookRegistry

ACCOUNT_WRITE_ATTEMPTS = 5  # for a change of an account that others change at the same time

Changed = TypeVar("Changed")


@dataclass(frozen=True, slots=True)
class AccountService:
    accounts: Accounts
    quota_ledger: QuotaLedger
    collections: Collections
    webhooks: WebhookRegistry
    users: Users
    permissions: PermissionService
    now: Clock

    def open(self, name: str, subscription: Subscription) -> Account:
        account = Account(str(uuid.uuid4()), name, subscription, self.now())
        self.accounts.add_account(account)
        return account

    def get(self, account_id: str) -> Account:
        account = self.accounts.account(account_id)
        if account is None or account.deleted_at is not None:
            raise NotFound("There is no such account.")
        return account

    def all(self) -> Iterator[Account]:
        return self.accounts.all()

    def usage(self, account: str) -> dict[str, int]:
        """The account's usage by the name of each limit, pending uploads included."""
        usage = self.quota_ledger.usage(account, month_of(self.now()))
        return {
            "collections": usage.collections,
            "files": usage.files,
            "bytes": usage.bytes,
            "managed_bytes": usage.managed_bytes,
            "uploads_a_month": usage.uploads,
            "webhooks": len(self.webhooks.of_account(account).endpoints),
        }

    def rename(self, account: str, name: str) -> None:
        """Give the account another name; raises InvalidRequest for one that is empty, too long or of several lines."""
        parsed = parse_account_name(name)
        self._with_account(account, lambda current: self.accounts.rename(current, parsed))

    def set_subscription(self, account: str, subscription: Subscription) -> None:
        """Change the subscription of the account and of all its tokens in one transaction."""
        self._with_account(account, lambda current: self.accounts.set_subscription(current, subscription))

    def issue_token(
        self, account: str, new: NewToken, maker: Token | None = None, user: str | None = None
    ) -> tuple[str, Token]:
        """Issue a token; returns its secret, which is not stored and so never shown again, and the token as stored.

        Args:
            maker: the token that makes it, which it neither outlives nor outranks; None for administration and users.
            user: who makes it in the dashboard; the token goes when the user leaves the account or is disabled.

        Raises:
            QuotaExceeded: the account has 20 tokens.
            Forbidden: the maker's scope is narrower, the maker has been revoked, the user is no member any more, or may
                make no token with this scope.
            InvalidRequest: it would expire after its maker.
            NotFound: it would be bound to a collection that the account does not have.
        """
        secret = generate_secret()
        if any(self.collections.get(account, uuid) is None for uuid in new.collections or ()):
            raise NotFound("There is no such collection.", field="collections")
        if maker is not None:
            new = child_of(maker, new)

        def add(current: Account) -> Token:
            # Read after the account, whose revision a revocation raises.
            if maker is not None and self.accounts.token(maker.digest) is None:
                raise Forbidden("This token has been revoked.")
            if user is not None:
                self._check_maker(account, user, new.scope)
            if current.tokens >= TOKENS_LIMIT:
                raise QuotaExceeded(f"An account has at most {TOKENS_LIMIT} tokens. Revoke one that is not needed.")
            token = Token(
                digest=token_digest(secret),
                id=str(uuid.uuid4()),
                account=account,
                name=new.name,
                scope=new.scope,
                subscription=current.subscription,
                created_at=self.now(),
                expires_at=new.expires_at,
                made_by=maker.id if maker is not None else None,
                collections=new.collections,
                origins=new.origins,
                user=user,
            )
            self.accounts.add_token(token, current)
            return token

        return secret, self._with_account(account, add)

    def _check_maker(self, account: str, user: str, scope: Scope) -> None:
        stored, membership = self.users.user(user), self.users.membership(account, user)
        if stored is None or stored.disabled_at is not None or membership is None:
            raise Forbidden("You do not belong to this account any more.")
        if scope is Scope.ADMIN and not permits(membership.role, Permission.TOKENS):
            raise Forbidden(refusal(Permission.TOKENS))

    def tokens(self, account: str) -> list[Token]:
        """The account's tokens, oldest first."""
        return sorted(self.accounts.tokens(account), key=lambda token: (token.created_at, token.id))

    def revoke_token(self, account: str, token_id: str, by: Token | None = None, user: str | None = None) -> list[str]:
        """Revoke the token with this identifier and all that descend from it; returns their digests.

        Args:
            by: the token that asks for it. One that administration issued may revoke every token of the account,
                another only itself and those that descend from it. None for administration and users.
            user: who asks for it in the dashboard: an owner revokes every token, another member only those that they
                have made.

        Raises:
            NotFound: the account has no such token.
            Forbidden: the asking token, or the user, may not revoke it.
        """

        token_id = parse_uuid(token_id)

        def remove(current: Account) -> list[str]:
            tokens = self.tokens(account)
            token = next((token for token in tokens if token.id == token_id), None)
            if token is None:
                raise NotFound("There is no such token.")
            if user is not None and token not in tokens_of_user(user, tokens):
                self.permissions.check_user(account, user, Permission.TOKENS)
            family = [token, *descendants(token, tokens)]
            if (
                by is not None
                and by.made_by is not None
                and token.id not in {by.id, *(made.id for made in descendants(by, tokens))}
            ):
                raise Forbidden("This token was made by another, so it revokes only itself and those it has made.")
            self.accounts.remove_tokens(family, current)
            return [revoked.digest for revoked in family]

        return self._with_account(account, remove)

    def _with_account(self, account: str, change: Callable[[Account], Changed]) -> Changed:
        for _ in range(ACCOUNT_WRITE_ATTEMPTS):
            try:
                return change(self.get(account))
            except StaleWrite:
                continue
        raise Conflict("The account is being changed by another request. Try again in a moment.")
