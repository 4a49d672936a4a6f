"""How several processes share the tests: https://pytest-xdist.readthedocs.io/en/stable/distribution.html.

The tests of a file stay in one process, because they share its fixtures. So do all tests on the deployed system: it is
deployed once, and the rights that its functions have used are judged where all uses were seen. So do all tests on the
OpenSearch node: it starts once, and becomes faster as it runs.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

DEPLOYED = "the deployed system"
NODE = "the OpenSearch node"
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
# Files whose tests ask for the fixture `node`. Another file may; its process starts a node once more.
ON_THE_NODE = tuple(
    f"tests/contract/test_{name}.py"
    for name in (
        "file_queries",
        "filters",
        "layout_rise",
        "opensearch_faults",
        "opensearch_tenants",
        "pattern_limits",
        "quantised_vectors",
        "rebuild",
        "serverless",
        "vector_store",
    )
)
END_TO_END = Path(__file__).parent / "e2e"
MOST_PROCESSES = 6  # the tests on the deployed system take longer than a fifth of the others


def group(test: str) -> str:
    """The tests that go to one process, of which the test with this id is one."""
    if test.startswith(ON_THE_DEPLOYED_SYSTEM) and not test.startswith(BESIDE_IT):
        return DEPLOYED
    if test.startswith(ON_THE_NODE):
        return NODE
    return test.partition("::")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The slow ones last: what is wrong inside shows before anything is deployed.

    Where several processes share the tests, the slow ones come first, so that the processes end at about one time.
    What is checked of all that the others did comes after them, if all of them run.
    """
    order = {"unit": 0, "integration": 1, "model": 1, "contract": 1, "browser": 2, "e2e": 2}

    def rank(item: pytest.Item) -> int:
        by_folder = next((rank for part, rank in order.items() if part in item.path.parts), 0)
        return max(by_folder, 2 if group(item.nodeid) in (DEPLOYED, NODE) else 0)

    items.sort(key=rank, reverse=hasattr(config, "workerinput"))
    last = [item for item in items if item.get_closest_marker("after_all")]
    items[:] = [item for item in items if item not in last]
    if _has_all_of(END_TO_END, config, items):
        items += last
    else:
        config.hook.pytest_deselected(items=last)


def _has_all_of(folder: Path, config: pytest.Config, items: list[pytest.Item]) -> bool:
    options = config.option
    is_choice = options.keyword or options.markexpr or options.deselect or any("::" in name for name in config.args)
    unchecked = {file for file in folder.glob("test_*.py") if "after_all" not in file.read_text()}
    return not is_choice and unchecked <= {item.path for item in items}


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
