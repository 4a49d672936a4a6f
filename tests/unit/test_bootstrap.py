"""What is chosen by the configuration."""

import pytest

from chalicelib.adapters.opensearch_appended import AppendedDocuments
from chalicelib.adapters.opensearch_documents import IdentifiedDocuments
from chalicelib.adapters.opensearch_mappings import PROFILES
from chalicelib.adapters.opensearch_vectors import OpenSearchVectorStore
from chalicelib.bootstrap import Services
from chalicelib.config import Config


def services(**settings: str) -> Services:
    return Services(Config(**dict.fromkeys(Config.__dataclass_fields__, "") | settings))


@pytest.mark.parametrize("profile", PROFILES)
def test_versions_are_kept_apart_as_the_profile_demands(profile: str):
    store = services(
        vector_store="opensearch",
        opensearch_endpoint="http://127.0.0.1:1",
        opensearch_profile=profile,
        opensearch_shards="1",
        opensearch_replicas="0",
    ).adapters.vectors
    assert isinstance(store, OpenSearchVectorStore)
    assert store.indexes.profile is PROFILES[profile]
    wanted = AppendedDocuments if profile.startswith("serverless") else IdentifiedDocuments
    assert type(store.documents) is wanted


def test_a_store_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="'nowhere'"):
        _ = services(vector_store="nowhere").adapters.vectors
