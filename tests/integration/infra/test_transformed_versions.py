"""What SAM makes of the embedder's versions and of the API's stages, by its own translator."""

import copy

import pytest

from infra.template.versions import with_versions
from infra.workers import EMBEDDER
from tests.integration.infra import conftest

# By which AWS::Lambda::Version is replaced: its createOnlyProperties in the registry's schema.
REPLACING = ("FunctionName", "Description", "CodeSha256", "ProvisionedConcurrencyConfig", "RuntimePolicy")


@pytest.fixture(scope="module")
def transformed(template):
    return translate(template)


def translate(template: dict, part: str = "Resources", **parameters: str) -> dict:
    """A part of the transformed template."""
    return conftest.translate(template, **parameters)[part]


def version_of(resources: dict, values: dict) -> tuple:
    """A version's logical name and the properties that replace it, with the parameters' values in them."""
    ((name, version),) = [(n, r) for n, r in resources.items() if r["Type"] == "AWS::Lambda::Version"]
    properties = {key: version["Properties"].get(key) for key in REPLACING}
    text = properties["Description"]["Fn::Sub"]
    for parameter, value in values.items():
        text = text.replace(f"${{{parameter}}}", value)
    return name, {**properties, "Description": text}


@pytest.mark.parametrize(
    ("parameter", "before", "after"),
    [
        ("EmbedderMemory", "3008", "4096"),
        ("EmbedderModel", "lite", "clip-vit-b-32"),
        ("EmbedderImageUri", "registry/similarix@sha256:1", "registry/similarix@sha256:2"),
    ],
)
def test_another_memory_model_or_image_of_the_embedder_is_another_version(template, parameter, before, after):
    versions = [
        version_of(translate(template, **values), values) for values in ({parameter: v} for v in (before, after))
    ]

    assert versions[0] != versions[1]


def test_another_constant_of_the_embedders_environment_is_another_version(template, transformed):
    changed = copy.deepcopy(template)
    changed["Resources"][EMBEDDER.name]["Properties"]["Environment"]["Variables"]["NEW"] = "1"

    assert version_of(translate(with_versions(changed, EMBEDDER.name)), {}) != version_of(transformed, {})


def test_a_version_is_published_only_of_a_function_that_changes_with_it(template):
    properties = template["Resources"][EMBEDDER.name]["Properties"]

    assert properties["Description"] == properties["VersionDescription"]
    assert len(str(properties["Description"]["Fn::Sub"])) < 200, "Lambda takes 256 characters, with the values"


def test_concurrency_is_no_part_of_a_version(template):
    changed = copy.deepcopy(template)
    properties = changed["Resources"][EMBEDDER.name]["Properties"]
    properties["ReservedConcurrentExecutions"] = 7
    del properties["ProvisionedConcurrencyConfig"]

    assert (
        with_versions(changed, EMBEDDER.name)["Resources"][EMBEDDER.name]["Properties"]["Description"]
        == (template["Resources"][EMBEDDER.name]["Properties"]["Description"])
    )


def test_the_api_has_one_stage_and_that_is_throttled(transformed):
    (stage,) = [r["Properties"] for r in transformed.values() if r["Type"] == "AWS::ApiGateway::Stage"]
    deployments = [r["Properties"] for r in transformed.values() if r["Type"] == "AWS::ApiGateway::Deployment"]

    assert stage["StageName"] == "live"
    assert stage["MethodSettings"][0]["ThrottlingRateLimit"] == {"Ref": "ApiRateLimit"}
    assert all("StageName" not in deployment for deployment in deployments)


def test_the_apis_own_name_and_its_url_lead_to_that_stage(template, transformed):
    (stage,) = [name for name, r in transformed.items() if r["Type"] == "AWS::ApiGateway::Stage"]
    *_, url = translate(template, part="Outputs")["ApiUrl"]["Value"]["Fn::If"][2]["Fn::If"]

    assert transformed["ApiMapping"]["Properties"]["Stage"] == {"Ref": stage}
    assert url == {"Fn::Sub": f"https://${{RestAPI}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/${{{stage}}}"}
    assert transformed[stage]["Properties"]["Variables"]["domain"]["Fn::If"][0] == "HasDomainName"


def test_the_definition_of_the_api_stays_swagger_with_bodies_of_every_type(transformed):
    body = transformed["RestAPI"]["Properties"]["Body"]

    assert body["swagger"] == "2.0"
    assert body["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    assert transformed["RestAPI"]["Properties"]["BinaryMediaTypes"] == ["*/*"]
