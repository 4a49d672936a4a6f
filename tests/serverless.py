"""A genuine node behind a gate that forwards what a collection of OpenSearch Serverless accepts, and nothing else.

The operations are those of https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-genref.html;
…/serverless-overview.html#serverless-usecase says what holds for ids. These pages say nothing of parameters, so the
gate rejects them too. The gate sets shards and the refresh interval, as the service does: several shards, so that
nothing may depend on there being one. Only the engine differs from Serverless', whose native code is not published: it
is Lucene's, uncompressed as there.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.adapters.opensearch.append_only import AppendOnlyDocuments
from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import PROFILES, Profile
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.config import OpenSearchProfile
from infra.opensearch.node import Node
from tests.fault_proxy import Proxy, Rejection, proxy_before

PROFILE = Profile(PROFILES[OpenSearchProfile.LUCENE_UNCOMPRESSED].vector_mapping, serverless=True)
SERVICE_SETTINGS = {"number_of_shards": 2, "number_of_replicas": 0, "refresh_interval": "10ms"}
ACCEPTED_OPERATIONS = [
    ("PUT", r"/[^/_][^/]*"),
    ("GET", r"/[^/_][^/]*"),
    ("DELETE", r"/[^/_][^/]*"),
    ("POST", r"/[^/_][^/]*/_search"),
    ("POST", r"/[^/_][^/]*/_count"),
    ("POST", r"/_bulk"),
    ("POST", r"/_aliases"),
]
ACCEPTED_SEARCH_FIELDS = {
    "query",
    "size",
    "sort",
    "search_after",
    "track_scores",
    "track_total_hits",
    "_source",
    "docvalue_fields",
}


def serverless_gate(method: str, path: str, body: bytes) -> bytes:
    """Returns the body to forward; raises Rejection for a request that Serverless does not accept."""
    if not any(method == accepted and re.fullmatch(pattern, path) for accepted, pattern in ACCEPTED_OPERATIONS):
        raise Rejection(404, f"{method} {path} is no operation of Serverless, or has a parameter.")
    if path == "/_bulk":
        _check_bulk(body)
    elif method == "PUT":
        return _index_with_service_settings(json.loads(body))
    elif path.endswith("/_search"):
        _check_search(json.loads(body))
    return body


def _check_bulk(body: bytes) -> None:
    lines = iter(body.splitlines())
    for line in lines:
        ((action, metadata),) = json.loads(line).items()
        if action == "delete":
            if metadata.keys() != {"_index", "_id"}:
                raise Rejection(400, f"A deletion has an index and an id, not {sorted(metadata)}.")
            continue
        if action != "index" or metadata.keys() != {"_index"}:
            raise Rejection(400, "Document ID is not supported in create/index operation request")
        next(lines)


def _index_with_service_settings(body: Any) -> bytes:
    if body["settings"] != {"index": {"knn": True}}:
        raise Rejection(400, "The service sets shards, replicas and the refresh interval itself.")
    body["settings"]["index"] |= SERVICE_SETTINGS
    return json.dumps(body).encode()


def _check_search(body: Any) -> None:
    if not body.keys() <= ACCEPTED_SEARCH_FIELDS:
        raise Rejection(400, f"A search may not have {sorted(body.keys() - ACCEPTED_SEARCH_FIELDS)}.")
    if {"script", "script_score", "method_parameters"} & _names(body["query"]):
        raise Rejection(400, "A query may have neither scripts nor parameters of the engine.")


def _names(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_names, value))
    if isinstance(value, dict):
        return set(value).union(*map(_names, value.values()))
    return set()


@pytest.fixture(scope="session")
def serverless(node: Node) -> Iterator[tuple[str, Proxy]]:
    """Yields the endpoint and its proxy; no request of the tests may have been rejected."""
    with proxy_before(node.endpoint) as (endpoint, proxy):
        proxy.gate = serverless_gate
        yield endpoint, proxy
    assert proxy.rejected == []


def serverless_store_on(
    endpoint: str,
    prefix: str,
    documents: type[AppendOnlyDocuments] = AppendOnlyDocuments,
    *,
    visibility_wait: float = 20.0,
    now: Callable[[], float] = time.time,
) -> OpenSearchVectorStore:
    """Returns a store as one process has it. Its writes wait until searches see them, so that a test need not."""
    client = OpenSearchClient(connect(endpoint))
    indexes = Indexes(client, prefix=prefix, profile=PROFILE, cache_seconds=0.3)
    return OpenSearchVectorStore(client, indexes, documents(client, visibility_wait=visibility_wait), now=now)
