"""What the configuration chooses."""

from dataclasses import replace

import boto3
import pytest

from chalicelib.adapters.factory import AWSAdapters
from chalicelib.adapters.opensearch.append_only import AppendOnlyDocuments
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.mappings import PROFILES
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.config import OpenSearchConfig, OpenSearchProfile
from tests.fakes.application import CONFIG


@pytest.mark.parametrize("profile", OpenSearchProfile)
def test_the_profile_decides_how_versions_of_a_document_are_kept(profile: OpenSearchProfile):
    opensearch = OpenSearchConfig("http://127.0.0.1:1", profile=profile)
    store = AWSAdapters(replace(CONFIG, vector_store=opensearch), boto3.client).vectors
    assert isinstance(store, OpenSearchVectorStore)
    assert store.indexes.profile is PROFILES[profile]
    expected = AppendOnlyDocuments if profile.value.startswith("serverless") else VersionedDocuments
    assert type(store.documents) is expected


def test_every_profile_has_a_mapping():
    assert set(PROFILES) == set(OpenSearchProfile)
