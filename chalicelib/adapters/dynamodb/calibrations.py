"""The calibrations of accounts, and the attempts at them.

Each is an item of its account's partition, with which it is exported and deleted.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, to_item
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.domain.calibration import Calibration, CalibrationAttempt
from chalicelib.domain.errors import NotFound

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient


class DynamoDBCalibrations:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def read(self, account: str, model: str) -> Calibration | None:
        item = self._client.get_item(TableName=self._table, Key=to_item(_key(account, model))).get("Item")
        return Calibration.from_json(from_item(item)["calibration"]) if item else None

    def write(self, account: str, calibration: Calibration, now: datetime) -> None:
        values = {"calibration": calibration.to_json(), "pictures": calibration.pictures, "calibrated_at": now}
        self._put(account, {**_key(account, calibration.model), **values})

    def attempt(self, account: str, model: str) -> CalibrationAttempt | None:
        item = self._client.get_item(TableName=self._table, Key=to_item(_attempt_key(account, model))).get("Item")
        if item is None:
            return None
        values = from_item(item)
        return CalibrationAttempt(values["files"], values["pictures"], datetime.fromisoformat(values["attempted_at"]))

    def write_attempt(self, account: str, model: str, attempt: CalibrationAttempt) -> None:
        values = {"files": attempt.files, "pictures": attempt.pictures, "attempted_at": attempt.at}
        self._put(account, {**_attempt_key(account, model), **values})

    def _put(self, account: str, values: dict[str, Any]) -> None:
        put = {"TableName": self._table, "Item": to_item(values)}
        exists = {
            "TableName": self._table,
            "Key": to_item({"pk": f"account#{account}", "sk": "account"}),
            "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(deleted_at)",
        }
        if transact(self._client, [{"ConditionCheck": exists}, {"Put": put}]):
            raise NotFound("There is no such account.")


def _key(account: str, model: str) -> dict[str, str]:
    return {"pk": f"account#{account}", "sk": f"calibration#{model}"}


def _attempt_key(account: str, model: str) -> dict[str, str]:
    return {"pk": f"account#{account}", "sk": f"calibration-attempt#{model}"}
