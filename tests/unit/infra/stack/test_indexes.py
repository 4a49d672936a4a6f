"""Tables get and lose their indexes one after the other, and only while nothing queries them."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cloudformation import DeploymentError
from infra.stack import indexes

NAMES = ("by-state", "by-uuid", "by-day", "by-size")
SOME = st.lists(st.sampled_from(NAMES), unique=True)


def index(name: str, key: str = "") -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": key or f"key-of-{name}", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }


def template(code: str = "", **tables: list[str]) -> dict[str, Any]:
    resources: dict[str, Any] = {"Function": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": code}}}
    for table, names in tables.items():
        attributes = ["pk", *(f"key-of-{name}" for name in names)]
        resources[table] = {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in attributes],
                **({"GlobalSecondaryIndexes": [index(name) for name in names]} if names else {}),
            },
        }
    return {"Resources": resources}


def names_of(staged: dict[str, Any], table: str = "Table") -> set[str]:
    properties = staged["Resources"][table]["Properties"]
    return {each["IndexName"] for each in properties.get("GlobalSecondaryIndexes", ())}


def code_of(staged: dict[str, Any]) -> str:
    return str(staged["Resources"]["Function"]["Properties"]["CodeUri"])


@given(SOME, SOME, SOME, SOME)
def test_each_step_makes_or_deletes_one_index_of_a_table_at_most(old_one, new_one, old_other, new_other):
    old, new = template(One=old_one, Other=old_other), template(One=new_one, Other=new_other)
    steps = [old, *indexes.before(old, new), *indexes.after(old, new)]

    assert steps[-1] == new
    for before, after in pairwise(steps):
        for table in ("One", "Other"):
            assert len(names_of(before, table) ^ names_of(after, table)) <= 1


@given(SOME, SOME)
def test_code_never_runs_without_an_index_of_its_own(old_names, new_names):
    old, new = template("old", Table=old_names), template("new", Table=new_names)
    for step in indexes.before(old, new):
        assert code_of(step) == "old"
        assert names_of(step) >= set(old_names)
    for step in indexes.after(old, new):
        assert code_of(step) == "new"
        assert names_of(step) >= set(new_names)
    assert names_of([old, *indexes.before(old, new)][-1]) >= set(new_names)


@given(SOME, SOME)
def test_every_step_defines_the_attributes_that_are_keys_and_no_other(old_names, new_names):
    old, new = template(Table=old_names), template(Table=new_names)
    for step in (*indexes.before(old, new), *indexes.after(old, new)):
        properties = step["Resources"]["Table"]["Properties"]
        defined = {each["AttributeName"] for each in properties["AttributeDefinitions"]}
        keys = {
            key["AttributeName"] for each in properties.get("GlobalSecondaryIndexes", ()) for key in each["KeySchema"]
        }
        assert defined == {"pk", *keys}


@given(SOME, SOME)
def test_the_tables_to_wait_for_are_those_whose_indexes_change(old_names, new_names):
    changed = indexes.changed_tables(template(Table=old_names, Same=[]), template(Table=new_names, Same=[], New=[]))

    assert changed == (["Table"] if set(old_names) != set(new_names) else [])


def test_a_deployment_without_new_indexes_is_one_step():
    old, new = template("old", Table=["by-state"]), template("new", Table=["by-state"])

    assert indexes.before(old, new) == []
    assert indexes.after(old, new) == [new]


def test_an_index_that_changes_its_key_is_refused_before_anything_is_deployed():
    old, new = template(Table=["by-state"]), template(Table=["by-state"])
    new["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"] = [index("by-state", "pk")]

    with pytest.raises(DeploymentError, match=r"by-state of Table changes.*new name"):
        indexes.before(old, new)
