"""What is asked of OpenSearch and what its answers mean: pure functions, no connection."""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.adapters.opensearch.mappings import RESULT_FIELDS, Json
from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery

DISTANCE_DECIMALS = 6  # of a distance, as the SQLite store rounds them; order, `after` and `max_distance` go by that
DISTANCE_STEP = 10.0**-DISTANCE_DECIMALS
UNIT_TOLERANCE = 1e-4  # of a vector's squared length around 1

Revision = tuple[int, int]  # of a document among those of one picture: its version, and when it was written


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that a search has met; where ids are ours there is one of each picture, and the rank says nothing."""

    hit: Hit
    rank: Revision


def floats(vector: bytes) -> tuple[float, ...]:
    """The numbers of a vector.

    Raises:
        ValueError: it is no sequence of float32, or not of length one.
    """
    if not vector or len(vector) % 4:
        raise ValueError(f"A vector of {len(vector)} bytes is no sequence of float32.")
    values = struct.unpack(f"<{len(vector) // 4}f", vector)
    squared = sum(value * value for value in values)
    if not math.isclose(squared, 1, rel_tol=0, abs_tol=UNIT_TOLERANCE):
        raise ValueError(f"A vector's length is {math.sqrt(squared):.6f}, not 1.")
    return values


def vector_bytes(values: Sequence[float]) -> bytes:
    """The numbers of a stored vector as the bytes that they were written from."""
    return struct.pack(f"<{len(values)}f", *values)


def document(d: VectorDocument, vector: Sequence[float]) -> Json:
    return {
        "account": d.account,
        "collection": d.collection,
        "uuid": d.uuid,
        "bucket": d.bucket,
        "key": d.key,
        "size": d.size,
        "md5": d.md5,
        "vector": vector,
    }


def tombstone(uuid: str, removed_at: float) -> Json:
    return {"uuid": uuid, "removed_at": round(removed_at * 1000)}


def old_tombstones(before: float) -> Json:
    return {"range": {"removed_at": {"lt": round(before * 1000)}}}


def owned_by(account: str, collections: Sequence[str] | None = None) -> Json:
    """The filter that each search and count carries."""
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


def nearest(query: VectorQuery, vector: Sequence[float], *, size: int, k: int, ef: int | None) -> Json:
    """The ``size`` nearest of the ``k`` that the graph finds; exact where no more than ``k`` pass the filter.

    Args:
        ef: candidates on the way through the graph; without it, as many as the engine takes for ``k``.
    """
    asked: Json = {"vector": vector, "k": k, "filter": owned_by(query.account, query.collections)}
    if ef is not None:
        asked["method_parameters"] = {"ef_search": max(k, ef)}
    return _page({"knn": {"vector": asked}}, query, size)


def exact(query: VectorQuery, vector: Sequence[float], *, size: int) -> Json:
    """The ``size`` nearest of all that pass the filter, each compared."""
    script = {
        "lang": "knn",
        "source": "knn_score",
        "params": {"field": "vector", "query_value": vector, "space_type": "cosinesimil"},
    }
    wanted = owned_by(query.account, query.collections)
    return _page({"script_score": {"query": wanted, "script": script}}, query, size)


def _page(query: Json, asked: VectorQuery, size: int) -> Json:
    body: Json = {
        "query": query,
        "size": size,
        "_source": [*RESULT_FIELDS, "version", "written"],
        "track_scores": True,
        "track_total_hits": False,
        "sort": [{"_score": "desc"}, {"uuid": "asc"}],
    }
    if asked.after is not None:
        # A step of rounding before the place where the last page ended: what has been shown is left out afterwards.
        body["search_after"] = [1 - (asked.after[0] - DISTANCE_STEP) / 2, ""]
    return body


def of(uuids: Sequence[str]) -> Json:
    """The filter for pictures' documents, tombstones among them."""
    return {"terms": {"uuid": list(uuids)}}


def candidates(answer: Any) -> list[Candidate]:
    """An answer's documents in the contract's order: by rounded distance, then by uuid."""
    found = (_met(each["_source"], distance(each["_score"])) for each in answer["hits"]["hits"])
    return sorted(found, key=lambda each: place(each.hit))


def place(hit: Hit) -> tuple[float, str]:
    return hit.distance, hit.uuid


def admitted(query: VectorQuery, found: Iterable[Hit]) -> list[Hit]:
    """The hits behind the page before, not farther than the query allows."""
    farthest = 2.0 if query.max_distance is None else query.max_distance
    return [hit for hit in found if hit.distance <= farthest and (query.after is None or place(hit) > query.after)]


def distance(score: float) -> float:
    """The cosine distance behind a score, which is ``(2 - distance) / 2`` with the space ``cosinesimil``.

    https://docs.opensearch.org/latest/mappings/supported-field-types/knn-spaces/
    """
    return rounded(2 - 2 * score)


def rounded(away: float) -> float:
    return round(min(max(away, 0.0), 2.0), DISTANCE_DECIMALS)


def hit(shown: Json, away: float) -> Hit:
    return Hit(shown["uuid"], shown["collection"], shown["bucket"], shown["key"], shown["size"], shown["md5"], away)


def _met(shown: Json, away: float) -> Candidate:
    return Candidate(hit(shown, away), (shown.get("version", 0), shown.get("written", 0)))
