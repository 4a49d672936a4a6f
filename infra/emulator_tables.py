"""What CloudFormation does with tables on AWS, and the emulator's does not."""

import json
from typing import Any

TABLE = "AWS::DynamoDB::Table"


def complete_tables() -> None:
    """Have a table keep its name when its stack has imported it, and have it get continuous backups.

    The emulator makes up a table's name anew with each update, and would replace an imported table by an empty one. On
    AWS a resource without a name in its template keeps the one that it has.
    """
    from ministack.services import dynamodb  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS[TABLE]
    create, update = handlers["create"], handlers["update"]

    def create_table(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        created = create(logical_id, properties, stack)
        _set_backups(dynamodb, created[0], properties)
        return created

    def update_table(
        name: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str | None = None
    ) -> Any:
        made_up = provisioners._physical_name(stack, logical_id or name, max_len=255)
        if name != made_up and name in dynamodb._tables:
            old, new = ({"TableName": name, **properties} for properties in (old, new))
        updated = update(name, old, new, stack, logical_id)
        _set_backups(dynamodb, updated[0], new)
        return updated

    handlers["create"], handlers["update"] = create_table, update_table
    describe = dynamodb._describe_continuous_backups

    def describe_backups(request: dict[str, Any]) -> Any:
        status, headers, body = describe(request)
        answer = json.loads(body)
        recovery = answer.get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
        if "EarliestRestorableDateTime" in recovery:
            # The emulator says 'now', so that no moment would be left.
            table = dynamodb._tables[dynamodb._normalize_table_name(request["TableName"])]
            recovery["EarliestRestorableDateTime"] = int(table["CreationDateTime"])
        return status, headers, json.dumps(answer).encode()

    dynamodb._describe_continuous_backups = describe_backups


def _set_backups(dynamodb: Any, name: str, properties: dict[str, Any]) -> None:
    if recovery := properties.get("PointInTimeRecoverySpecification"):
        dynamodb._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": recovery})
