"""Versioned documents: id = file uuid, external version = record version. Also the interface of both layouts.

Of two writes of a picture OpenSearch keeps the one with the higher version, whatever their order, so each picture has
one document.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from chalicelib.adapters.opensearch import queries
from chalicelib.adapters.opensearch.bulk import Outcome, Write, bulk_write
from chalicelib.adapters.opensearch.client import OpenSearchClient
from chalicelib.adapters.opensearch.indexes import Index, Indexes
from chalicelib.adapters.opensearch.mappings import Json
from chalicelib.adapters.opensearch.queries import Candidate, Revision
from chalicelib.domain.vectors import Hit, VectorQuery

SCAN_PAGE_SIZE = 1_000  # documents read by one request
SCAN_TIMEOUT_SECONDS = 60.0
PURGE_TIMEOUT_SECONDS = 600.0


class Documents(Protocol):
    """Documents of pictures. The current one of a picture has its highest version; of one version, the last write.

    Args:
        supports_ef_search: queries may set the engine's ``ef_search``, and compare by script.
        rejects_stale_writers: OpenSearch rejects writes to an index that takes no more of them.
    """

    supports_ef_search: bool
    rejects_stale_writers: bool

    def write(self, writes: Sequence[Write], *, wait: bool) -> Outcome:
        """Write documents; with ``wait``, searches see them afterwards, as far as the service lets a caller wait."""

    def wait_until_visible(self, index: Index) -> None:
        """Wait until searches see everything that this process has written, awaited or not."""

    def current_hits(
        self, target: str, candidates: Sequence[Candidate], query: VectorQuery, complete_up_to: float
    ) -> list[Hit]:
        """Returns the hits that are current, in order, out of what a search returned.

        Args:
            target: the index or alias that was searched.
            complete_up_to: the distance up to which the search returned every candidate.
        """

    def current_uuids(self, target: str, revisions: Mapping[str, Revision]) -> set[str]:
        """Returns the pictures whose current documents have these revisions, out of what a search returned."""

    def count(self, index: str, condition: Json) -> int:
        """Returns how many pictures pass a filter."""

    def versions(self, index: str, uuids: Sequence[str]) -> dict[str, int]:
        """Returns the versions of current documents, tombstones included."""

    def vectors(self, index: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Returns versions and vectors of those pictures that have one."""

    def owners(self, index: str) -> Iterator[tuple[str, str]]:
        """Account and collection of every picture that has a document."""

    def scan(self, index: str, condition: Json) -> Iterator[list[tuple[str, int]]]:
        """Yields pages of the (uuid, version) of the pictures that pass a filter, in order of uuid."""

    def purge(self, index: str, before: float) -> int:
        """Delete tombstones of removals before a time in seconds; returns how many."""


class VersionedDocuments:
    supports_ef_search = True
    rejects_stale_writers = True

    def __init__(self, client: OpenSearchClient, indexes: Indexes) -> None:
        self._client = client
        self._indexes = indexes

    def write(self, writes: Sequence[Write], *, wait: bool) -> Outcome:
        params = {"require_alias": "true", "filter_path": "items.*.status,items.*.error"}
        outcome = bulk_write(self._client, writes, bulk_lines, params | ({"refresh": "wait_for"} if wait else {}))
        if wait:
            # OpenSearch does not wait for a write that was superseded, and the newer one may not be visible yet.
            for index in {write.index.name: write.index for write in outcome.superseded}.values():
                self._indexes.refresh(index)
        return outcome

    def wait_until_visible(self, index: Index) -> None:
        self._indexes.refresh(index)

    def current_hits(
        self,
        target: str,  # noqa: ARG002  # each picture has one document, which is current
        candidates: Sequence[Candidate],
        query: VectorQuery,  # noqa: ARG002
        complete_up_to: float,  # noqa: ARG002
    ) -> list[Hit]:
        return [candidate.hit for candidate in candidates]

    def current_uuids(
        self,
        target: str,  # noqa: ARG002  # each picture has one document, which is current
        revisions: Mapping[str, Revision],
    ) -> set[str]:
        return set(revisions)

    def count(self, index: str, condition: Json) -> int:
        return int(self._client.request("POST", f"/{index}/_count", {"query": condition})["count"])

    def versions(self, index: str, uuids: Sequence[str]) -> dict[str, int]:
        documents = self._get(index, uuids, {"_source": "false"})
        return {document["_id"]: document["_version"] for document in documents}

    def vectors(self, index: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        return {
            document["_id"]: (document["_version"], queries.vector_bytes(document["_source"]["vector"]))
            for document in self._get(index, uuids, {"_source_includes": "vector"})
            if "vector" in document["_source"]
        }

    def owners(self, index: str) -> Iterator[tuple[str, str]]:
        return owners(self._client, index)

    def scan(self, index: str, condition: Json) -> Iterator[list[tuple[str, int]]]:
        after: list[str] | None = None
        while True:
            body: Json = {
                "query": condition,
                "size": SCAN_PAGE_SIZE,
                "sort": [{"uuid": "asc"}],
                "_source": False,
                "version": True,
            }
            if after:
                body["search_after"] = after
            response = self._client.request("POST", f"/{index}/_search", body, timeout=SCAN_TIMEOUT_SECONDS)
            documents = response["hits"]["hits"]
            if not documents:
                return
            yield [(document["_id"], document["_version"]) for document in documents]
            after = documents[-1]["sort"]

    def purge(self, index: str, before: float) -> int:
        body, params = {"query": queries.old_tombstones(before)}, {"conflicts": "proceed"}
        path = f"/{index}/_delete_by_query"
        return int(self._client.request("POST", path, body, params, timeout=PURGE_TIMEOUT_SECONDS)["deleted"])

    def _get(self, index: str, uuids: Sequence[str], params: dict[str, str]) -> list[Any]:
        body = {"ids": list(uuids)}
        response = self._client.request("POST", f"/{index}/_mget", body, params, timeout=SCAN_TIMEOUT_SECONDS)
        return [document for document in response["docs"] if document.get("found")]


def owners(client: OpenSearchClient, index: str) -> Iterator[tuple[str, str]]:
    """Account and collection of the documents of an index, each pair once."""
    after: list[str] | None = None
    path = f"/{index}/_search"
    while True:
        response = client.request("POST", path, queries.next_owner(after), timeout=SCAN_TIMEOUT_SECONDS)
        if not (hits := response["hits"]["hits"]):
            return
        after = hits[0]["sort"]
        yield after[0], after[1]


def bulk_lines(write: Write) -> str:
    action = {
        "_index": write.index.write_alias,
        "_id": write.uuid,
        "version": write.version,
        "version_type": "external_gte",
    }
    return f'{{"index":{json.dumps(action)}}}\n{write.source}\n'
