"""What SAM makes of functions' versions and of the API's stages, by its own translator."""

import copy

import pytest

from infra.template.edits import with_code
from infra.template.versions import with_deployment, with_versions
from infra.workers import ALIAS, API, EMBEDDER
from tests.integration.infra import conftest

# By which AWS::Lambda::Version is replaced: its createOnlyProperties in the registry's schema.
REPLACING = ("FunctionName", "Description", "CodeSha256", "ProvisionedConcurrencyConfig", "RuntimePolicy")


@pytest.fixture(scope="module")
def transformed(template):
    return translate(template)


def translate(template: dict, part: str = "Resources", **parameters: str) -> dict:
    """A part of the transformed template."""
    return conftest.translate(template, **parameters)[part]


def versions(resources: dict, function: str) -> list:
    """The logical names and definitions of a function's versions."""
    found = [(n, r) for n, r in resources.items() if r["Type"] == "AWS::Lambda::Version"]
    return [(name, version) for name, version in found if version["Properties"]["FunctionName"] == {"Ref": function}]


def description_of_the_api(template: dict, code: str = "s3://artifacts/code.zip", **values: str) -> str:
    """What replaces the version of the API's function, which the function itself has, too."""
    properties = with_deployment(with_code(template, code), API.name, values)["Resources"][API.name]["Properties"]
    assert properties["Description"] == properties["VersionDescription"]
    return properties["VersionDescription"]


def version_of(resources: dict, values: dict) -> tuple:
    """The embedder's version: its name and the properties that replace it, with the parameters' values in them."""
    ((name, version),) = versions(resources, EMBEDDER.name)
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
    one, other = (
        version_of(translate(template, **values), values) for values in ({parameter: v} for v in (before, after))
    )

    assert one != other


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


def test_any_other_setting_code_or_resource_is_another_version_of_the_api(template):
    other = copy.deepcopy(template)
    other["Resources"]["AccountsTable"]["Properties"]["KeySchema"].reverse()
    deployed = [
        description_of_the_api(template, LogLevel="INFO"),
        description_of_the_api(template, LogLevel="DEBUG"),
        description_of_the_api(template, code="s3://artifacts/other.zip", LogLevel="INFO"),
        description_of_the_api(other, LogLevel="INFO"),
    ]

    assert len(set(deployed)) == len(deployed)
    assert description_of_the_api(template, LogLevel="INFO") == deployed[0]
    assert description_of_the_api(template, LogLevel="INFO", DeletionProtection="true") == deployed[0]


def test_the_version_of_the_api_has_the_description_of_its_deployment(template):
    ((_, version),) = versions(translate(with_deployment(template, API.name, {})), API.name)

    assert version["Properties"]["Description"].startswith("deployment ")


def test_a_version_goes_when_another_one_has_taken_its_place(transformed):
    (version,) = [version for _, version in versions(transformed, API.name)]

    assert version["DeletionPolicy"] == "Delete", "a snapshot is paid for as long as its version is there"


def test_the_api_calls_the_alias_which_api_gateway_may_invoke(transformed):
    ((name, alias),) = [
        (name, each["Properties"])
        for name, each in transformed.items()
        if each["Type"] == "AWS::Lambda::Alias" and each["Properties"]["FunctionName"] == {"Ref": API.name}
    ]
    integrations = [
        method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        for methods in transformed["RestAPI"]["Properties"]["Body"]["paths"].values()
        for method in methods.values()
    ]

    assert alias["Name"] == ALIAS
    assert integrations
    assert all("/functions/${Alias}/invocations" in text for text, _ in integrations)
    assert all(values == {"Alias": {"Ref": name}} for _, values in integrations)
    assert transformed["APIHandlerInvokePermission"]["Properties"]["FunctionName"] == {"Ref": name}


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
