"""What the packaged template promises of the API's own name."""

import re

import pytest

from tests.integration.infra.conftest import referred

NAMED = ("ApiDomainName", "ApiMapping", "ApiRecord")


@pytest.fixture
def properties(resources) -> dict:
    return {name: resources[name]["Properties"] for name in NAMED}


def test_a_name_is_made_only_where_it_is_given_and_a_record_only_where_its_zone_is_too(template, resources):
    conditions = template["Conditions"]

    assert [resources[name]["Condition"] for name in NAMED] == ["HasDomainName", "HasDomainName", "HasHostedZone"]
    assert conditions["HasDomainName"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]}
    assert conditions["HasHostedZone"]["Fn::And"][0] == {"Condition": "HasDomainName"}
    for name in ("DomainName", "CertificateArn", "HostedZoneId"):
        assert template["Parameters"][name]["Default"] == ""


def test_the_name_is_regional_as_the_api_and_as_the_certificate(properties, resources):
    name = properties["ApiDomainName"]

    assert name["EndpointConfiguration"]["Types"] == [
        resources["RestAPI"]["Properties"]["EndpointConfiguration"]["Type"]
    ]
    assert referred(name["RegionalCertificateArn"]) == "CertificateArn"
    assert name["SecurityPolicy"] == "TLS_1_2"


def test_the_name_leads_to_the_one_stage_without_a_base_path(properties):
    mapping = properties["ApiMapping"]

    assert "BasePath" not in mapping
    assert referred(mapping["RestApiId"]) == "RestAPI"
    assert referred(mapping["Stage"]) == "RestAPI.Stage"
    assert referred(properties["ApiRecord"]["AliasTarget"]["DNSName"]) == "ApiDomainName"


def test_api_gateways_own_name_is_off_behind_it_from_the_next_change_of_the_stage(resources):
    api = resources["RestAPI"]["Properties"]

    assert api["DisableExecuteApiEndpoint"] == {"Fn::If": ["HasDomainName", True, False]}
    assert api["Variables"]["domain"] == {"Fn::If": ["HasDomainName", {"Ref": "DomainName"}, "none"]}


def test_links_and_the_output_have_the_given_url_or_else_the_name(template, functions):
    name = {"Fn::Sub": "https://${DomainName}"}
    outputs = template["Outputs"]

    for function in set(functions) - {"Embedder"}:
        variable = functions[function]["Environment"]["Variables"]["PUBLIC_URL"]
        assert variable == {"Fn::If": ["HasPublicUrl", {"Ref": "PublicUrl"}, {"Fn::If": ["HasDomainName", name, ""]}]}
    _, public, (_, own, _) = (
        *outputs["ApiUrl"]["Value"]["Fn::If"][:2],
        outputs["ApiUrl"]["Value"]["Fn::If"][2]["Fn::If"],
    )
    assert (public, own) == ({"Ref": "PublicUrl"}, name)
    assert outputs["DomainNameTarget"]["Condition"] == "HasDomainName"


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            "DomainName",
            ["", "api.example.com", "a-b.c1.example"],
            ["example", "https://api.example.com", "a.b.", "A.b"],
        ),
        (
            "CertificateArn",
            ["", "arn:aws:acm:eu-central-1:111122223333:certificate/0a1b-2c"],
            ["arn:aws:iam::111122223333:server-certificate/x", "0a1b-2c"],
        ),
        ("HostedZoneId", ["", "Z0123456789ABC"], ["/hostedzone/Z0123", "example.com"]),
    ],
)
def test_a_parameter_of_the_name_takes_its_own_form_alone(template, parameter, good, bad):
    pattern = template["Parameters"][parameter]["AllowedPattern"]

    assert all(re.fullmatch(pattern, value) for value in good)
    assert not any(re.fullmatch(pattern, value) for value in bad)
