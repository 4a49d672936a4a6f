"""Which model and store a local system starts with, and what is offered where its folder has another."""

from dataclasses import replace
from pathlib import Path

import pytest

from embedder_container import DECODE_VERSION
from infra.embedder import ModelError
from infra.local_system import DEFAULT_FOLDER
from infra.migration import Setup, Step, choose_setup, discard_store, offer
from infra.run import ForeignFolderError, check_folder, remove_unfinished
from tests.embedder.tiny_clip import TINY_CLIP
from tests.unit.infra.test_local_system import SYSTEM as FIRST_SYSTEM

TINY = str(TINY_CLIP)
REINDEX, SYNC = Step.REINDEX, Step.SYNC
SYSTEM = replace(FIRST_SYSTEM, model_version=f"lite-1+d{DECODE_VERSION}")


def test_a_first_start_has_the_lite_model_and_the_sqlite_store():
    assert choose_setup(None, None, None) == Setup("lite", f"lite-1+d{DECODE_VERSION}", "sqlite")


def test_a_first_start_takes_what_was_asked_for_and_has_nothing_to_migrate():
    assert choose_setup(None, TINY, "opensearch") == Setup(TINY, f"tiny-clip-1+d{DECODE_VERSION}", "opensearch")


def test_a_folder_remembers_its_model_and_store():
    system = replace(SYSTEM, model=TINY, model_version=f"tiny-clip-1+d{DECODE_VERSION}", store="opensearch")

    assert choose_setup(system, None, None) == Setup(TINY, f"tiny-clip-1+d{DECODE_VERSION}", "opensearch")
    assert choose_setup(system, TINY, "opensearch").changed == ()


@pytest.mark.parametrize(
    ("model", "store", "steps"),
    [(TINY, None, (SYNC,)), (None, "opensearch", (REINDEX,)), (TINY, "opensearch", (REINDEX, SYNC))],
)
def test_another_model_needs_a_sync_and_another_store_a_reindex(model, store, steps):
    setup = choose_setup(SYSTEM, model, store)

    assert (setup.changed, setup.steps) == (steps, steps)


def test_vectors_of_another_version_of_the_same_model_need_a_sync():
    assert choose_setup(replace(SYSTEM, model_version="lite-1+d1"), None, None).changed == (SYNC,)


def test_a_migration_that_was_stopped_continues_without_being_asked_for():
    setup = choose_setup(replace(SYSTEM, migration=["sync"]), None, None)

    assert (setup.changed, setup.steps) == ((), (SYNC,))


def test_a_model_given_by_a_relative_folder_is_remembered_by_its_whole_path(monkeypatch):
    monkeypatch.chdir(TINY_CLIP.parent)

    assert choose_setup(None, "./tiny-clip", None).model == TINY


@pytest.mark.parametrize("model", ["no-such-model", "./no-such-folder"])
def test_a_model_that_does_not_exist_is_refused_before_anything_starts(model):
    with pytest.raises(ModelError, match="no-such"):
        choose_setup(SYSTEM, model, None)


def test_the_offer_names_three_commands_and_what_stays():
    lines = offer(SYSTEM, choose_setup(SYSTEM, TINY, None), DEFAULT_FOLDER).splitlines()

    assert f"lite-1+d{DECODE_VERSION}" in lines[0]
    assert f"tiny-clip-1+d{DECODE_VERSION}" in lines[0]
    assert [line.split("  make ")[1] for line in lines if "  make " in line] == [
        f"run MODEL={TINY} MIGRATE=yes",
        "run",
        f"run MODEL={TINY} FOLDER=.local-tiny-clip-1-sqlite PORT=4600",
    ]
    assert "A change keeps accounts, tokens, collections and uploads." in lines
    assert "embeds every picture anew" in lines[-1]


def test_the_offer_of_another_store_embeds_nothing_and_names_the_folder_unless_it_is_the_default():
    text = offer(SYSTEM, choose_setup(SYSTEM, None, "opensearch"), Path("data"))

    assert "make run STORE=opensearch FOLDER=data MIGRATE=yes" in text
    assert "nothing is embedded anew" in text


@pytest.mark.parametrize(("store", "left"), [("sqlite", {"opensearch"}), ("opensearch", {"vectors.sqlite"})])
def test_what_a_store_has_left_is_discarded_and_the_other_stays(tmp_path, store, left):
    (tmp_path / "vectors.sqlite").touch()
    (tmp_path / "opensearch" / "data").mkdir(parents=True)
    discard_store(tmp_path, store)

    assert {path.name for path in tmp_path.iterdir()} == left


def test_a_folder_with_files_of_ones_own_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "opensearch").mkdir()
    (tmp_path / "holiday.jpg").touch()

    with pytest.raises(ForeignFolderError, match="make index PICTURES="):
        check_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"holiday.jpg", "opensearch"}


def test_what_an_interrupted_first_run_has_left_is_removed(tmp_path):
    (tmp_path / "new").mkdir()
    for name in ("state", "s3", "tmp"):
        (tmp_path / "new" / name).mkdir()
    (tmp_path / "new" / "emulator.log").touch()
    remove_unfinished(tmp_path / "new")

    assert not list((tmp_path / "new").iterdir())
