"""Between AWS and one machine, the template differs in the embedder, in TLS, and in nothing else."""

import copy

from infra.template.edits import (
    ONLY_TLS,
    PACKAGED_CODE,
    definition_digest,
    with_code,
    with_local_servers,
    with_local_webhooks,
    with_zipped_embedder,
    without_tls,
)
from infra.template.functions import ONE_THREAD
from infra.workers import RUNTIME

ARCHIVE = "s3://artifacts/code/embedder.zip"


def test_the_zipped_embedder_keeps_all_properties_but_its_image(template):
    before, after = (
        variant["Resources"]["Embedder"]["Properties"]
        for variant in (template, with_zipped_embedder(template, ARCHIVE))
    )
    new = {"Runtime": RUNTIME, "Handler": "embedder_container.handler.handler", "CodeUri": ARCHIVE}

    assert after == {name: value for name, value in before.items() if name not in ("PackageType", "ImageUri")} | new


def test_the_zipped_embedder_reads_a_fetched_model_from_its_folder(template):
    variables = {"MODELS_DIR": "/models"}
    local = with_zipped_embedder(template, ARCHIVE, variables)["Resources"]["Embedder"]["Properties"]

    assert local["Environment"]["Variables"] == ONE_THREAD | {
        "MODEL": {"Ref": "EmbedderModel"},
        "MODELS_DIR": "/models",
    }


def test_zipping_the_embedder_changes_no_other_part_of_the_template(template):
    local = with_zipped_embedder(template, ARCHIVE)
    local["Resources"]["Embedder"]["Properties"] = template["Resources"]["Embedder"]["Properties"]

    assert local == template


def test_without_tls_the_policies_lack_their_refusal_and_nothing_else_changes(template):
    local = without_tls(template)
    resources = template["Resources"]
    changed = {name for name in resources if local["Resources"].get(name) != resources[name]}

    assert changed
    assert {resources[name]["Type"] for name in changed} == {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"}
    assert ONLY_TLS not in str(local)
    for name in changed & set(local["Resources"]):
        given, left = (
            variant["Properties"]["PolicyDocument"]["Statement"]
            for variant in (resources[name], local["Resources"][name])
        )
        assert left == [statement for statement in given if statement.get("Sid") != ONLY_TLS]


def test_an_edit_leaves_the_given_template_unchanged(template):
    before = copy.deepcopy(template)
    without_tls(with_zipped_embedder(template, ARCHIVE))
    with_code(template, ARCHIVE)

    assert template == before


def test_all_functions_of_the_application_run_the_same_code(template):
    deployed = with_code(template, ARCHIVE)
    functions = {n: r for n, r in deployed["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}

    assert {r["Properties"].get("CodeUri") for n, r in functions.items() if n != "Embedder"} == {ARCHIVE}
    assert "CodeUri" not in functions["Embedder"]["Properties"]
    assert PACKAGED_CODE not in str(deployed)


def test_the_digest_of_the_api_changes_with_its_definition_alone(template):
    digest = definition_digest(template)
    other = with_code(template, ARCHIVE)
    other["Resources"]["SyncWorker"]["Properties"]["Timeout"] = 7
    assert definition_digest(other) == digest

    other["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]["/new"] = {}
    assert definition_digest(other) != digest


def test_no_function_on_aws_sends_events_to_its_own_machine_and_only_two_of_the_local_system_do(template):
    local = with_local_webhooks(template)
    sends = {
        name: resource["Properties"]["Environment"]["Variables"]["LOCAL_WEBHOOKS"]
        for name, resource in template["Resources"].items()
        if "LOCAL_WEBHOOKS" in str(resource) and resource["Type"] == "AWS::Serverless::Function"
    }

    assert len(sends) > 2
    assert set(sends.values()) == {"0"}
    assert "LocalWebhooks" not in template["Parameters"]
    changed = {name for name in template["Resources"] if local["Resources"][name] != template["Resources"][name]}
    assert changed == {"APIHandler", "WebhooksWorker"}


def test_no_function_on_aws_reads_servers_of_its_own_machine_and_only_readers_of_the_local_system_do(template):
    local = with_local_servers(template)
    variables = {
        name: resource["Properties"]["Environment"]["Variables"].get("LOCAL_SERVERS", "0")
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }

    assert set(variables.values()) == {"0"}
    assert "LocalServers" not in template["Parameters"]
    changed = {name for name in template["Resources"] if local["Resources"][name] != template["Resources"][name]}
    assert changed == {"APIHandler", "SyncWorker", "IndexWorker", "ChangesWorker", "Embedder"}
