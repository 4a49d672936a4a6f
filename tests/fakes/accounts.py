"""Accounts and tokens in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.domain.accounts import Account, Subscription, Token
from chalicelib.domain.errors import StaleWrite


class FakeAccounts:
    """Tests may inspect ``stored`` accounts by uuid, ``issued`` tokens by digest, and the number of token ``reads``.

    Args:
        subscription: of every account that was not added, for tests that need no particular one.
    """

    def __init__(self, subscription: Subscription | None = None) -> None:
        self._subscription = subscription
        self.stored: dict[str, Account] = {}
        self.issued: dict[str, Token] = {}
        self.reads = 0

    def add_account(self, account: Account) -> None:
        self.stored[account.uuid] = account

    def account(self, uuid: str) -> Account | None:
        if uuid not in self.stored and self._subscription:
            return Account(uuid, uuid, self._subscription, datetime(2026, 3, 1, tzinfo=UTC))
        return self.stored.get(uuid)

    def all(self) -> Iterator[Account]:
        yield from list(self.stored.values())

    def set_subscription(self, account: Account, subscription: Subscription) -> None:
        current = self._unchanged(account)
        self.stored[account.uuid] = replace(current, subscription=subscription, revision=current.revision + 1)
        for token in self.tokens(account.uuid):
            self.issued[token.digest] = replace(token, subscription=subscription)

    def add_token(self, token: Token, account: Account) -> None:
        current = self._unchanged(account)
        self.stored[account.uuid] = replace(current, tokens=current.tokens + 1, revision=current.revision + 1)
        self.issued[token.digest] = token

    def token(self, digest: str) -> Token | None:
        self.reads += 1
        return self.issued.get(digest)

    def tokens(self, account: str) -> list[Token]:
        return [token for token in self.issued.values() if token.account == account]

    def remove_tokens(self, tokens: Sequence[Token], account: Account) -> None:
        current = self._unchanged(account)
        for token in tokens:
            self.issued.pop(token.digest, None)
        left = current.tokens - len(tokens)
        self.stored[account.uuid] = replace(current, tokens=left, revision=current.revision + 1)

    def touch_token(self, digest: str, now: datetime, unless_since: datetime) -> None:
        token = self.issued.get(digest)
        if token is not None and (token.last_used is None or token.last_used < unless_since):
            self.issued[digest] = replace(token, last_used=now)

    def _unchanged(self, account: Account) -> Account:
        current = self.stored[account.uuid]
        if current.revision != account.revision:
            raise StaleWrite
        return current
