"""The cost of counting what passes a filter: in a request of its own, with the search, and where it is not needed."""

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.adapters.opensearch import queries
from chalicelib.adapters.opensearch.client import connect
from chalicelib.adapters.opensearch.mappings import Json
from chalicelib.adapters.opensearch.search import EF_SEARCH, MAX_CANDIDATES, OVERSAMPLING, SPARE_HITS
from chalicelib.domain.vectors import VectorQuery, unit_vector
from infra.opensearch.node import Node
from tests.bench.figures import figure, milliseconds
from tests.bench.owners import LIMIT, query_of
from tests.bench.pictures import Vectors


def first_page(query: VectorQuery) -> Json:
    """Returns the body that the store sends for a first page."""
    vector, size = unit_vector(query.vector), query.options.limit + SPARE_HITS
    return queries.rescored_search(query, vector, size=size, k=OVERSAMPLING * size, ef=EF_SEARCH)


def measure_counting(node: Node, index: str, small: str, large: str, vectors: Vectors) -> None:
    """Send bare requests for a tenant with fewer vectors than the limit, and for one with more, in turns."""
    request = connect(node.endpoint).transport.perform_request

    def count_apart(body: Any, condition: Any) -> None:
        if len(request("POST", f"/{index}/_search", body=body)["hits"]["hits"]) < LIMIT + SPARE_HITS:
            request("POST", f"/{index}/_count", body={"query": condition})

    def count_along(body: Any, condition: Any) -> None:
        count = {"query": condition, "size": 0, "track_total_hits": MAX_CANDIDATES + 1}
        lines: Sequence[Any] = ({}, body, {}, count)
        request("POST", f"/{index}/_msearch", body="".join(f"{json.dumps(line)}\n" for line in lines))

    timings: dict[tuple[str, str], list[float]] = {}
    for turn, vector in enumerate(vectors):
        for account in (small, large):
            query = query_of(account, vector)
            body = first_page(query)
            condition = queries.query_filter(query)
            ways: list[Callable[[Any, Any], None]] = [count_apart, count_along]
            for way in ways if turn % 2 else reversed(ways):
                ms = milliseconds(lambda way=way, body=body, condition=condition: way(body, condition), 1, warm=0)
                timings.setdefault((account, way.__name__), []).extend(ms)
    figure("count_apart_ms", statistics.median(timings[small, "count_apart"]), "ms")
    figure("count_along_ms", statistics.median(timings[small, "count_along"]), "ms")
    costs = [a - b for a, b in zip(timings[large, "count_along"], timings[large, "count_apart"], strict=True)]
    figure("count_along_costs_ms", statistics.median(costs), "ms")
