"""What all tests share: where the samples are, the emulator and what runs on it, and skips that CI does not allow."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port

pytest_plugins = ["tests.embedder.fixtures", "tests.opensearch", "tests.processes", "tests.serverless"]

GRANTS_FILE = "grants.jsonl"  # of the emulator's folder: the rights that roles have used
ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"

# How long an example takes says more about the machine than about the code.
settings.register_profile("similarix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("similarix")


def pytest_collection_finish() -> None:
    """Garbage collection leaves out the ten thousand collected tests, which live until the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """Where a machine must be able to run everything, a skipped test has failed."""
    report = yield
    if report.skipped and os.environ.get("SIMILARIX_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and SIMILARIX_NO_SKIPS is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """AWS on this machine, once for the contract's and the end-to-end tests."""
    folder = tmp_path_factory.mktemp("stack")
    with Emulator(folder, free_port(), grants=folder / GRANTS_FILE) as running:
        yield running


@pytest.fixture(scope="session")
def stack(emulator: Emulator) -> LocalSystem:
    """The deployed template with its samples."""
    return bring_up(emulator, print)


@pytest.fixture(scope="session")
def aws(emulator: Emulator) -> Callable[..., Any]:
    """Clients of AWS services as the account's administrator: ``aws("s3")``."""
    session = emulator.session()
    return lambda service, **options: session.client(service, endpoint_url=emulator.endpoint, **options)
