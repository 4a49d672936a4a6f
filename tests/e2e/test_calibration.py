"""The schedule that computes the statistics of accounts' own pictures."""

import json
from collections.abc import Callable
from typing import Any

from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from tests.e2e.harness import SCHEDULED_EVENT


def test_the_schedule_calibrates_an_account_that_has_no_statistics_of_its_own_yet_and_no_other(
    deployment: Deployment, stack: LocalSystem, aws: Callable[[str], Any]
) -> None:
    services = deployment.services
    (account,) = {each.account for each in services.every_collection() if each.uuid == stack.collection}
    model = services.model_version()
    for kind in ("calibration", "calibration-attempt"):
        key = {"pk": {"S": f"account#{account}"}, "sk": {"S": f"{kind}#{model}"}}
        aws("dynamodb").delete_item(TableName=stack.outputs["AccountsTableName"], Key=key)

    def invoke() -> Any:
        answer = aws("lambda").invoke(
            FunctionName=stack.outputs["CalibrationName"], Payload=json.dumps(SCHEDULED_EVENT)
        )
        assert "FunctionError" not in answer
        return json.loads(answer["Payload"].read())

    first = invoke()
    assert first["calibrated"] >= 1
    calibration = services.adapters.calibrations.read(account, model)
    assert calibration is not None
    assert calibration.pictures >= 50
    assert invoke() == {"calibrated": 0, "left": False}
