"""Which of this machine's systems is meant, and how it is searched."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infra import demo, variables
from infra.local_system import DEFAULT_FOLDER, LocalSystem, LocalSystemNotFound, export_line, find_running

SYSTEM = LocalSystem(
    api_url="http://127.0.0.1:4566/live",
    token="default",
    aws_endpoint="http://127.0.0.1:4566",
    region="us-east-1",
    sample_bucket="samples",
    collection="c1",
    managed_collection="c2",
    outputs={"EventsQueueArn": "arn"},
)
LARGE = replace(SYSTEM, token="large")


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A folder in which two systems have been set up."""
    for name, system in ((".local", SYSTEM), (".local-large", LARGE)):
        (tmp_path / name).mkdir()
        system.write(tmp_path / name)
    return tmp_path


def test_a_system_reads_as_it_was_written(tmp_path):
    SYSTEM.write(tmp_path)

    assert LocalSystem.read(tmp_path) == SYSTEM


def test_a_folder_without_a_complete_system_has_none(tmp_path):
    assert LocalSystem.read(tmp_path) is None


@pytest.mark.parametrize(("has_node", "store"), [(False, "sqlite"), (True, "opensearch")])
def test_a_system_whose_file_names_no_model_and_store_has_the_first_model_and_the_store_of_its_folder(
    tmp_path, has_node, store
):
    SYSTEM.write(tmp_path)
    fields = json.loads((tmp_path / "stack.json").read_text())
    for name in ("model", "model_version", "store", "migration"):
        del fields[name]
    (tmp_path / "stack.json").write_text(json.dumps(fields))
    if has_node:
        (tmp_path / "opensearch").mkdir()

    assert LocalSystem.read(tmp_path) == replace(SYSTEM, store=store)


def test_the_variables_of_the_documents_are_one_line_to_copy():
    line = export_line(replace(SYSTEM, token="a b"))

    assert line == "export URL=http://127.0.0.1:4566/live TOKEN='a b' COLLECTION=c1 MANAGED=c2"


def test_the_command_that_sets_them_names_the_folder_unless_it_is_the_default_and_shows_no_token():
    assert variables.command(DEFAULT_FOLDER) == 'eval "$(make -s variables)"'
    assert variables.command(Path("my folder")) == "eval \"$(make -s variables FOLDER='my folder')\""


def test_the_variables_of_a_system_that_does_not_run_fail_with_a_sentence(tmp_path, capsys):
    assert variables.main(["--folder", str(tmp_path)]) == 1
    assert capsys.readouterr() == ("", f"No local system has been set up in {tmp_path}. Start one: make run\n")


def test_the_system_of_a_folder_is_its_owners_alone(tmp_path):
    (tmp_path / "stack.json").touch(0o644)
    SYSTEM.write(tmp_path)

    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600


def test_the_secret_of_the_root_is_not_shown_by_accident():
    assert "hidden" not in repr(replace(SYSTEM, aws_secret_access_key="hidden"))


@pytest.mark.parametrize("system", [SYSTEM, LARGE], ids=lambda system: system.token)
def test_the_system_that_runs_is_found_whatever_its_folder(parent, system):
    assert find_running(parent=parent, is_running=lambda candidate: candidate == system) == system


def test_a_named_folder_decides_between_systems_that_run(parent):
    assert find_running(parent / ".local-large", is_running=lambda _: True) == LARGE


def test_several_running_systems_are_named_for_a_choice(parent):
    with pytest.raises(LocalSystemNotFound, match=r"FOLDER=.*/\.local or FOLDER=.*/\.local-large"):
        find_running(parent=parent, is_running=lambda _: True)


@pytest.mark.parametrize("folder", [None, ".local-large"])
def test_a_system_that_does_not_run_is_reported_with_its_folder(parent, folder):
    with pytest.raises(LocalSystemNotFound, match=r"\.local-large is not running"):
        find_running(parent / folder if folder else None, parent=parent, is_running=lambda _: False)


@pytest.mark.parametrize("folder", [None, Path(".local-absent")])
def test_a_system_that_was_never_set_up_is_reported(tmp_path, folder):
    with pytest.raises(LocalSystemNotFound, match=r"No local system has been set up in .*make run"):
        find_running(folder and tmp_path / folder, parent=tmp_path)


def test_the_demo_command_names_the_folder_unless_it_is_the_default():
    assert demo.command("a hammer", DEFAULT_FOLDER) == 'make demo QUERY="a hammer"'
    assert demo.command("a hammer", Path(".local-large")) == 'make demo QUERY="a hammer" FOLDER=.local-large'


def test_results_are_listed_nearest_first_with_their_distance():
    files = [{"distance": 0.25, "file_name": "owl.jpg"}, {"distance": 0.5, "file_name": "hen.jpg"}]

    assert demo.result_lines("an owl", files) == ["Nearest to 'an owl':", "  0.250  owl.jpg", "  0.500  hen.jpg"]


def test_a_search_without_results_is_one_line():
    assert demo.result_lines("an owl", []) == ["No picture matches 'an owl'."]


def test_the_demo_of_a_system_that_was_never_set_up_fails_with_a_sentence(tmp_path, capsys):
    assert demo.main(["--folder", str(tmp_path), "an", "owl"]) == 1
    assert "No local system has been set up" in capsys.readouterr().err
