"""Tables are restored to one moment, all or none of them."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.cloudformation import CloudFormationStack, DeploymentError
from infra.restore import Restoration, main, storage
from infra.stack.adoption import adoptable
from infra.template import read_template
from tests.fakes.aws_account import FakeAccount, FakeStorage

TO = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
WINDOW = (TO - timedelta(days=35), TO + timedelta(minutes=5))
TABLES = {"AccountsTable": "similarix-accounts", "CatalogueTable": "similarix-catalogue"}


@pytest.fixture
def account() -> FakeAccount:
    account = FakeAccount()
    for name, table in TABLES.items():
        account.storage.add_table(table, read_template()["Resources"][name]["Properties"])
        account.storage.recoverable[table] = WINDOW
    return account


@pytest.fixture
def kept(account) -> FakeStorage:
    return account.storage


@pytest.fixture
def restoration(account) -> Restoration:
    return Restoration(account.client("dynamodb"), TO, lambda _: None, pause_seconds=0)


def test_each_table_is_restored_to_the_moment_as_a_new_one(restoration, kept):
    restored = restoration.restore(TABLES, "similarix")

    assert restored == {
        "AccountsTable": "similarix-AccountsTable-20261126T093000Z",
        "CatalogueTable": "similarix-CatalogueTable-20261126T093000Z",
    }
    assert {each["SourceTableName"]: each["TargetTableName"] for each in kept.restored} == {
        TABLES[name]: restored[name] for name in TABLES
    }
    assert {each["RestoreDateTime"] for each in kept.restored} == {TO}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda kept: kept.tables.pop(TABLES["CatalogueTable"]), "no table similarix-catalogue"),
        (lambda kept: kept.recoverable.pop(TABLES["CatalogueTable"]), "has no continuous backups"),
        (
            lambda kept: kept.recoverable.update({TABLES["CatalogueTable"]: (TO + timedelta(days=1), WINDOW[1])}),
            "can be restored to a moment between",
        ),
        (
            lambda kept: kept.recoverable.update({TABLES["CatalogueTable"]: (WINDOW[0], TO - timedelta(seconds=1))}),
            "can be restored to a moment between",
        ),
        (
            lambda kept: kept.tables.update({"similarix-CatalogueTable-20261126T093000Z": {"TableStatus": "ACTIVE"}}),
            "exists already",
        ),
    ],
)
def test_nothing_is_restored_where_one_table_cannot_be(restoration, kept, spoil, sentence):
    spoil(kept)

    with pytest.raises(DeploymentError, match=sentence):
        restoration.restore(TABLES, "similarix")
    assert kept.restored == []


def test_the_tables_and_buckets_of_a_stack_are_those_that_outlive_it(account):
    kinds = adoptable(read_template())
    account.cloudformation.status = "UPDATE_COMPLETE"
    account.cloudformation.resources = {name: f"similarix-{name}" for name in (*kinds, "SyncsTable", "SyncQueue")}
    stack = CloudFormationStack(account.client("cloudformation"), "similarix")

    assert storage(stack) == {name: f"similarix-{name}" for name in kinds}


def test_without_a_stack_its_tables_are_to_be_named(account):
    with pytest.raises(DeploymentError, match=r"no stack similarix.*--storage"):
        storage(CloudFormationStack(account.client("cloudformation"), "similarix"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--to", "yesterday"], "--to"),
        (["--to", "2026-11-26T09:30:00"], "--to"),
        (["--to", "2026-11-26T09:30:00Z", "--storage", "SyncQueue=x"], "NAME is one of UserPool, AccountsTable"),
        (["--to", "2026-11-26T09:30:00Z", "--storage", "AccountsTable"], "NAME=TABLE_OR_BUCKET"),
    ],
)
def test_a_malformed_option_is_refused_before_aws_is_called(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        main(["--stack", "similarix", "--region", "eu-central-1", *arguments])
    assert sentence in capsys.readouterr().err
