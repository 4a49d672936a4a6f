"""What the packaged template promises of API Gateway: raw bodies, throttling, and errors in the API's envelope."""

import json

import pytest

from chalicelib.api.dispatch import API_VERSION, RETRY_AFTER_SECONDS
from infra.package import STAGE


@pytest.fixture
def responses(resources) -> dict:
    """API Gateway's own responses, by their kind."""
    return resources["RestAPI"]["Properties"]["GatewayResponses"]


def test_the_api_is_regional_and_passes_bodies_of_every_type_through(resources):
    api = resources["RestAPI"]["Properties"]

    assert api["EndpointConfiguration"] == {"Type": "REGIONAL"}
    assert api["BinaryMediaTypes"] == ["*/*"]
    assert api["StageName"] == STAGE


def test_every_call_is_throttled_as_the_parameters_say(template, resources):
    (setting,) = resources["RestAPI"]["Properties"]["MethodSettings"]

    assert (setting["ResourcePath"], setting["HttpMethod"]) == ("/*", "*")
    for name, parameter in (("ThrottlingRateLimit", "ApiRateLimit"), ("ThrottlingBurstLimit", "ApiBurstLimit")):
        assert setting[name] == {"Ref": parameter}
        assert template["Parameters"][parameter]["Default"] > 0


def test_errors_of_api_gateway_have_the_envelope_of_the_api(responses):
    for name, response in responses.items():
        body = response["ResponseTemplates"]["application/json"]
        envelope = json.loads(body.replace("$context.error.messageString", '"words"'))

        assert envelope.keys() == {"version", "success", "info", "result"}, name
        assert envelope["version"] == API_VERSION
        assert envelope["success"] is False
        assert envelope["info"]["error"]
        assert envelope["info"]["message"]
        assert envelope["info"]["request_id"] == "$context.requestId"


def test_errors_that_pass_say_after_how_many_seconds_to_retry(responses):
    parameters = {name: response.get("ResponseParameters") for name, response in responses.items()}

    assert {name for name, value in parameters.items() if value} == {
        name for name, response in responses.items() if response.get("StatusCode") in ("429", "503")
    }
    seconds = {value["Headers"]["Retry-After"] for value in parameters.values() if value}
    # In quotes: API Gateway reads a word without them as a mapping.
    assert seconds == {f"'{RETRY_AFTER_SECONDS}'"}


def test_each_error_of_api_gateway_has_the_status_of_its_kind(responses):
    assert {name: response.get("StatusCode") for name, response in responses.items()} == {
        "DEFAULT_4XX": None,
        "DEFAULT_5XX": None,
        "MISSING_AUTHENTICATION_TOKEN": "404",
        "REQUEST_TOO_LARGE": "413",
        "UNSUPPORTED_MEDIA_TYPE": "415",
        "THROTTLED": "429",
        "QUOTA_EXCEEDED": "429",
        "INTEGRATION_FAILURE": "503",
        "INTEGRATION_TIMEOUT": "503",
    }
