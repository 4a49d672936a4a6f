"""How several processes share the tests: https://pytest-xdist.readthedocs.io/en/stable/distribution.html.

The tests of a file stay in one process, because they share its fixtures. So does each half of the tests on a deployed
system: each process deploys one, and the rights that functions have used are judged when both halves have ended. So do
all tests on the OpenSearch node, and all other contracts, for DynamoDB Local: each starts once, and becomes faster as
it runs.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

DEPLOYED, ALSO_DEPLOYED = "the deployed system", "another deployed system"
NODE, TABLES = "the OpenSearch node", "DynamoDB Local"
CONTRACTS = "tests/contract/"
# Beginnings of the ids of the tests that ask for the fixture `stack`. Another test may; its process deploys once more.
ON_THE_DEPLOYED_SYSTEM = (
    "tests/browser/",
    "tests/e2e/",
    "tests/contract/test_embedder.py::TestDeployedFunction",
    "tests/integration/infra/test_emulator_door.py::TestWhoIsLetIn::test_the_deployed_api",
    "tests/integration/infra/test_emulator_door.py::test_the_tools_of_aws",
)
# Half of them, by the time that they take.
ON_ANOTHER = (
    "tests/browser/",
    "tests/e2e/test_documents.py",
    "tests/e2e/test_files.py",
    "tests/e2e/test_isolation.py",
)
# End-to-end tests that start a system of their own, or judge all of them.
BESIDE_IT = (
    "tests/e2e/test_local_kills.py",
    "tests/e2e/test_one_system.py",
    "tests/e2e/test_opensearch.py",
    "tests/e2e/test_permissions.py",
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
TESTS = Path(__file__).parent
MOST_PROCESSES = 6  # the tests on a deployed system take longer than a fifth of the others
RUN_FOLDER = pytest.StashKey[Path]()


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """A folder that all processes of this run share, until the run ends."""
    return pytestconfig.stash[RUN_FOLDER]


def pytest_configure(config: pytest.Config) -> None:
    shared = getattr(config, "workerinput", {}).get("run_folder")
    config.stash[RUN_FOLDER] = Path(shared or mkdtemp(prefix="similarix-tests-"))
    config.pluginmanager.register(Ends(config.stash[RUN_FOLDER]))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["run_folder"] = str(node.config.stash[RUN_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(config.stash[RUN_FOLDER], ignore_errors=True)


def pytest_collection(session: pytest.Session) -> None:
    """Have each process import the modules of all tests from another one on.

    pytest compiles such a module when it is first imported, and keeps what it has compiled: so the processes of a first
    run compile a part for each other, and not each of them all, which takes ten seconds.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker and session.config.args == session.config.getini("testpaths"):
        files = sorted(TESTS.rglob("test_*.py"))
        first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        for file in (*files[first:], *files[:first]):
            with suppress(Exception):  # which the collection reports
                import_module(".".join(file.relative_to(TESTS.parent).with_suffix("").parts))


class Ends:
    """Says in the run's folder which groups of tests on a deployed system have ended, in whichever process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._left = Counter(group(item.nodeid) for item in session.items)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        of = group(nodeid)
        self._left[of] -= 1
        if self._left[of] == 0 and of in (DEPLOYED, ALSO_DEPLOYED):
            _end_file(self._folder, of).touch()


def unfinished_groups(items: Iterable[pytest.Item], folder: Path) -> list[str]:
    """The groups of these tests on a deployed system that have not ended."""
    groups = {group(item.nodeid) for item in items} & {DEPLOYED, ALSO_DEPLOYED}
    return sorted(of for of in groups if not _end_file(folder, of).exists())


def _end_file(folder: Path, group: str) -> Path:
    return folder / f"{group} has ended"


def group(test: str) -> str:
    """The tests that go to one process, of which the test with this id is one."""
    if test.startswith(ON_THE_DEPLOYED_SYSTEM) and not test.startswith(BESIDE_IT):
        return ALSO_DEPLOYED if test.startswith(ON_ANOTHER) else DEPLOYED
    if test.startswith(ON_THE_NODE):
        return NODE
    if test.startswith(CONTRACTS):
        return TABLES
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
        return max(by_folder, 2 if group(item.nodeid) in (DEPLOYED, ALSO_DEPLOYED, NODE) else 0)

    items.sort(key=rank, reverse=hasattr(config, "workerinput"))
    last = [item for item in items if item.get_closest_marker("after_all")]
    items[:] = [item for item in items if item not in last]
    if _has_all_of(TESTS / "e2e", config, items):
        items += last
    else:
        config.hook.pytest_deselected(items=last)


def _has_all_of(folder: Path, config: pytest.Config, items: list[pytest.Item]) -> bool:
    options = config.option
    is_choice = options.keyword or options.markexpr or options.deselect or any("::" in name for name in config.args)
    unchecked = {file for file in folder.glob("test_*.py") if "after_all" not in file.read_text()}
    return not is_choice and unchecked <= {item.path for item in items}


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are processors: end-to-end tests wait half of their time."""
    return min((os.cpu_count() or 1) + 2, MOST_PROCESSES)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    # In the order of collection, which begins with the slowest: xdist would begin with the groups of the most tests.
    config.option.loadscopereorder = False
    return Groups(config, log)


class Groups(LoadScopeScheduling):
    """Gives each process one group of tests after the other."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
