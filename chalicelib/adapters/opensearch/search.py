"""Searching one index of OpenSearch: the right page, however few documents pass the filter or tie at its end."""

import json
from collections.abc import Sequence
from typing import Any

from chalicelib.adapters.opensearch import queries as queries
from chalicelib.adapters.opensearch.client import OpenSearchCalls, RequestRejected
from chalicelib.adapters.opensearch.documents import Documents
from chalicelib.adapters.opensearch.mappings import Json
from chalicelib.adapters.opensearch.queries import Candidate
from chalicelib.domain.vectors import Hit, VectorQuery

EF_SEARCH = 256  # candidates that a search keeps on its way through the graph: docs/decisions/0036
SPARE_HITS = 8  # hits beyond the limit, so that a tie at its end is seen whole
DEEP_CANDIDATES = (
    1_100  # candidates of a page behind the first: all pages to a thousand results are cut from the same ones
)
MAX_CANDIDATES = 10_000  # candidates and hits that OpenSearch gives at once
SMALL_OWNERS_CACHE_SIZE = 1_000  # owners whose last answer was short


class Searcher:
    """Approximate nearest neighbours, exact where few documents pass the filter.

    A search always gives as many hits as it was asked for where they exist: an answer that is short is asked again with
    more candidates, and at last by comparing every document that passes the filter, where the service does that.

    Args:
        ef: candidates on the way through the graph.
    """

    def __init__(self, calls: OpenSearchCalls, documents: Documents, ef: int = EF_SEARCH) -> None:
        self._calls = calls
        self._documents = documents
        self._ef = ef
        self._widest = (
            MAX_CANDIDATES + 1 if documents.supports_ef_search else MAX_CANDIDATES
        )  # more than MOST candidates are all: a script's
        self._short: set[tuple[str, tuple[str, ...] | None]] = set()

    def search(self, where: str, query: VectorQuery, *, exactly: bool = False) -> list[Hit]:
        """Search an index or alias; nothing is found in one that does not exist.

        Raises:
            ValueError: the query's vector is not of length one, or not of the index's dimension.
        """
        vector = queries.floats(query.vector)
        if query.collections == ():
            return []
        try:
            return self._search(where, query, vector, self._widest if exactly else self._candidates(query))
        except RequestRejected as error:
            if error.status == 404:  # nothing was ever written for the model
                return []
            if "dimension" in error.reason:
                raise ValueError(f"The query's dimension is not the model's: {error.reason}") from error
            raise

    def _ask(self, where: str, query: VectorQuery, body: Json) -> tuple[Any, int | None]:
        """The answer; where the owner's last one was short, with the count that a short one is held against.

        Both in one request, of which a part may be refused where the other is not: asked alone, it tells why. That who
        has few vectors is asked so is a guess; nothing but the number of requests depends on it.
        """
        if self._documents.supports_ef_search and _owner(query) in self._short:
            wanted = queries.owned_by(query.account, query.collections)
            counting = {"query": wanted, "size": 0, "track_total_hits": MAX_CANDIDATES + 1}
            lines = "".join(f"{json.dumps(each)}\n" for each in ({}, body, {}, counting))
            answers = self._calls.ask("POST", f"/{where}/_msearch", lines)["responses"]
            if not any("error" in each for each in answers):
                return answers[0], int(answers[1]["hits"]["total"]["value"])
        return self._calls.ask("POST", f"/{where}/_search", body), None

    def _count(self, where: str, query: VectorQuery) -> int:
        """Documents that pass the query's filter."""
        wanted = queries.owned_by(query.account, query.collections)
        return int(self._calls.ask("POST", f"/{where}/_count", {"query": wanted})["count"])

    def _remember(self, query: VectorQuery, *, short: bool) -> None:
        if not short:
            self._short.discard(_owner(query))
        elif len(self._short) < SMALL_OWNERS_CACHE_SIZE:
            self._short.add(_owner(query))
        else:
            self._short = {_owner(query)}

    def _candidates(self, query: VectorQuery) -> int:
        return max(min(query.limit + SPARE_HITS, MAX_CANDIDATES), self._ef if query.after is None else DEEP_CANDIDATES)

    def _search(self, where: str, query: VectorQuery, vector: Sequence[float], k: int) -> list[Hit]:
        size = min(query.limit + SPARE_HITS, MAX_CANDIDATES)
        total: int | None = None
        while True:
            if k <= MAX_CANDIDATES:
                body = queries.nearest(
                    query, vector, size=size, k=k, ef=self._ef if self._documents.supports_ef_search else None
                )
            else:
                body = queries.exact(query, vector, size=size)
            answer, counted = self._ask(where, query, body)
            met, total = queries.candidates(answer), total if counted is None else counted
            within = met[-1].hit.distance if len(met) == size else 2.0
            standing = self._documents.standing(where, met, vector, within) if met else []
            found = queries.admitted(query, standing)[: query.limit]
            self._remember(query, short=len(met) < size)
            if len(met) == size:
                if size == MAX_CANDIDATES or _settled(query, found, met):
                    return found
                # A tie reaches beyond what was asked for.
                size = min(4 * size, MAX_CANDIDATES)
                k = max(k, size)
                continue
            if k > MAX_CANDIDATES or _passed(query, met):
                return found
            # Fewer than asked for: all there is, all behind the page before, or all that the candidates held.
            if total is None:
                total = self._count(where, query)
            if total <= k and (query.after is not None or len(met) >= min(total, size)):
                return found
            if k == self._widest:
                return found
            k = MAX_CANDIDATES if k < MAX_CANDIDATES and total <= MAX_CANDIDATES else self._widest


def _owner(query: VectorQuery) -> tuple[str, tuple[str, ...] | None]:
    return query.account, query.collections


def _settled(query: VectorQuery, found: Sequence[Hit], met: Sequence[Candidate]) -> bool:
    """Whether nothing that was not fetched could belong into the page: it would be as near as its last hit."""
    return _passed(query, met) or (len(found) == query.limit and met[-1].hit.distance > found[-1].distance)


def _passed(query: VectorQuery, met: Sequence[Candidate]) -> bool:
    """Whether the hits have come past the greatest distance that is asked for."""
    return query.max_distance is not None and bool(met) and met[-1].hit.distance > query.max_distance
