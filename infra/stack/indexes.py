"""Templates between the deployed one and the next, because DynamoDB makes or deletes one index of a table at a time.

"You can create or delete only one global secondary index per stack update", and CloudFormation goes on before a new
index can be queried:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html. So the
deployed template gets the new indexes first, and the code that queries them comes when they are ready; indexes that
nothing queries any more go after it.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from infra.cloudformation import DeploymentError
from infra.template.edits import Template

TABLE = "AWS::DynamoDB::Table"
Index = Mapping[str, Any]


def before(deployed: Template, next_template: Template) -> list[Template]:
    """The deployed template with one more new index of each table after the other, until it has all.

    Raises:
        DeploymentError: an index changes, which DynamoDB cannot do.
    """
    tables = _tables(deployed, next_template)
    steps = range(max((len(table.added) for table in tables), default=0))
    return [
        _with_indexes(deployed, {table: [*table.old, *table.added[: step + 1]] for table in tables}) for step in steps
    ]


def after(deployed: Template, next_template: Template) -> list[Template]:
    """The next template with the indexes that it no longer has, one less after the other; the last is itself."""
    tables = _tables(deployed, next_template)
    steps = range(max((len(table.removed) for table in tables), default=0))
    kept = [
        _with_indexes(next_template, {table: [*table.new, *table.removed[step:]] for table in tables}) for step in steps
    ]
    return [*kept, next_template]


def changed_tables(deployed: Template, next_template: Template) -> list[str]:
    """The tables, by their names in the template, that get or lose an index."""
    return [table.name for table in _tables(deployed, next_template) if table.added or table.removed]


class _Table:
    """A table that both templates have, with its indexes."""

    def __init__(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        old, new = _by_name(before), _by_name(after)
        changed = [index for index in old.keys() & new.keys() if old[index] != new[index]]
        if changed:
            raise DeploymentError(
                f"The index {changed[0]} of {name} changes, which DynamoDB cannot do. Give the changed one a new name."
            )
        self.name = name
        self.old, self.new = list(old.values()), list(new.values())
        self.added = [new[index] for index in new if index not in old]
        self.removed = [old[index] for index in old if index not in new]
        self.types = {
            each["AttributeName"]: each
            for properties in (before, after)
            for each in properties.get("AttributeDefinitions", ())
        }


def _tables(deployed: Template, next_template: Template) -> list[_Table]:
    """Those that both templates have."""
    return [
        _Table(name, deployed["Resources"][name]["Properties"], resource["Properties"])
        for name, resource in next_template["Resources"].items()
        if resource.get("Type") == TABLE and deployed["Resources"].get(name, {}).get("Type") == TABLE
    ]


def _with_indexes(template: Template, tables: Mapping[_Table, Sequence[Index]]) -> Template:
    changed = copy.deepcopy(template)
    for table, indexes in tables.items():
        properties = changed["Resources"][table.name]["Properties"]
        keys = [*properties["KeySchema"], *(key for index in indexes for key in index["KeySchema"])]
        # DynamoDB refuses the definition of an attribute that is no key.
        names = dict.fromkeys(key["AttributeName"] for key in keys)
        properties["AttributeDefinitions"] = [table.types[name] for name in names]
        properties["GlobalSecondaryIndexes"] = [dict(index) for index in indexes]
        if not indexes:
            del properties["GlobalSecondaryIndexes"]
    return changed


def _by_name(properties: Mapping[str, Any]) -> dict[str, Index]:
    return {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", ())}
