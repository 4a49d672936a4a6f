"""What a search of several terms, with a cut, takes beside a plain one, over HTTP and in turns.

A file of a query is read from the catalogue, with its collection: so searches that name one are compared with a plain
search by one.

``python -m tests.bench.searches`` measures the local system that runs, whatever its store.
"""

import statistics
from collections.abc import Callable
from typing import Any

import requests

from infra.local_system import find_running
from tests.bench.figures import figure, milliseconds

ROUNDS, SEARCHES = 10, 20  # of each kind in a round: what else the machine does meets all kinds alike
FILTER = {"format": "jpeg", "width": {"gte": 100}}
UNWANTED = [{"text": "snow", "weight": -0.5}, {"text": "water", "weight": -0.5}]


def main() -> None:
    stack = find_running(None)
    measure_ratios(stack.api_url, stack.token)


def measure_ratios(api_url: str, token: str) -> None:
    session, url = requests.Session(), f"{api_url}/api/search/"
    session.headers["Authorization"] = f"Token {token}"
    liked = session.get(url, params={"query": "an owl"}, timeout=30).json()["result"]["files"][0]["uuid"]
    owl, file = {"text": "an owl"}, {"file": liked, "weight": 0.5}

    def search(query: list[dict[str, Any]], **options: Any) -> Callable[[], None]:
        return lambda: session.post(url, json={"query": query, "limit": 16, **options}, timeout=30).raise_for_status()

    searches = {
        "text": search([owl]),
        "text_cut": search([owl], cutoff="auto"),
        "texts": search([owl, *UNWANTED]),
        "texts_cut": search([owl, *UNWANTED], cutoff="auto", include=["expected_by_chance"]),
        "texts_filtered_cut": search([owl, *UNWANTED], filter=FILTER, cutoff="auto", include=["expected_by_chance"]),
        "file": search([file]),
        "file_and_texts": search([owl, file, *UNWANTED]),
        "file_and_texts_cut": search([owl, file, *UNWANTED], cutoff="auto", include=["expected_by_chance"]),
    }
    durations: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(ROUNDS):
        for name, act in searches.items():
            durations[name] += milliseconds(act, SEARCHES, warm=2)
    medians = {name: statistics.median(values) for name, values in durations.items()}
    for plain in ("text", "file"):
        figure(f"by_{plain}_p50_ms", medians[plain], "ms")
        for name, median in medians.items():
            if name.startswith(plain) and name != plain:
                figure(f"{name}_to_{plain}", median / medians[plain], "x")


if __name__ == "__main__":
    main()
