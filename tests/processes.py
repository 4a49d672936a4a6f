"""How several processes share the tests: https://pytest-xdist.readthedocs.io/en/stable/distribution.html.

The tests of a file stay in one process, because they share its fixtures. So do all tests on the deployed system: it is
deployed once, and the rights that its functions have used are judged where all uses were seen.
"""

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

DEPLOYED = "the deployed system"
# Beginnings of the ids of the tests that ask for the fixture `stack`. Another test may; its process deploys once more.
ON_THE_DEPLOYED_SYSTEM = (
    "tests/browser/",
    "tests/e2e/",
    "tests/contract/test_embedder.py::TestDeployedFunction",
    "tests/integration/infra/test_emulator_door.py::TestWhoIsLetIn::test_the_deployed_api",
    "tests/integration/infra/test_emulator_door.py::test_the_tools_of_aws",
)
# End-to-end tests that start a system of their own.
BESIDE_IT = (
    "tests/e2e/test_local_kills.py",
    "tests/e2e/test_one_system.py",
    "tests/e2e/test_opensearch.py",
    "tests/e2e/test_restoration.py",
)
MOST_PROCESSES = 6  # the tests on the deployed system take longer than a fifth of the others


def group(test: str) -> str:
    """The tests that go to one process, of which the test with this id is one."""
    if test.startswith(ON_THE_DEPLOYED_SYSTEM) and not test.startswith(BESIDE_IT):
        return DEPLOYED
    return test.partition("::")[0]


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: end-to-end tests wait half of their time."""
    return min((os.cpu_count() or 1) + 1, MOST_PROCESSES)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    # In the order of collection, which begins with the slowest: xdist would begin with the groups of the most tests.
    config.option.loadscopereorder = False
    return Groups(config, log)


class Groups(LoadScopeScheduling):
    """Gives each process one group of tests after the other."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
