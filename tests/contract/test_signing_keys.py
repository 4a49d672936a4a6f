"""The contract of every store of signing keys: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.signing_keys import DynamoDBSigningKeys
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.links import SigningKeys
from chalicelib.services.ports import SigningKeyStore
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.signing_keys import FakeSigningKeys

FIRST, SECOND = SigningKeys(b"1" * 32), SigningKeys(b"2" * 32)


class SigningKeysContract:
    @pytest.fixture
    def store(self) -> SigningKeyStore:
        raise NotImplementedError

    def test_the_first_keys_stay(self, store: SigningKeyStore) -> None:
        assert store.read_or_create(FIRST) == FIRST
        assert store.read_or_create(SECOND) == FIRST

    def test_all_who_create_keys_at_once_get_the_same(self, store: SigningKeyStore) -> None:
        keys = [SigningKeys(bytes([number]) * 32) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(store.read_or_create, keys))) == 1

    def test_rotated_keys_are_read_as_they_were_written(self, store: SigningKeyStore) -> None:
        store.read_or_create(FIRST)
        rotated = FIRST.rotated(SECOND.current, NOW)
        store.replace(FIRST, rotated)
        assert store.read_or_create(FIRST) == rotated

    def test_of_two_rotations_at_once_one_is_refused(self, store: SigningKeyStore) -> None:
        store.read_or_create(FIRST)
        store.replace(FIRST, FIRST.rotated(SECOND.current, NOW))
        with pytest.raises(StaleWrite):
            store.replace(FIRST, FIRST.rotated(b"3" * 32, NOW))


class TestFakeSigningKeys(SigningKeysContract):
    @pytest.fixture
    def store(self) -> SigningKeyStore:
        return FakeSigningKeys()


class TestDynamoDBSigningKeys(SigningKeysContract):
    @pytest.fixture
    def store(self, aws: Callable[[str], Any]) -> SigningKeyStore:
        client = aws("dynamodb")
        return DynamoDBSigningKeys(client, make_table(client, "AccountsTable"))
