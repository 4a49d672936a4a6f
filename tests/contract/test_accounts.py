"""The contract of every store of accounts: one suite, run on the fake and on the emulator's DynamoDB."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.accounts import DynamoDBAccounts
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.adapters.dynamodb.registry import DynamoDBRegistry
from chalicelib.domain.accounts import TOKENS_LIMIT, Account, AccountItem, Scope, Subscription, Token
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.plans import PLANS
from chalicelib.domain.uploads import PRESIGNED_STAGING, Upload
from chalicelib.services.ports import Accounts
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.accounts import FakeAccounts

PRO = Subscription("pro", {"uploads_a_month": 7})
MINUTE = timedelta(minutes=1)


def a_token(account: Account, **fields: Any) -> Token:
    defaults: dict[str, Any] = {
        "name": "laptop",
        "scope": Scope.READ,
        "created_at": NOW,
        "subscription": account.subscription,
    }
    return Token(digest=uuid4().hex, id=str(uuid4()), account=account.uuid, **(defaults | fields))


class AccountsContract:
    @pytest.fixture
    def store(self) -> Accounts:
        raise NotImplementedError

    @pytest.fixture
    def account(self, store: Accounts) -> Account:
        account = Account(str(uuid4()), "Åsa", PRO, NOW)
        store.add_account(account)
        return account

    def test_a_stored_account_and_its_token_are_returned(self, store: Accounts, account: Account):
        assert store.account(account.uuid) == account
        assert account in list(store.all())
        token = a_token(account, expires_at=NOW + MINUTE, made_by=str(uuid4()), user=uuid4().hex)
        store.add_token(token, account)
        assert store.token(token.digest) == token
        assert store.tokens(account.uuid) == [token]

    def test_a_token_keeps_the_collections_and_origins_that_it_is_bound_to(self, store: Accounts, account: Account):
        token = a_token(account, collections=(str(uuid4()), str(uuid4())), origins=("https://*.shop.example",))
        store.add_token(token, account)
        assert store.token(token.digest) == token

    def test_an_unknown_account_or_token_is_none(self, store: Accounts, account: Account):
        assert store.account(str(uuid4())) is None
        assert store.token("0" * 64) is None
        assert store.tokens(account.uuid) == []

    def test_a_new_subscription_reaches_the_account_and_all_its_tokens(self, store: Accounts, account: Account):
        tokens = [a_token(account) for _ in range(3)]
        for token in tokens:
            store.add_token(token, self.stored(store, account))
        store.set_subscription(self.stored(store, account), Subscription("free"))
        assert self.stored(store, account).subscription == Subscription("free")
        assert {token.subscription.plan for token in store.tokens(account.uuid)} == {"free"}

    def test_a_renamed_account_has_its_new_name_and_all_else_as_before(self, store: Accounts, account: Account):
        store.rename(account, "Nørthlight")
        assert self.stored(store, account) == replace(account, name="Nørthlight", revision=account.revision + 1)
        with pytest.raises(StaleWrite):
            store.rename(account, "too late")

    def test_a_write_to_an_account_that_has_changed_is_refused(self, store: Accounts, account: Account):
        store.add_token(a_token(account), account)
        with pytest.raises(StaleWrite):
            store.add_token(a_token(account), account)
        with pytest.raises(StaleWrite):
            store.set_subscription(account, Subscription("free"))
        with pytest.raises(StaleWrite):
            store.remove_tokens(store.tokens(account.uuid), account)
        assert self.stored(store, account).tokens == 1

    def test_removed_tokens_are_gone_together_and_no_longer_counted(self, store: Accounts, account: Account):
        tokens = [a_token(account) for _ in range(TOKENS_LIMIT)]
        for token in tokens:
            store.add_token(token, self.stored(store, account))
        before = self.stored(store, account)
        store.remove_tokens(tokens[1:], before)
        assert store.tokens(account.uuid) == tokens[:1]
        assert [store.token(token.digest) for token in tokens[1:]] == [None] * (TOKENS_LIMIT - 1)
        after = self.stored(store, account)
        assert (after.tokens, after.revision) == (1, before.revision + 1)

    def test_a_deletion_removes_all_tokens_at_once_and_the_account_last(self, store: Accounts, account: Account):
        tokens = [a_token(account) for _ in range(TOKENS_LIMIT)]
        for token in tokens:
            store.add_token(token, self.stored(store, account))
        with pytest.raises(StaleWrite):
            store.begin_deletion(account, NOW)
        before = self.stored(store, account)
        assert before.deleted_at is None
        store.begin_deletion(before, NOW)
        assert store.tokens(account.uuid) == []
        assert {store.token(token.digest) for token in tokens} == {None}
        deleted = self.stored(store, account)
        assert (deleted.deleted_at, deleted.tokens) == (NOW, 0)
        with pytest.raises(StaleWrite):
            store.add_token(a_token(account), before)
        assert not store.delete_page(account.uuid), "the account itself stays"
        store.end_deletion(account.uuid)
        store.end_deletion(account.uuid)
        assert store.account(account.uuid) is None

    def test_a_new_account_has_nothing_else_stored_with_it(self, store: Accounts, account: Account):
        store.add_token(a_token(account), account)
        assert store.items(account.uuid, None, 10) == ([], None)

    def test_the_last_use_of_a_token_is_recorded_once_a_minute_and_never_of_a_removed_token(
        self, store: Accounts, account: Account
    ):
        token = a_token(account)
        store.add_token(token, account)
        for seconds, recorded in [(0, 0), (30, 0), (61, 61)]:
            now = NOW + timedelta(seconds=seconds)
            store.touch_token(token.digest, now, now - MINUTE)
            assert store.token(token.digest) == replace(token, last_used=NOW + timedelta(seconds=recorded))
        store.remove_tokens([token], self.stored(store, account))
        store.touch_token(token.digest, NOW, NOW - MINUTE)
        assert store.token(token.digest) is None

    def stored(self, store: Accounts, account: Account) -> Account:
        stored = store.account(account.uuid)
        assert stored is not None
        return stored


class TestFake(AccountsContract):
    @pytest.fixture
    def store(self) -> FakeAccounts:
        return FakeAccounts()


class TestDynamoDBOnTheEmulator(AccountsContract):
    @pytest.fixture
    def store(self, aws: Callable[..., Any]) -> DynamoDBAccounts:
        return DynamoDBAccounts(aws("dynamodb"), make_table(aws("dynamodb"), "AccountsTable"))

    def test_all_that_other_adapters_store_with_an_account_is_listed_and_deleted(self, aws: Callable[..., Any]) -> None:
        client, table = aws("dynamodb"), make_table(aws("dynamodb"), "AccountsTable")
        store, ledger = DynamoDBAccounts(client, table), DynamoDBQuotaLedger(client, table)
        registry = DynamoDBRegistry(client, table, "no-collections")
        accounts = [Account(str(uuid4()), name, PRO, NOW) for name in ("one", "other")]
        for account in accounts:
            store.add_account(account)
            store.add_token(a_token(account), account)
            registry.external_id(account.uuid, "a-bucket", "a-folder/")
            for number in range(60):  # more than a page
                upload = Upload(
                    id=str(uuid4()),
                    account=account.uuid,
                    collection=str(uuid4()),
                    key=f"{number}.jpg",
                    size=5,
                    folder=PRESIGNED_STAGING,
                    month="2026-03",
                    created_at=NOW,
                    expires_at=NOW + MINUTE,
                )
                assert ledger.reserve(upload, PLANS["business"])
                assert ledger.lock(upload.ref, upload.key, "a worker", NOW, NOW + MINUTE)
        account, other = accounts
        items, after = self.all_items(store, account)
        assert Counter(item.key.partition("#")[0] for item in items) == {
            "usage": 1,
            "upload": 60,
            "object": 60,
        }, "the secret of the external ids is listed nowhere"
        assert (len({item.key for item in items}), after) == (121, None)
        store.begin_deletion(self.stored(store, account), NOW)
        while store.delete_page(account.uuid):
            pass
        store.end_deletion(account.uuid)
        left = client.scan(TableName=table, ConsistentRead=True)["Items"]
        assert not [item for item in left if account.uuid in repr(item)]
        assert len(self.all_items(store, other)[0]) == 121

    def all_items(self, store: DynamoDBAccounts, account: Account) -> tuple[list[AccountItem], str | None]:
        found, after = store.items(account.uuid, None, 7)
        while after is not None:
            page, after = store.items(account.uuid, after, 7)
            found += page
        return found, after
