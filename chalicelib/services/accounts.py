"""Accounts: opened, put on a plan, given tokens. The API and the administration's command do the same here."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from chalicelib.domain.accounts import TOKENS_LIMIT, Account, Scope, Subscription, Token, new_token, token_digest
from chalicelib.domain.errors import Conflict, NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.uploads import month_of
from chalicelib.services.ports import Accounts, Clock, Collections, QuotaLedger

ACCOUNT_WRITE_ATTEMPTS = 5  # at a change of an account that others change at the same time

Changed = TypeVar("Changed")


@dataclass(frozen=True, slots=True)
class AccountService:
    accounts: Accounts
    collections: Collections
    quota_ledger: QuotaLedger
    now: Clock

    def open(self, name: str, terms: Subscription) -> Account:
        account = Account(str(uuid.uuid4()), name, terms, self.now())
        self.accounts.add_account(account)
        return account

    def get(self, account: str) -> Account:
        found = self.accounts.account(account)
        if found is None:
            raise NotFound("There is no such account.")
        return found

    def all(self) -> Iterator[Account]:
        return self.accounts.all()

    def usage(self, account: str) -> dict[str, int]:
        """What is used of each allowance, uploads under way included."""
        held, now = self.collections.of_account(account), self.now()
        usage = self.quota_ledger.usage(account, month_of(now))
        return {
            "collections": len(held),
            "files": usage.files,
            "bytes": usage.bytes,
            "managed_bytes": usage.managed_bytes,
            "uploads_a_month": usage.uploads,
        }

    def set_subscription(self, account: str, terms: Subscription) -> None:
        """Change the plan, on the account and all its tokens at once."""
        self._with_account(account, lambda found: self.accounts.set_subscription(found, terms))

    def issue_token(
        self, account: str, name: str, scope: Scope, expires_at: datetime | None = None
    ) -> tuple[str, Token]:
        """The token itself, which is not stored and so never shown again, and what is stored of it.

        Raises:
            QuotaExceeded: the account has 20 tokens.
        """
        secret = new_token()

        def add(found: Account) -> Token:
            if found.tokens >= TOKENS_LIMIT:
                raise QuotaExceeded(f"An account has at most {TOKENS_LIMIT} tokens. Revoke one that is not needed.")
            token = Token(
                token_digest(secret), str(uuid.uuid4()), account, name, scope, found.terms, self.now(), expires_at
            )
            self.accounts.add_token(token, found)
            return token

        return secret, self._with_account(account, add)

    def tokens(self, account: str) -> list[Token]:
        """Oldest first."""
        return sorted(self.accounts.tokens(account), key=lambda token: (token.created_at, token.id))

    def revoke_token(self, account: str, token: str) -> str:
        """Answers the digest of the token that is no more."""
        digest = self.accounts.remove_token(account, token)
        if digest is None:
            raise NotFound("There is no such token.")
        return digest

    def _with_account(self, account: str, change: Callable[[Account], Changed]) -> Changed:
        for _ in range(ACCOUNT_WRITE_ATTEMPTS):
            try:
                return change(self.get(account))
            except StaleWrite:
                continue
        raise Conflict("The account is being changed elsewhere. Try again in a moment.")
