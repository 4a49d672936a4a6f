"""Searching one index of OpenSearch: the right page, however few documents pass the filter or tie at its end."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.adapters.opensearch import queries
from chalicelib.adapters.opensearch.client import OpenSearchClient
from chalicelib.adapters.opensearch.documents import Documents
from chalicelib.adapters.opensearch.errors import RequestRejected
from chalicelib.adapters.opensearch.mappings import Json
from chalicelib.adapters.opensearch.queries import Candidate
from chalicelib.domain.vectors import MAX_DISTANCE, CountedHits, Hit, VectorQuery, unit_vector

EF_SEARCH = 256  # candidates that a search keeps on its way through the graph: docs/decisions/0036
SPARE_HITS = 8  # hits beyond the limit, so that a tie at its end is seen whole
# Candidates of a first page whose vectors are read from the disk and compared, for each hit: docs/decisions/0112
OVERSAMPLING = 2
# Candidates of every page but the first: all pages up to a thousand results are cut from the same ones.
DEEP_CANDIDATES = 1_100
MAX_CANDIDATES = 10_000  # candidates and hits that OpenSearch returns at once
EVERY_CANDIDATE = MAX_CANDIDATES + 1  # a script compares everything that passes the filter
NARROW_FILTERS_CACHE_SIZE = 1_000
WRONG_DIMENSION = ("dimension", "does not match the expected length")  # in the words of a k-NN query, and of its script


class Searcher:
    """Approximate nearest neighbours, exact where few documents pass the filter.

    A search returns as many hits as its limit where they exist. When OpenSearch returns fewer, the search is repeated
    with more candidates, and at last by comparing every document that passes the filter, where the service does that.

    Args:
        ef_search: candidates on the way through the graph.
        check_files: raises StoreUnavailable if there are files to be found.
    """

    def __init__(
        self,
        client: OpenSearchClient,
        documents: Documents,
        ef_search: int = EF_SEARCH,
        check_files: Callable[[], None] = lambda: None,
    ) -> None:
        self._check_files = check_files
        self._client = client
        self._documents = documents
        self._ef_search = ef_search
        self._max_candidates = EVERY_CANDIDATE if documents.supports_ef_search else MAX_CANDIDATES
        # Keys of filters that fewer documents passed than were requested, when they were last used.
        self._narrow_filters: set[str] = set()

    def search(self, target: str, query: VectorQuery, *, exactly: bool = False) -> list[Hit]:
        """Search an index or alias; before there are files, none exists, and there are no hits.

        Raises:
            StoreUnavailable: it does not exist, although there are files.
            ValueError: the query's vector is not of length one, or not of the index's dimension.
        """
        return self._answer(target, query, exactly=exactly, counting=False).hits

    def search_and_count(self, target: str, query: VectorQuery) -> CountedHits:
        """As ``search``, with how many documents pass the query's filter."""
        return self._answer(target, query, exactly=False, counting=True)

    def _answer(self, target: str, query: VectorQuery, *, exactly: bool, counting: bool) -> CountedHits:
        """The hits, and the count or 0 if it is not asked for."""
        vector = unit_vector(query.vector)
        if query.options.collections == ():
            return CountedHits([], 0)
        k = self._max_candidates if exactly else self._candidates(query)
        try:
            hits, total = self._search(target, query, vector, k, counting=counting)
            return CountedHits(hits, (self._count(target, query) if total is None else total) if counting else 0)
        except RequestRejected as error:
            if error.status == 404:
                self._check_files()
                return CountedHits([], 0)
            if any(words in error.reason for words in WRONG_DIMENSION):
                raise ValueError(f"The query's dimension is not the model's: {error.reason}") from error
            raise

    def _search(
        self, target: str, query: VectorQuery, vector: Sequence[float], k: int, *, counting: bool
    ) -> tuple[list[Hit], int | None]:
        """Returns the hits, and how many documents pass the filter as far as that is known."""
        options = query.options
        size = min(options.limit + SPARE_HITS, MAX_CANDIDATES)
        total: int | None = None
        while True:
            response, counted = self._send(
                target, query, self._body(query, vector, size, k), counting=counting and total is None
            )
            candidates, total = queries.candidates(response), total if counted is None else counted
            complete_up_to = candidates[-1].hit.distance if len(candidates) == size else MAX_DISTANCE
            hits = self._documents.current_hits(target, candidates, query, complete_up_to) if candidates else []
            hits = [hit for hit in hits if options.admits(hit.position)][: options.limit]
            self._remember_filter(query, narrow=len(candidates) < size)
            if len(candidates) == size:
                if size == MAX_CANDIDATES or _is_stable(query, hits, candidates):
                    return hits, total
                # A tie reaches beyond the candidates.
                size = min(4 * size, MAX_CANDIDATES)
                k = max(k, size)
                continue
            if k > MAX_CANDIDATES or _exceeds_max_distance(query, candidates):
                return hits, total
            # There are fewer candidates than requested: all there are, all behind the previous page, or all that the
            # graph found.
            if total is None:
                total = self._count(target, query)
            if total <= k and (options.after is not None or len(candidates) >= min(total, size)):
                return hits, total
            if k == self._max_candidates:
                return hits, total
            k = MAX_CANDIDATES if k < MAX_CANDIDATES and total <= MAX_CANDIDATES else self._max_candidates

    def _candidates(self, query: VectorQuery) -> int:
        at_least = self._ef_search if query.options.after is None else DEEP_CANDIDATES
        return max(min(query.options.limit + SPARE_HITS, MAX_CANDIDATES), at_least)

    def _body(self, query: VectorQuery, vector: Sequence[float], size: int, k: int) -> Json:
        if k > MAX_CANDIDATES:
            return queries.exact_search(query, vector, size=size)
        if not self._documents.supports_ef_search:
            return queries.approximate_search(query, vector, size=size, k=k)
        compared = min(k, OVERSAMPLING * size) if query.options.after is None else k
        return queries.rescored_search(query, vector, size=size, k=compared, ef=max(k, self._ef_search))

    def _send(self, target: str, query: VectorQuery, body: Json, *, counting: bool) -> tuple[Any, int | None]:
        """Returns the response, and how many documents pass the filter where that is asked for or likely to be needed.

        It is likely when fewer passed than were requested the last time. Both are in one request then, of which
        OpenSearch may reject one part: sent alone, the search says why. A wrong guess costs a request and changes no
        result. Serverless has no such request.
        """
        if self._documents.supports_ef_search and (counting or _filter_key(query) in self._narrow_filters):
            most = True if counting else MAX_CANDIDATES + 1
            count = {"query": queries.query_filter(query), "size": 0, "track_total_hits": most}
            lines = "".join(f"{json.dumps(line)}\n" for line in ({}, body, {}, count))
            responses = self._client.request("POST", f"/{target}/_msearch", lines)["responses"]
            if not any("error" in response for response in responses):
                return responses[0], int(responses[1]["hits"]["total"]["value"])
        return self._client.request("POST", f"/{target}/_search", body), None

    def _count(self, target: str, query: VectorQuery) -> int:
        """Returns how many documents pass the query's filter."""
        body = {"query": queries.query_filter(query)}
        return int(self._client.request("POST", f"/{target}/_count", body)["count"])

    def _remember_filter(self, query: VectorQuery, *, narrow: bool) -> None:
        if not narrow:
            self._narrow_filters.discard(_filter_key(query))
        elif len(self._narrow_filters) < NARROW_FILTERS_CACHE_SIZE:
            self._narrow_filters.add(_filter_key(query))
        else:
            self._narrow_filters = {_filter_key(query)}


def _filter_key(query: VectorQuery) -> str:
    """Returns a key that covers every filter of the query, because it is the filter itself."""
    return json.dumps(queries.query_filter(query))


def _is_stable(query: VectorQuery, hits: Sequence[Hit], candidates: Sequence[Candidate]) -> bool:
    """Whether no document that was not returned can belong on the page: it would be as near as the page's last hit."""
    return _exceeds_max_distance(query, candidates) or (
        len(hits) == query.options.limit and candidates[-1].hit.distance > hits[-1].distance
    )


def _exceeds_max_distance(query: VectorQuery, candidates: Sequence[Candidate]) -> bool:
    """Whether the last candidate is farther away than the query allows."""
    max_distance = query.options.max_distance
    return max_distance is not None and bool(candidates) and candidates[-1].hit.distance > max_distance
