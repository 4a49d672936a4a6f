"""Accounts and tokens in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.accounts import Account, AccountItem, Subscription, Token
from chalicelib.domain.errors import StaleWrite

ITEMS_PER_PAGE = 2


class FakeAccounts:
    """Tests may inspect ``stored`` accounts by uuid, ``issued`` tokens by digest, and the number of token ``reads``.

    ``others`` has what other adapters store with an account, by account and key.

    Args:
        subscription: of every account that was not added, for tests that need no particular one.
    """

    def __init__(self, subscription: Subscription | None = None) -> None:
        self._subscription = subscription
        self.stored: dict[str, Account] = {}
        self.issued: dict[str, Token] = {}
        self.others: dict[str, dict[str, dict[str, Any]]] = {}
        self.reads = 0

    def add_account(self, account: Account) -> None:
        self.stored[account.uuid] = account

    def account(self, uuid: str) -> Account | None:
        if uuid not in self.stored and self._subscription:
            return Account(uuid, uuid, self._subscription, datetime(2026, 3, 1, tzinfo=UTC))
        return self.stored.get(uuid)

    def all(self) -> Iterator[Account]:
        yield from list(self.stored.values())

    def rename(self, account: Account, name: str) -> None:
        current = self._unchanged(account)
        self.stored[account.uuid] = replace(current, name=name, revision=current.revision + 1)

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

    def items(self, account: str, after: str | None, limit: int) -> tuple[list[AccountItem], str | None]:
        stored = sorted(self.others.get(account, {}).items())
        page = [AccountItem(key, values) for key, values in stored if after is None or key > after][:limit]
        return page, page[-1].key if len(page) == limit else None

    def begin_deletion(self, account: Account, now: datetime) -> None:
        current = self._unchanged(account)
        for token in self.tokens(account.uuid):
            del self.issued[token.digest]
        self.stored[account.uuid] = replace(current, tokens=0, revision=current.revision + 1, deleted_at=now)

    def delete_page(self, account: str) -> bool:
        stored = self.others.get(account, {})
        page = list(stored)[:ITEMS_PER_PAGE]
        for key in page:
            del stored[key]
        return bool(page)

    def end_deletion(self, account: str) -> None:
        self.stored.pop(account, None)

    def touch_token(self, digest: str, now: datetime, unless_since: datetime) -> None:
        token = self.issued.get(digest)
        if token is not None and (token.last_used is None or token.last_used < unless_since):
            self.issued[digest] = replace(token, last_used=now)

    def raise_revision(self, account: Account) -> None:
        """Record that something of the account has changed; raises StaleWrite as every write does."""
        current = self._unchanged(account)
        self.stored[account.uuid] = replace(current, revision=current.revision + 1)

    def _unchanged(self, account: Account) -> Account:
        current = self.account(account.uuid)
        assert current is not None
        if current.revision != account.revision:
            raise StaleWrite
        return current
