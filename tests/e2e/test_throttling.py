"""What comes faster than the deployment takes is answered 429 by API Gateway itself.

In the API's words, on AWS: the emulator does not read gateway responses out of an API's definition, where SAM puts
them. What they say is tested on the template (``tests/integration/infra/test_template.py``).
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local_system import LocalSystem
from infra.package import STAGE
from tests.e2e.conftest import Caller, eventually


@pytest.fixture
def throttled(aws: Callable[[str], Any], stack: LocalSystem) -> Iterator[None]:
    """The stage takes a request a second, as with other parameters of the template, and then as before again."""
    gateway, where = aws("apigateway"), {"restApiId": stack.outputs["RestAPIId"], "stageName": STAGE}
    before = gateway.get_stage(**where)["methodSettings"]["*/*"]

    def limit(rate: float, burst: int) -> None:
        values = {"rateLimit": str(rate), "burstLimit": str(burst)}
        patches = [{"op": "replace", "path": f"/*/*/throttling/{name}", "value": v} for name, v in values.items()]
        gateway.update_stage(**where, patchOperations=patches)

    limit(1, 1)
    yield
    limit(before["throttlingRateLimit"], before["throttlingBurstLimit"])


def test_the_parameters_limits_are_in_force(aws: Callable[[str], Any], stack: LocalSystem) -> None:
    stage = aws("apigateway").get_stage(restApiId=stack.outputs["RestAPIId"], stageName=STAGE)
    setting = stage["methodSettings"]["*/*"]
    assert (setting["throttlingRateLimit"], setting["throttlingBurstLimit"]) == (200, 500)


def test_too_many_requests_at_once_are_told_to_come_back(throttled: None, api: Caller) -> None:
    answers = [api("GET", "/api/collections/") for _ in range(10)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} == {429}
    eventually(lambda: api("GET", "/api/collections/").status_code == 200)
