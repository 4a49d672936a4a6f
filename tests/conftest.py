"""What all tests share: where the samples are, the emulator and what runs on it, and skips that CI does not allow."""

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
E2E = ROOT / "tests" / "e2e"

# How long an example takes says more about the machine than about the code.
settings.register_profile("similarix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("similarix")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The slow ones last: what is wrong inside shows before anything is deployed.

    Where several processes share the tests, the slow ones come first, so that the processes end at about one time.
    What is checked of all that the others did comes after them, if all of them run.
    """
    order = {"unit": 0, "integration": 1, "model": 1, "contract": 1, "browser": 2, "e2e": 2}
    items.sort(
        key=lambda item: next((rank for part, rank in order.items() if part in item.path.parts), 0),
        reverse=hasattr(config, "workerinput"),
    )
    last = [item for item in items if item.get_closest_marker("after_all")]
    items[:] = [item for item in items if item not in last]
    if _has_all_of(E2E, config, items):
        items += last
    else:
        config.hook.pytest_deselected(items=last)


def _has_all_of(folder: Path, config: pytest.Config, items: list[pytest.Item]) -> bool:
    options = config.option
    is_choice = options.keyword or options.markexpr or options.deselect or any("::" in name for name in config.args)
    unchecked = {file for file in folder.glob("test_*.py") if "after_all" not in file.read_text()}
    return not is_choice and unchecked <= {item.path for item in items}


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
