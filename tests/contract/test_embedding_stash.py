"""The contract of every stash of embeddings: one suite, run on the fake, the emulator's DynamoDB and DynamoDB Local."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.embedding_stash import STASH_RETENTION, DynamoDBEmbeddingStash
from chalicelib.domain.embeddings import KnownImage
from chalicelib.services.ports import EmbeddingStash
from tests.contract.tables import make_table
from tests.factories import NOW, an_embedding
from tests.fakes.embedding_stash import FakeEmbeddingStash

IMAGE = KnownImage(an_embedding(), "a-thumbnail", "a-collection")


class EmbeddingStashContract:
    @pytest.fixture
    def stash(self) -> EmbeddingStash:
        raise NotImplementedError

    def test_an_image_is_found_by_its_content_and_another_is_not(self, stash: EmbeddingStash):
        other = replace(IMAGE, thumbnail="another")
        stash.put({"one": IMAGE, "other": other}, NOW)
        assert stash.get(["one", "missing", "other"]) == {"one": IMAGE, "other": other}
        assert stash.get(["missing"]) == stash.get([]) == {}

    def test_a_later_image_of_the_same_content_replaces_the_first(self, stash: EmbeddingStash):
        stash.put({"one": IMAGE}, NOW)
        stash.put({"one": replace(IMAGE, collection="another")}, NOW)
        assert stash.get(["one"]) == {"one": replace(IMAGE, collection="another")}


class TestFake(EmbeddingStashContract):
    @pytest.fixture
    def stash(self) -> EmbeddingStash:
        return FakeEmbeddingStash()


class TestDynamoDBOnTheEmulator(EmbeddingStashContract):
    @pytest.fixture
    def stash(self, aws: Callable[[str], Any], emulator_table: str) -> EmbeddingStash:
        return DynamoDBEmbeddingStash(aws("dynamodb"), emulator_table)

    def test_an_image_expires_after_a_day(self, stash: EmbeddingStash, aws: Callable[[str], Any], emulator_table: str):
        stash.put({"one": IMAGE}, NOW)
        (item,) = aws("dynamodb").scan(TableName=emulator_table)["Items"]
        assert int(item["expires_at"]["N"]) == int((NOW + STASH_RETENTION).timestamp())


class TestDynamoDBLocal(EmbeddingStashContract):
    @pytest.fixture
    def stash(self, dynamodb_local_client: Any) -> EmbeddingStash:
        return DynamoDBEmbeddingStash(dynamodb_local_client, make_table(dynamodb_local_client, "SyncsTable"))


@pytest.fixture
def emulator_table(aws: Callable[[str], Any]) -> str:
    return make_table(aws("dynamodb"), "SyncsTable")
