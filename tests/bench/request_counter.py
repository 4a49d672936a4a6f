"""What the count costs that a short answer is held against: apart, along with the search, and where nobody needs it."""

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.adapters.opensearch import queries as queries
from chalicelib.adapters.opensearch.client import connect
from chalicelib.adapters.opensearch.search import EF_SEARCH, MAX_CANDIDATES, SPARE_HITS
from chalicelib.domain.vectors import VectorQuery
from infra.opensearch.node import Node
from tests.bench.figures import figure, milliseconds
from tests.bench.pictures import Vectors

LIMIT = 16


def counting(node: Node, index: str, model: str, small: str, large: str, asked: Vectors) -> None:
    """Bare requests for a tenant that has fewer vectors than are asked for, and for one that has more, in turns."""
    ask = connect(node.endpoint).transport.perform_request

    def apart(body: Any, wanted: Any) -> None:
        if len(ask("POST", f"/{index}/_search", body=body)["hits"]["hits"]) < LIMIT + SPARE_HITS:
            ask("POST", f"/{index}/_count", body={"query": wanted})

    def along(body: Any, wanted: Any) -> None:
        lines: Sequence[Any] = ({}, body, {}, {"query": wanted, "size": 0, "track_total_hits": MAX_CANDIDATES + 1})
        ask("POST", f"/{index}/_msearch", body="".join(f"{json.dumps(line)}\n" for line in lines))

    taken: dict[tuple[str, str], list[float]] = {}
    for turn, vector in enumerate(asked):
        for account in (small, large):
            query = VectorQuery(account, vector.tobytes(), model, LIMIT)
            body = queries.nearest(
                query, queries.floats(query.vector), size=LIMIT + SPARE_HITS, k=EF_SEARCH, ef=EF_SEARCH
            )
            wanted = queries.owned_by(account)
            ways: list[Callable[[Any, Any], None]] = [apart, along]
            for way in ways if turn % 2 else reversed(ways):
                ms = milliseconds(lambda way=way, body=body, wanted=wanted: way(body, wanted), 1, warm=0)
                taken.setdefault((account, way.__name__), []).extend(ms)
    figure("count_apart_ms", statistics.median(taken[small, "apart"]), "ms")
    figure("count_along_ms", statistics.median(taken[small, "along"]), "ms")
    costs = [a - b for a, b in zip(taken[large, "along"], taken[large, "apart"], strict=True)]
    figure("count_along_costs_ms", statistics.median(costs), "ms")
