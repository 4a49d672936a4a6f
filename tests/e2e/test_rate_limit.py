"""Requests that come too fast: those of one token, and those of all callers together, which API Gateway refuses itself.

On AWS its answer is in the API's envelope. The emulator does not read gateway responses from an API's definition, where
SAM puts them, so ``tests/integration/infra/test_template.py`` tests their text on the template.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local_system import LocalSystem
from infra.package import STAGE
from tests.e2e.harness import Caller, ManagedCollection, error_info, eventually, picture


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


def test_searches_beyond_a_tokens_rate_are_refused_until_the_time_that_is_said(
    new_account: Callable[..., Caller], api: Caller
) -> None:
    caller = new_account(searches_a_minute=30)  # one in two seconds
    answers = [caller("GET", "/api/search/", params={"query": "an owl"}) for _ in range(20)]
    answers += [caller("GET", "/api/search/", params={"query": "an owl"}) for _ in range(20)]
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert error_info(refused, 429)["error"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 6
    assert refused.headers["RateLimit"] == f'"search";r=0;t={refused.headers["Retry-After"]}'
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"search";q=30;w=60'}
    assert api("GET", "/api/search/", params={"query": "an owl"}).status_code == 200, "another token's is its own"
    assert caller("GET", "/api/collections/").status_code == 200, "other requests do not count"
    eventually(lambda: caller("GET", "/api/search/", params={"query": "an owl"}).status_code == 200)


def test_uploads_beyond_a_tokens_rate_are_refused(new_account: Callable[..., Caller]) -> None:
    managed = ManagedCollection(new_account(uploads_a_minute=1))
    assert managed.upload("owl.jpg", picture("owl.jpg")).status_code == 201
    assert error_info(managed.upload("pig.jpg", picture("pig.jpg")), 429)["error"] == "rate_limited"
