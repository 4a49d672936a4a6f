"""What the packaged template promises of API Gateway: raw bodies, throttling, and errors in the API's envelope."""

import json

import pytest

from chalicelib.api.dispatch import API_VERSION
from chalicelib.api.response_headers import RETRY_AFTER_SECONDS
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
    headers = {name: response["ResponseParameters"]["Headers"] for name, response in responses.items()}

    # In quotes: API Gateway reads a word without them as a mapping.
    assert {name: values["Retry-After"] for name, values in headers.items() if "Retry-After" in values} == {
        name: f"'{RETRY_AFTER_SECONDS}'"
        for name, response in responses.items()
        if response.get("StatusCode") in ("429", "503")
    }


def test_errors_of_api_gateway_are_kept_by_no_cache_and_run_nothing_in_a_browser(responses):
    for name, response in responses.items():
        headers = response["ResponseParameters"]["Headers"]

        assert {header: value for header, value in headers.items() if header != "Retry-After"} == {
            "Access-Control-Allow-Origin": "'*'",
            "Access-Control-Expose-Headers": "'Retry-After, X-Request-Id'",
            "Cache-Control": "'no-store'",
            "Strict-Transport-Security": "'max-age=31536000'",
            "X-Content-Type-Options": "'nosniff'",
            "X-Request-Id": "context.requestId",  # without quotes: a mapping
        }, name


def test_the_access_log_is_written_only_where_a_parameter_says_so(template, resources):
    condition, setting, none = resources["RestAPI"]["Properties"]["AccessLogSetting"]["Fn::If"]

    assert template["Parameters"]["ApiAccessLog"]["Default"] == "false"
    assert template["Conditions"]["LogsAccess"] == {"Fn::Equals": [{"Ref": "ApiAccessLog"}, "true"]}
    assert resources["ApiAccessLogs"]["Condition"] == condition == "LogsAccess"
    assert none == {"Ref": "AWS::NoValue"}
    assert setting["DestinationArn"] == {"Fn::GetAtt": ["ApiAccessLogs", "Arn"]}


def test_a_line_of_the_access_log_is_json_with_the_request_id_and_without_path_query_and_headers(resources):
    line = resources["RestAPI"]["Properties"]["AccessLogSetting"]["Fn::If"][1]["Format"]

    assert "\n" not in line, "API Gateway takes one line"
    assert json.loads(line) == {
        "request_id": "$context.requestId",
        "time": "$context.requestTimeEpoch",
        "address": "$context.identity.sourceIp",
        "method": "$context.httpMethod",
        "route": "$context.resourcePath",
        "status": "$context.status",
        "bytes": "$context.responseLength",
        "milliseconds": "$context.responseLatency",
        "refused_as": "$context.error.responseType",
    }


def test_each_error_of_api_gateway_has_the_status_of_its_kind(responses):
    assert {name: response.get("StatusCode") for name, response in responses.items()} == {
        "DEFAULT_4XX": None,
        "DEFAULT_5XX": None,
        "MISSING_AUTHENTICATION_TOKEN": "404",
        "REQUEST_TOO_LARGE": "413",
        "WAF_FILTERED": "403",
        "ACCESS_DENIED": "403",
        "UNSUPPORTED_MEDIA_TYPE": "415",
        "THROTTLED": "429",
        "QUOTA_EXCEEDED": "429",
        "INTEGRATION_FAILURE": "503",
        "INTEGRATION_TIMEOUT": "503",
    }
