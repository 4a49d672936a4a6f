"""What the scenarios come to, beside sums made by hand, and their table in the documents."""

from dataclasses import replace

import pytest

from infra import cost_scenarios
from infra.cost_scenarios import LARGE, PICTURES, SEARCHES, SMALL, STORES, embedding, of, searching, tables, total
from infra.costs import DAYS, FIGURES, Domain, domain_line, duplicates_scan, lines_without_store
from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "costs.md").read_text("utf-8")


def test_a_million_pictures_cost_once_what_their_requests_and_processors_cost():
    by_hand = sum(line.once for line in lines_without_store(PICTURES))

    assert by_hand > 1e6 * 11.45 * 0.625e-6  # the writes of the catalogue alone
    for store in (of(LARGE), of(replace(LARGE, instances=1))):
        line = total(PICTURES, store)
        assert line is not None
        assert line.once == pytest.approx(by_hand)  # a domain costs by the hour alone


def test_a_million_searches_are_a_million_in_the_month():
    assert pytest.approx(1_000_000) == SEARCHES.searches_per_day * DAYS


def test_a_store_that_cannot_hold_the_vectors_has_no_price():
    assert total(PICTURES, of(SMALL)) is None
    assert total(cost_scenarios.IDLE, of(SMALL)) is not None


def test_a_smaller_embedder_costs_only_for_the_worker_that_waits_longer():
    by_hand = 1e6 * 0.1 * (1 - 1 / 3) * 0.5 * 0.0000133334  # a third of the processors: 512 MB wait three times as long
    one, three = FIGURES["memory"]["processor"], 3 * FIGURES["memory"]["processor"]

    assert embedding(one, 0.1) - embedding(three, 0.1) == pytest.approx(by_hand)


def test_the_apis_memory_costs_for_as_long_as_a_search_takes():
    seconds = FIGURES["time"]["search_seconds"]

    a_gb = (
        seconds * 0.0000133334 + 0.01 * 0.0001397998
    )  # for a request in a hundred a snapshot of the memory is restored
    assert searching(2048) - searching(1024) == pytest.approx(1e6 * a_gb)


def test_the_first_column_is_the_cheapest_domain_when_idle():
    idle = [total(cost_scenarios.IDLE, store) for store in STORES.values()]
    domains = [line.month for line in idle[:3] if line is not None]

    assert domains == sorted(domains)
    assert domains[0] - domain_line(SMALL).month == pytest.approx(domains[2] - domain_line(Domain()).month)


def test_the_document_has_the_tables_of_memory_as_they_are_printed():
    """All tables are compared where the documents' blocks are run; the alarms, which cost too, are not these."""
    printed = "\n".join(tables())

    assert printed[printed.index("a million pictures: EmbedderMemory") :] in DOCUMENT


def test_a_scan_for_duplicates_costs_what_the_document_says_and_in_proportion():
    assert f"among 10,000 pictures costs {duplicates_scan(10_000):.3f} dollars" in DOCUMENT
    assert duplicates_scan(1_000_000) == pytest.approx(100 * duplicates_scan(10_000))
