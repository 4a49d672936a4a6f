"""What all tests share: where the samples are, and skips that CI does not allow."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones last: what is wrong inside shows before anything is deployed."""
    order = {"unit": 0, "contract": 1, "e2e": 2}
    items.sort(key=lambda item: next((rank for part, rank in order.items() if part in item.path.parts), 0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """Where a machine must be able to run everything, a skipped test has failed."""
    report = yield
    if report.skipped and os.environ.get("SIMILARIX_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and SIMILARIX_NO_SKIPS is set: {report.longrepr}"
    return report
