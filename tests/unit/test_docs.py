"""The documents name every setting, error code, state, command and Make target, and none that does not exist."""

import argparse
import re
from enum import StrEnum
from pathlib import Path

import pytest

from chalicelib.api.openapi.searches import SEARCH_BY_TEXT
from chalicelib.api.requests.queries import LIMIT_DEFAULT, LIMIT_MAX
from chalicelib.config import Config, VectorStoreKind
from chalicelib.domain.collections import SyncStatus
from chalicelib.domain.errors import SimilarixError
from chalicelib.domain.files import FileState
from chalicelib.domain.plans import PLANS
from chalicelib.domain.uploads import UploadState
from embedder_container.errors import TRANSIENT, Code
from embedder_container.models import registry
from infra.admin.__main__ import COMMANDS
from infra.template import read_template
from tests.unit.test_config import ENVIRONMENT, Recording

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEXT = {path: path.read_text("utf-8") for path in DOCS}
ALL = "\n".join(TEXT.values())
LOCAL_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)?(#[^)\s]+)?\)")
CODE = {
    path: path.read_text("utf-8")
    for folder in ("chalicelib", "embedder_container", "infra", "tests", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
CODE_PATH = re.compile(r"`((?:chalicelib|embedder_container|infra|tests|tools|docs|samples)/[\w./-]+)`")


def document(name: str) -> str:
    return TEXT[ROOT / "docs" / name]


def error_codes() -> set[str]:
    def below(kind: type[SimilarixError]) -> set[type[SimilarixError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    return {kind.code for kind in below(SimilarixError)} | {"too_many_requests"}  # API Gateway's own


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):.*##", (ROOT / "Makefile").read_text(), re.M))


def admin_commands() -> set[str]:
    subparsers = argparse.ArgumentParser().add_subparsers()
    for command in COMMANDS:
        command.add(subparsers)
    return set(subparsers.choices)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(path: Path):
    for target, anchor in LOCAL_LINK.findall(TEXT[path]):
        linked = (path.parent / target).resolve() if target else path
        assert linked.exists(), f"{path.name} links to {target}, which does not exist"
        if anchor and linked.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.M)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in anchors, f"{path.name} links to {target}{anchor}, which has no such heading"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_document_names_exist(path: Path):
    named = set(CODE_PATH.findall(TEXT[path]))
    missing = {name for name in named if not (ROOT / name.rstrip("/")).exists() and "NAME" not in name}
    assert not missing


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_fits_in_100_columns(path: Path):
    in_code, long = False, []
    for number, line in enumerate(TEXT[path].splitlines(), start=1):
        in_code ^= line.strip().startswith("```")
        if len(line) > 100 and not in_code and not line.startswith(("|", "#")) and "](http" not in line:
            long.append(number)
    assert not long


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_fences_of_code_stand_alone_and_in_pairs(path: Path):
    """A tool that wraps paragraphs can join them to the text before them."""
    fences = [line for line in TEXT[path].splitlines() if "```" in line]
    assert all(re.fullmatch(r" *```[a-z]*", fence) for fence in fences)
    assert len(fences) % 2 == 0


def test_every_error_code_of_the_api_is_documented():
    documented = set(re.findall(r"`([a-z_]+)`", document("api.md")))
    assert error_codes() <= documented


def test_the_table_of_errors_has_no_code_that_is_gone():
    table = document("api.md").partition("| status | codes | meaning |")[2].partition("\n\n")[0]
    codes = {code for row in table.splitlines()[2:] for code in re.findall(r"`([a-z_]+)`", row.split("|")[2])}
    assert codes == error_codes()


@pytest.mark.parametrize("states", [FileState, SyncStatus, UploadState], ids=lambda states: states.__name__)
def test_every_state_is_in_the_glossary(states: type[StrEnum]):
    documented = set(re.findall(r"`([a-z_]+)`", document("architecture.md")))
    assert {state.value for state in states} <= documented


def test_every_reason_that_the_embedder_gives_is_in_the_glossary():
    documented = set(re.findall(r"`([a-z_]+)`", document("architecture.md")))
    permanent = {code.value for code in Code if code not in TRANSIENT} - {"source_not_found"}
    assert permanent <= documented


def test_every_parameter_of_a_search_is_documented_and_the_limit_as_it_is():
    text = document("api.md") + document("search.md") + document("filters.md")
    bounds = {f".{bound}" for bound in ("gte", "gt", "lte", "lt", "exists") if f"`{bound}`" in text}
    names = {parameter["name"] for parameter in SEARCH_BY_TEXT.parameters} - {"query"}
    names = {name for name in names if not name.endswith(tuple(bounds))}
    assert names <= set(re.findall(r"`([a-z_]+(?:\.NAME)?)`", text))
    assert f"`limit` (1 to {LIMIT_MAX}, {LIMIT_DEFAULT} unless given)" in text


def test_every_plan_is_documented():
    assert set(PLANS) <= set(re.findall(r"`([a-z]+)`", document("api.md")))


def test_the_table_of_models_is_the_registry():
    table = document("embedder.md").partition("| name | dimension |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([\w.-]+)` \| (\d+) \| .* \| (?:yes|\*\*no\*\*) \|$", table, re.M)
    assert dict(rows) == {name: str(model["dimension"]) for name, model in registry().items()}


def test_the_table_of_parameters_is_the_templates():
    table = document("configuration.md").partition("| parameter |")[2].partition("\n\n")[0]
    documented = {
        name: (default, {word.strip() for word in allowed.split(",")})
        for name, default, allowed in re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\| ([^|]*?) ?\|", table, re.M)
    }
    parameters = read_template()["Parameters"]
    assert set(documented) == set(parameters)
    for name, parameter in parameters.items():
        default, allowed = documented[name]
        assert default == str(parameter["Default"]), name
        if "AllowedValues" in parameter:
            assert allowed == {str(value) for value in parameter["AllowedValues"]}, name
        if "MaxValue" in parameter:
            assert allowed == {f"{parameter['MinValue']}–{parameter['MaxValue']}"}, name


def test_every_variable_of_the_functions_is_documented():
    documented = set(re.findall(r"`([A-Z_]+)`", document("configuration.md")))
    for store in VectorStoreKind:
        environment = Recording(ENVIRONMENT | {"VECTOR_STORE": store, "OPENSEARCH_ENDPOINT": "https://search"})
        Config.read(environment)
        assert environment.read <= documented


def test_every_administration_command_is_documented_and_no_other():
    table = document("administration.md").partition("| command |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z][a-z-]+)", row.split("|")[1])}
    assert named == admin_commands()


def test_the_runbook_has_a_heading_for_every_alarm_of_the_template_and_for_no_other():
    alarms = {n for n, r in read_template()["Resources"].items() if r.get("Type") == "AWS::CloudWatch::Alarm"}
    headings = re.findall(r"^### `?(\w+Alarm)`?$", document("operations.md"), re.M)
    assert sorted(headings) == sorted(alarms)


def test_every_make_target_is_documented():
    named = set(re.findall(r"make\s+([a-z-]+)", ALL))
    assert make_targets() - {"help"} <= named


def test_no_document_names_a_make_target_that_is_gone():
    for path, text in TEXT.items():
        commands = re.findall(r"`make ([a-z-]+)|^\s*make ([a-z-]+)|^\$ make ([a-z-]+)", text, re.M)
        named = {name for groups in commands for name in groups if name}
        assert named <= make_targets(), f"{path.name} names {named - make_targets()}"


def test_no_comment_names_a_make_target_that_is_gone():
    named = {(path.name, name) for path, text in CODE.items() for name in re.findall(r"`make ([a-z-]+)", text)}
    assert {(file, name) for file, name in named if name not in make_targets()} == set()


def test_every_decision_is_in_the_index():
    index = document("decisions/README.md")
    for path in (ROOT / "docs" / "decisions").glob("0*.md"):
        title = path.read_text("utf-8").splitlines()[0].partition(". ")[2]
        assert f"[{title}]({path.name})" in index


def test_the_decisions_are_in_order():
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", document("decisions/README.md"), re.M)]
    assert numbers == sorted(set(numbers))
