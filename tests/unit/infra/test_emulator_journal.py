"""The emulator's journal: what is committed is there for the next process, and nothing else is."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.emulator_journal import Journal, Message

ITEM = {"uuid": {"S": "1"}, "vector": {"B": "AAAA"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(file: Path) -> Iterator[Journal]:
    journal = Journal(file)
    yield journal
    journal.close()


def message(identifier: str) -> Message:
    return {"id": identifier, "body": "{}", "receive_count": 0}


def test_committed_items_are_there_for_the_next_process(journal, file):
    journal.put_item("table", "p", "s", ITEM)
    journal.put_item("table", "p", "other", ITEM)
    journal.put_item("another table", "p", "s", {"uuid": {"S": "2"}})
    journal.remove_item("table", "p", "other")
    journal.commit()

    assert Journal(file).items("table") == {"p": {"s": ITEM}}


def test_what_was_noted_and_not_committed_is_lost(journal, file):
    journal.put_item("table", "p", "s", ITEM)

    assert Journal(file).items("table") == {}


def test_a_replaced_table_holds_the_new_items_alone(journal):
    journal.put_item("table", "old", "s", ITEM)
    journal.replace_items("table", {"new": {"s": ITEM}})
    journal.commit()

    assert journal.items("table") == {"new": {"s": ITEM}}


def test_tables_and_queues_that_do_not_exist_any_more_are_forgotten(journal):
    journal.put_item("deleted", "p", "s", ITEM)
    journal.put_item("kept", "p", "s", ITEM)
    journal.compare_queue("deleted", [message("1")])
    journal.compare_queue("kept", [message("1")])
    journal.commit()
    journal.forget_tables_but(["kept"])
    journal.forget_queues_but(["kept"])
    journal.commit()

    assert [len(journal.items(table)) for table in ("deleted", "kept")] == [0, 1]
    assert [len(journal.messages(queue)) for queue in ("deleted", "kept")] == [0, 1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "1"),
        ("12", "123"),
        ("123", "13"),  # one in the middle was deleted
        ("123", "124"),  # one was deleted and one sent: as many as before
        ("12", "34"),
        ("12", ""),
    ],
)
def test_a_queues_messages_are_kept_in_the_order_in_which_they_were_sent(journal, file, before, after):
    for identifiers in (before, after):
        journal.compare_queue("queue", [message(identifier) for identifier in identifiers])
        journal.commit()

    assert [each["id"] for each in Journal(file).messages("queue")] == list(after)


def test_messages_that_were_read_from_the_journal_can_be_deleted(journal, file):
    journal.compare_queue("queue", [message("1"), message("2")])
    journal.commit()
    next_journal = Journal(file)
    messages = next_journal.messages("queue")
    next_journal.compare_queue("queue", messages[1:])
    next_journal.commit()

    assert [each["id"] for each in journal.messages("queue")] == ["2"]


def test_settings_are_kept_by_service_and_replaced_together(journal, file):
    journal.save_settings({"iam": "{}", "s3": "{}"})
    journal.save_settings({"iam": '{"roles": 1}'})

    assert [Journal(file).settings(service) for service in ("iam", "s3", "sqs")] == ['{"roles": 1}', "{}", None]


def test_a_commit_that_failed_is_made_up_for_by_the_next(journal):
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")  # as a full disk
    journal.put_item("table", "p", "s", {"text": {"S": "x" * 100_000}})
    with pytest.raises(sqlite3.OperationalError, match="full"):
        journal.commit()
    journal._connection.execute(f"PRAGMA max_page_count = {pages + 100}")
    journal.put_item("table", "p", "another", ITEM)
    journal.commit()

    assert set(journal.items("table")["p"]) == {"s", "another"}


def test_a_synced_journal_is_one_complete_file(journal, file, tmp_path):
    journal.put_item("table", "p", "s", ITEM)
    journal.commit()
    journal.sync()
    copied = tmp_path / "copy.sqlite"
    copied.write_bytes(file.read_bytes())

    assert Journal(copied).items("table") == {"p": {"s": ITEM}}
