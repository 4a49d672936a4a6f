"""API Gateway itself answers 429 to requests beyond the stage's rate limit.

On AWS the answer is in the API's envelope. The emulator does not read gateway responses from an API's definition, where
SAM puts them, so ``tests/integration/infra/test_template.py`` tests their text on the template.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local_system import LocalSystem
from infra.package import STAGE
from tests.e2e.harness import Caller, eventually


@pytest.fixture
def one_request_a_second(aws: Callable[[str], Any], stack: LocalSystem) -> Iterator[None]:
    """Lowers the stage's limits, as other parameters of the template would; restores them after the test."""
    gateway, names = aws("apigateway"), {"restApiId": stack.outputs["RestAPIId"], "stageName": STAGE}
    before = gateway.get_stage(**names)["methodSettings"]["*/*"]

    def set_limits(rate: float, burst: int) -> None:
        values = {"rateLimit": str(rate), "burstLimit": str(burst)}
        patches = [
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in values.items()
        ]
        gateway.update_stage(**names, patchOperations=patches)

    set_limits(1, 1)
    yield
    set_limits(before["throttlingRateLimit"], before["throttlingBurstLimit"])


def test_the_stage_has_the_rate_limits_of_the_templates_parameters(
    aws: Callable[[str], Any], stack: LocalSystem
) -> None:
    stage = aws("apigateway").get_stage(restApiId=stack.outputs["RestAPIId"], stageName=STAGE)
    setting = stage["methodSettings"]["*/*"]
    assert (setting["throttlingRateLimit"], setting["throttlingBurstLimit"]) == (200, 500)


@pytest.mark.usefixtures("one_request_a_second")
def test_requests_beyond_the_rate_limit_are_answered_429_and_later_ones_succeed(api: Caller) -> None:
    statuses = [api("GET", "/api/collections/").status_code for _ in range(10)]
    assert set(statuses) - {200} == {429}
    eventually(lambda: api("GET", "/api/collections/").status_code == 200)
