"""Accounts and tokens in memory."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.domain.accounts import Account, Subscription, Token
from chalicelib.domain.errors import StaleWrite


class FakeAccounts:
    """What a test may look at: ``stored`` accounts by uuid, ``issued`` tokens by digest, and ``reads`` of tokens.

    Args:
        terms: of an account that nobody has opened, where a test cares for none.
    """

    def __init__(self, terms: Subscription | None = None) -> None:
        self._terms = terms
        self.stored: dict[str, Account] = {}
        self.issued: dict[str, Token] = {}
        self.reads = 0

    def add_account(self, account: Account) -> None:
        self.stored[account.uuid] = account

    def account(self, uuid: str) -> Account | None:
        unknown = Account(uuid, uuid, self._terms, datetime(2026, 3, 1, tzinfo=UTC)) if self._terms else None
        return self.stored.get(uuid, unknown)

    def all(self) -> Iterator[Account]:
        yield from list(self.stored.values())

    def set_subscription(self, account: Account, terms: Subscription) -> None:
        known = self._unchanged(account)
        self.stored[account.uuid] = replace(known, terms=terms, revision=known.revision + 1)
        for token in self.tokens(account.uuid):
            self.issued[token.digest] = replace(token, terms=terms)

    def add_token(self, token: Token, account: Account) -> None:
        known = self._unchanged(account)
        self.stored[account.uuid] = replace(known, tokens=known.tokens + 1, revision=known.revision + 1)
        self.issued[token.digest] = token

    def token(self, digest: str) -> Token | None:
        self.reads += 1
        return self.issued.get(digest)

    def tokens(self, account: str) -> list[Token]:
        return [token for token in self.issued.values() if token.account == account]

    def remove_token(self, account: str, token: str) -> str | None:
        digest = next((each.digest for each in self.tokens(account) if each.id == token), None)
        if digest is not None:
            del self.issued[digest]
            known = self.stored[account]
            self.stored[account] = replace(known, tokens=known.tokens - 1, revision=known.revision + 1)
        return digest

    def touch_token(self, digest: str, now: datetime, unless_since: datetime) -> None:
        known = self.issued.get(digest)
        if known is not None and (known.last_used is None or known.last_used < unless_since):
            self.issued[digest] = replace(known, last_used=now)

    def _unchanged(self, account: Account) -> Account:
        known = self.stored[account.uuid]
        if known.revision != account.revision:
            raise StaleWrite
        return known
