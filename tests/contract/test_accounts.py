"""What every store of accounts must hold: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.accounts import DynamoDBAccounts
from chalicelib.domain.accounts import Account, Scope, Subscription, Token
from chalicelib.domain.errors import StaleWrite
from chalicelib.services.ports import Accounts
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.accounts import FakeAccounts

PRO = Subscription("pro", {"uploads_a_month": 7})
MINUTE = timedelta(minutes=1)


def a_token(account: Account, **fields: Any) -> Token:
    wanted: dict[str, Any] = {
        "name": "laptop",
        "scope": Scope.READ,
        "created_at": NOW,
        "subscription": account.subscription,
    }
    return Token(digest=uuid4().hex, id=str(uuid4()), account=account.uuid, **(wanted | fields))


class AccountsContract:
    @pytest.fixture
    def store(self) -> Accounts:
        raise NotImplementedError

    @pytest.fixture
    def account(self, store: Accounts) -> Account:
        made = Account(str(uuid4()), "Åsa", PRO, NOW)
        store.add_account(made)
        return made

    def test_what_is_stored_comes_back(self, store: Accounts, account: Account):
        assert store.account(account.uuid) == account
        assert account in list(store.all())
        token = a_token(account, expires_at=NOW + MINUTE)
        store.add_token(token, account)
        assert store.token(token.digest) == token
        assert store.tokens(account.uuid) == [token]

    def test_what_is_not_there_is_none(self, store: Accounts, account: Account):
        assert store.account(str(uuid4())) is None
        assert store.token("0" * 64) is None
        assert store.tokens(account.uuid) == []
        assert store.remove_token(account.uuid, str(uuid4())) is None

    def test_new_terms_reach_the_account_and_all_its_tokens(self, store: Accounts, account: Account):
        tokens = [a_token(account) for _ in range(3)]
        for token in tokens:
            store.add_token(token, self.now(store, account))
        store.set_subscription(self.now(store, account), Subscription("free"))
        assert self.now(store, account).subscription == Subscription("free")
        assert {each.subscription.plan for each in store.tokens(account.uuid)} == {"free"}

    def test_a_change_on_an_account_that_has_changed_is_refused(self, store: Accounts, account: Account):
        store.add_token(a_token(account), account)
        with pytest.raises(StaleWrite):
            store.add_token(a_token(account), account)
        with pytest.raises(StaleWrite):
            store.set_subscription(account, Subscription("free"))
        assert self.now(store, account).tokens == 1

    def test_a_removed_token_is_gone_and_counted_no_more(self, store: Accounts, account: Account):
        token = a_token(account)
        store.add_token(token, account)
        assert store.remove_token(str(uuid4()), token.id) is None, "not by another account"
        assert store.remove_token(account.uuid, token.id) == token.digest
        assert store.remove_token(account.uuid, token.id) is None
        assert store.token(token.digest) is None
        assert self.now(store, account).tokens == 0

    def test_the_last_use_is_noted_once_in_a_while_and_never_of_a_removed_token(
        self, store: Accounts, account: Account
    ):
        token = a_token(account)
        store.add_token(token, account)
        for seconds, noted in [(0, 0), (30, 0), (61, 61)]:
            now = NOW + timedelta(seconds=seconds)
            store.touch_token(token.digest, now, now - MINUTE)
            found = store.token(token.digest)
            assert found == replace(token, last_used=NOW + timedelta(seconds=noted))
        store.remove_token(account.uuid, token.id)
        store.touch_token(token.digest, NOW, NOW - MINUTE)
        assert store.token(token.digest) is None

    def now(self, store: Accounts, account: Account) -> Account:
        found = store.account(account.uuid)
        assert found is not None
        return found


class TestFakeAccounts(AccountsContract):
    @pytest.fixture
    def store(self) -> FakeAccounts:
        return FakeAccounts()


class TestDynamoDBAccounts(AccountsContract):
    @pytest.fixture
    def store(self, aws: Callable[..., Any]) -> DynamoDBAccounts:
        return DynamoDBAccounts(aws("dynamodb"), make_table(aws("dynamodb"), "AccountsTable"))
