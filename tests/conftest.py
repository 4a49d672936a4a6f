"""What all tests share: where the samples are, the emulator and what runs on it, and skips that CI does not allow."""

import gc
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from tests.deployed_systems import DeployedSystem

pytest_plugins = ["tests.embedder.fixtures", "tests.opensearch", "tests.processes", "tests.serverless"]

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"

# How long an example takes says more about the machine than about the code.
settings.register_profile("similarix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("similarix")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives until the end: to look for garbage among it takes a sixth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


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
def deployed_system(run_folder: Path) -> DeployedSystem:
    """Where this process says what the roles of its deployed system have done."""
    return DeployedSystem(Path(mkdtemp(dir=run_folder)))


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory, deployed_system: DeployedSystem) -> Iterator[Emulator]:
    """AWS on this machine, once for the contract's and the end-to-end tests."""
    with Emulator(tmp_path_factory.mktemp("stack"), free_port(), grants=deployed_system.used_file) as running:
        yield running


@pytest.fixture(scope="session")
def stack(emulator: Emulator, aws: Callable[..., Any], deployed_system: DeployedSystem) -> LocalSystem:
    """The deployed template with its samples."""
    system = bring_up(emulator, print)
    deployed_system.record(aws)
    return system


@pytest.fixture(scope="session")
def aws(emulator: Emulator) -> Callable[..., Any]:
    """Clients of AWS services as the account's administrator: ``aws("s3")``."""
    session = emulator.session()
    return lambda service, **options: session.client(service, endpoint_url=emulator.endpoint, **options)
