"""Which tests stay in one process where several share them."""

import re

import pytest

from tests.conftest import ROOT
from tests.processes import BESIDE_IT, DEPLOYED, NODE, ON_THE_DEPLOYED_SYSTEM, ON_THE_NODE, group


@pytest.mark.parametrize("begin", [*ON_THE_DEPLOYED_SYSTEM, *BESIDE_IT, *ON_THE_NODE])
def test_a_listed_beginning_of_ids_is_that_of_tests(begin: str) -> None:
    path, *names = begin.split("::")
    assert (ROOT / path).exists()
    for name in names:
        assert f" {name}" in (ROOT / path).read_text()


def test_end_to_end_tests_share_the_deployed_system_unless_their_file_starts_its_own() -> None:
    own = {file.name for file in (ROOT / "tests" / "e2e").glob("test_*.py") if " Emulator(" in file.read_text()}
    listed = {begin.rpartition("/")[2] for begin in BESIDE_IT}
    assert own <= listed
    for file in (ROOT / "tests" / "e2e").glob("test_*.py"):
        id_of_a_test = f"tests/e2e/{file.name}::test"
        assert (group(id_of_a_test) == DEPLOYED) == (file.name not in listed)


def test_tests_share_the_opensearch_node() -> None:
    for file in (ROOT / "tests" / "contract").glob("test_*.py"):
        asks = re.search(
            "^from (infra.opensearch.node|tests.opensearch|tests.serverless) ", file.read_text(), re.MULTILINE
        )
        assert (group(f"tests/contract/{file.name}::test") == NODE) == bool(asks), file.name


def test_the_tests_of_a_file_stay_together() -> None:
    names = ("test_a", "TestB::test_c[d::e]")
    assert {group(f"tests/unit/test_docs.py::{name}") for name in names} == {"tests/unit/test_docs.py"}
