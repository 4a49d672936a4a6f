"""Which tests stay in one process where several share them."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.emulator_grants import Grant, Use
from tests.conftest import ROOT
from tests.deployed_systems import DeployedSystem
from tests.processes import (
    ALSO_DEPLOYED,
    BESIDE_IT,
    DEPLOYED,
    NODE,
    ON_ANOTHER,
    ON_THE_DEPLOYED_SYSTEM,
    ON_THE_NODE,
    TABLES,
    Ends,
    group,
    unfinished_groups,
)

ON_ONE, ON_THE_OTHER = "tests/e2e/test_uploads.py::test_a", f"{ON_ANOTHER[0]}test_b.py::test_b"
ON_NONE = "tests/unit/test_c.py::test_c"


@pytest.mark.parametrize("begin", [*ON_THE_DEPLOYED_SYSTEM, *ON_ANOTHER, *BESIDE_IT, *ON_THE_NODE])
def test_a_listed_beginning_of_ids_is_that_of_tests(begin: str) -> None:
    path, *names = begin.split("::")
    assert (ROOT / path).exists()
    for name in names:
        assert f" {name}" in (ROOT / path).read_text()


def test_end_to_end_tests_share_the_deployed_system_unless_their_file_starts_its_own() -> None:
    own = {file.name for file in (ROOT / "tests" / "e2e").glob("test_*.py") if " Emulator(" in file.read_text()}
    listed = {begin.rpartition("/")[2] for begin in BESIDE_IT}
    assert own <= listed
    assert all(begin.startswith(ON_THE_DEPLOYED_SYSTEM) for begin in ON_ANOTHER)
    for file in (ROOT / "tests" / "e2e").glob("test_*.py"):
        id_of_a_test = f"tests/e2e/{file.name}::test"
        assert (group(id_of_a_test) in (DEPLOYED, ALSO_DEPLOYED)) == (file.name not in listed)


def test_contracts_share_the_opensearch_node_or_dynamodb_local() -> None:
    for file in (ROOT / "tests" / "contract").glob("test_*.py"):
        asks = re.search(
            "^from (infra.opensearch.node|tests.opensearch|tests.serverless) ", file.read_text(), re.MULTILINE
        )
        assert group(f"tests/contract/{file.name}::test") == (NODE if asks else TABLES), file.name


def test_the_tests_of_a_file_stay_together() -> None:
    names = ("test_a", "TestB::test_c[d::e]")
    assert {group(f"tests/unit/test_docs.py::{name}") for name in names} == {"tests/unit/test_docs.py"}


def test_a_group_on_a_deployed_system_has_ended_in_every_process_when_the_last_of_its_tests_has(tmp_path: Path) -> None:
    items = [SimpleNamespace(nodeid=nodeid) for nodeid in (ON_ONE, f"{ON_ONE}b", ON_THE_OTHER, ON_NONE)]
    assert (group(ON_ONE), group(ON_THE_OTHER)) == (DEPLOYED, ALSO_DEPLOYED)
    here, there = Ends(tmp_path), Ends(tmp_path)
    for ends in (here, there):
        ends.pytest_collection_finish(SimpleNamespace(items=items))
    here.pytest_runtest_logfinish(ON_ONE)
    there.pytest_runtest_logfinish(ON_NONE)
    assert unfinished_groups(items, tmp_path) == [ALSO_DEPLOYED, DEPLOYED]
    there.pytest_runtest_logfinish(ON_THE_OTHER)
    assert unfinished_groups(items, tmp_path) == [DEPLOYED]
    here.pytest_runtest_logfinish(f"{ON_ONE}b")
    assert unfinished_groups(items, tmp_path) == []


def test_the_rights_of_two_deployed_systems_are_told_by_the_names_of_the_template(tmp_path: Path) -> None:
    for number in (1, 2):
        system = DeployedSystem(tmp_path / str(number))
        system.folder.mkdir()
        role, table = f"similarix-APIHandlerRole-{number}", f"similarix-CatalogueTable-{number}"
        read = [role, "dynamodb:Query", f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/index/content"]
        names = {role: "APIHandlerRole", table: "CatalogueTable"}
        (system.folder / "roles.json").write_text(
            json.dumps({"names": names, "roles": {role: "APIHandler"}, "grants": [read]})
        )
        foreign = ["a-customers-role", "s3:GetObject", "arn:aws:s3:::pictures/*"]
        system.used_file.write_text("".join(json.dumps(line) + "\n" for line in ([True, *read], [False, *foreign])))
    (tmp_path / "never-deployed").mkdir()

    one, other = DeployedSystem.all(tmp_path)
    resource = "arn:aws:dynamodb:us-east-1:000000000000:table/CatalogueTable/index/content"
    grants = frozenset({Grant("APIHandler", "dynamodb:Query", resource)})
    assert one.granted() == other.granted() == grants
    assert one.use() == other.use() == Use(grants, frozenset())
