"""A genuine node behind a door that lets through what a collection of OpenSearch Serverless takes, and nothing else.

What that is: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-genref.html and, of ids,
…/serverless-overview.html#serverless-usecase. Of parameters these pages say nothing; they are refused too. Shards and
the refresh interval are the service's own: several shards, so that nothing may depend on there being one. The engine
alone is another one than Serverless', whose native code is not published.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.adapters.opensearch.append_only import AppendOnlyDocuments
from chalicelib.adapters.opensearch.client import OpenSearchCalls, connect
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.mappings import LUCENE, Profile
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from infra.opensearch.node import Node
from tests.fault_proxy import Proxy, Refusal, proxy_before

PROFILE = Profile("serverless-lucene", LUCENE.vector, serverless=True)
ITS_OWN = {"number_of_shards": 2, "number_of_replicas": 0, "refresh_interval": "10ms"}
TAKEN = [
    ("PUT", r"/[^/_][^/]*"),
    ("GET", r"/[^/_][^/]*"),
    ("DELETE", r"/[^/_][^/]*"),
    ("POST", r"/[^/_][^/]*/_search"),
    ("POST", r"/[^/_][^/]*/_count"),
    ("POST", r"/_bulk"),
    ("POST", r"/_aliases"),
]
OF_A_QUERY = {"query", "size", "sort", "search_after", "track_scores", "track_total_hits", "_source", "docvalue_fields"}


def door(method: str, path: str, body: bytes) -> bytes:
    """Raises Refusal for whatever Serverless does not take."""
    if not any(method == each and re.fullmatch(pattern, path) for each, pattern in TAKEN):
        raise Refusal(404, f"{method} {path} is no operation of Serverless, or has a parameter.")
    if path == "/_bulk":
        _bulk(body)
    elif method == "PUT":
        return _index(json.loads(body))
    elif path.endswith("/_search"):
        _search(json.loads(body))
    return body


def _bulk(body: bytes) -> None:
    lines = iter(body.splitlines())
    for line in lines:
        ((action, where),) = json.loads(line).items()
        if action == "delete":
            if where.keys() != {"_index", "_id"}:
                raise Refusal(400, f"A deletion has an index and an id, not {sorted(where)}.")
            continue
        if action != "index" or where.keys() != {"_index"}:
            raise Refusal(400, "Document ID is not supported in create/index operation request")
        next(lines)


def _index(body: Any) -> bytes:
    if body["settings"] != {"index": {"knn": True}}:
        raise Refusal(400, "Shards, replicas and the refresh interval are the service's own.")
    body["settings"]["index"] |= ITS_OWN
    return json.dumps(body).encode()


def _search(body: Any) -> None:
    if not body.keys() <= OF_A_QUERY:
        raise Refusal(400, f"{sorted(body.keys() - OF_A_QUERY)} may not be asked for.")
    if {"script", "script_score", "method_parameters"} & _names(body["query"]):
        raise Refusal(400, "Neither scripts nor what is the engine's own may be asked for.")


def _names(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_names, value))
    if isinstance(value, dict):
        return set(value).union(*map(_names, value.values()))
    return set()


@pytest.fixture(scope="session")
def serverless(node: Node) -> Iterator[tuple[str, Proxy]]:
    """Its endpoint, and the proxy at its door; whoever has it must not have been refused anything."""
    with proxy_before(node.endpoint) as (endpoint, proxy):
        proxy.door = door
        yield endpoint, proxy
    assert proxy.refused == []


def serverless_store_on(
    endpoint: str,
    prefix: str,
    kind: type[AppendOnlyDocuments] = AppendOnlyDocuments,
    *,
    patience: float = 20.0,
    now: Callable[[], float] = time.time,
) -> OpenSearchVectorStore:
    """A store of a process of its own. Its writes wait until they are seen, so that a test need not."""
    calls = OpenSearchCalls(connect(endpoint))
    indexes = Indexes(calls, prefix=prefix, profile=PROFILE, known_seconds=0.3)
    return OpenSearchVectorStore(calls, indexes, kind(calls, patience=patience), now=now)
