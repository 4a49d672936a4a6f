"""Bodies of requests to OpenSearch, and the meaning of its responses: pure functions, no connection."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.adapters.opensearch import facts, filters
from chalicelib.adapters.opensearch.mappings import LAYOUT, Json
from chalicelib.domain.vectors import (
    DISTANCE_DECIMALS,
    FileSummary,
    Hit,
    VectorDocument,
    VectorQuery,
    rounded_distance,
    unit_vector,
)

DISTANCE_STEP = 10.0**-DISTANCE_DECIMALS
RESULT_FIELDS = ("uuid", "file", "version", "written_at")


class Revision(NamedTuple):
    """Orders the documents of one picture: the highest is current. ``written_at`` is in microseconds."""

    version: int
    written_at: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that a search returned. Versioned documents all have the same revision: a picture has only one."""

    hit: Hit
    revision: Revision


def document_body(document: VectorDocument, layout: int = LAYOUT) -> Json:
    """Returns a document as an index of this layout takes it.

    Raises:
        ValueError: the vector is not of length one.
    """
    return {
        "account": document.account,
        "collection": document.collection,
        "uuid": document.uuid,
        "file": document.file.to_json(),
        "vector": unit_vector(document.vector),
        **(facts.fields(document) if layout >= facts.FACTS_LAYOUT else {}),
    }


def document_source(document: VectorDocument, layout: int = LAYOUT) -> str:
    """Returns the JSON of ``document_body``."""
    return json.dumps(document_body(document, layout), separators=(",", ":"))


def tombstone_source(uuid: str, removed_at: float) -> str:
    """Returns a tombstone's JSON, given the time in seconds."""
    return json.dumps({"uuid": uuid, "removed_at": round(removed_at * 1000)}, separators=(",", ":"))


def old_tombstones(before: float) -> Json:
    """Returns the filter for tombstones of removals before a time in seconds."""
    return {"range": {"removed_at": {"lt": round(before * 1000)}}}


def with_uuids(uuids: Sequence[str]) -> Json:
    """Returns the filter for documents of these pictures, tombstones included."""
    return {"terms": {"uuid": list(uuids)}}


def owned_by(account: str, collections: Sequence[str] | None = None) -> Json:
    """Returns the filter for an account's documents, of all or of some of its collections."""
    terms: list[Json] = [{"term": {"account": account}}]
    if collections is not None:
        terms.append({"terms": {"collection": sorted(set(collections))}})
    return {"bool": {"filter": terms}}


def next_owner(after: Sequence[str] | None) -> Json:
    """The document of the account and collection that come next after others; tombstones have none.

    One request a collection, and nothing that Serverless might not take.
    """
    body: Json = {
        "query": {"bool": {"filter": [{"exists": {"field": "account"}}]}},
        "size": 1,
        "sort": [{"account": "asc"}, {"collection": "asc"}],
        "_source": False,
    }
    return body if after is None else body | {"search_after": list(after)}


def query_filter(query: VectorQuery) -> Json:
    """Returns the filter of a query. All that narrows a query down before distances are compared belongs here."""
    owned = owned_by(query.account, query.options.collections)
    return {"bool": {"filter": [*owned["bool"]["filter"], *filters.conditions(query.account, query.options.filter)]}}


def approximate_search(query: VectorQuery, vector: Sequence[float], *, size: int, k: int) -> Json:
    """Searches the ``size`` nearest of the ``k`` that the engine finds, by the distances that it gives them."""
    return _page(_neighbours(query, vector, k), query, size)


def rescored_search(query: VectorQuery, vector: Sequence[float], *, size: int, k: int, ef: int) -> Json:
    """Searches the ``size`` nearest of the ``k`` that the graph finds, by the distances of the vectors themselves.

    The graph may compare quantised vectors; the script reads those of the ``k``, and gives the same score as in
    ``exact_search``. An engine's own `rescore` reads all ``ef`` of them, and OpenSearch 2.19 ignores it on Lucene:
    https://docs.opensearch.org/latest/vector-search/vector-search-techniques/knn-score-script/

    Args:
        ef: candidates on the way through the graph.
    """
    return _page(_script_score(_neighbours(query, vector, k, method_parameters={"ef_search": ef}), vector), query, size)


def exact_search(query: VectorQuery, vector: Sequence[float], *, size: int) -> Json:
    """Searches the ``size`` nearest of all that pass the filter, each compared."""
    return _page(_script_score(query_filter(query), vector), query, size)


def _neighbours(query: VectorQuery, vector: Sequence[float], k: int, **parameters: Json) -> Json:
    return {"knn": {"vector": {"vector": vector, "k": k, "filter": query_filter(query), **parameters}}}


def _script_score(scored: Json, vector: Sequence[float]) -> Json:
    script = {
        "lang": "knn",
        "source": "knn_score",
        "params": {"field": "vector", "query_value": vector, "space_type": "cosinesimil"},
    }
    return {"script_score": {"query": scored, "script": script}}


def _page(scored: Json, query: VectorQuery, size: int) -> Json:
    body: Json = {
        "query": scored,
        "size": size,
        "_source": list(RESULT_FIELDS),
        "track_scores": True,
        "track_total_hits": False,
        "sort": [{"_score": "desc"}, {"uuid": "asc"}],
    }
    if query.options.after is not None:
        # One step of rounding before the end of the previous page: hits of that page are left out afterwards.
        body["search_after"] = [_score(query.options.after[0] - DISTANCE_STEP), ""]
    return body


def candidates(response: Any) -> list[Candidate]:
    """Returns a response's documents in the order of hits: by rounded distance, then by uuid."""
    documents = response["hits"]["hits"]
    return sorted(
        (_candidate(document["_source"], _distance(document["_score"])) for document in documents),
        key=lambda candidate: candidate.hit.position,
    )


def hit(source: Json, distance: float) -> Hit:
    return Hit(uuid=source["uuid"], file=FileSummary.from_json(source["file"]), distance=distance)


def vector_bytes(values: Sequence[float]) -> bytes:
    """Returns the bytes that a stored vector was written from."""
    return struct.pack(f"<{len(values)}f", *values)


def _score(distance: float) -> float:
    """Returns the score of a cosine distance with the space ``cosinesimil``.

    https://docs.opensearch.org/latest/mappings/supported-field-types/knn-spaces/
    """
    return 1 - distance / 2


def _distance(score: float) -> float:
    return rounded_distance(2 - 2 * score)


def revision(source: Json) -> Revision:
    return Revision(source.get("version", 0), source.get("written_at", 0))


def _candidate(source: Json, distance: float) -> Candidate:
    return Candidate(hit(source, distance), revision(source))
