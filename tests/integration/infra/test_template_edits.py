"""Between AWS and one machine, the template differs in the embedder and in nothing else."""

import copy

from infra.template import PACKAGED_CODE, definition_digest, with_code, with_zipped_embedder

ARCHIVE = "s3://artifacts/code/embedder.zip"


def test_the_embedder_becomes_an_archive_and_keeps_the_rest(template):
    before, after = (
        each["Resources"]["Embedder"]["Properties"]
        for each in (template, with_zipped_embedder(template, ARCHIVE, "python3.13"))
    )
    new = {"Runtime": "python3.13", "Handler": "embedder_container.handler.handler", "CodeUri": ARCHIVE}

    assert after == {name: value for name, value in before.items() if name not in ("PackageType", "ImageUri")} | new


def test_a_model_that_was_fetched_is_read_where_it_lies(template):
    local = with_zipped_embedder(template, ARCHIVE, "python3.13", "/models")["Resources"]["Embedder"]["Properties"]

    assert local["Environment"]["Variables"] == {"MODEL": {"Ref": "EmbedderModel"}, "MODELS_DIR": "/models"}


def test_no_other_part_of_the_template_changes(template):
    local = with_zipped_embedder(template, ARCHIVE, "python3.13")
    local["Resources"]["Embedder"]["Properties"] = template["Resources"]["Embedder"]["Properties"]

    assert local == template


def test_the_template_that_is_given_stays_as_it_is(template):
    kept = copy.deepcopy(template)
    with_zipped_embedder(template, ARCHIVE, "python3.13")
    with_code(template, ARCHIVE)

    assert template == kept


def test_all_the_application_runs_the_same_code(template):
    deployed = with_code(template, ARCHIVE)
    functions = {n: r for n, r in deployed["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}

    assert {r["Properties"].get("CodeUri") for n, r in functions.items() if n != "Embedder"} == {ARCHIVE}
    assert "CodeUri" not in functions["Embedder"]["Properties"]
    assert PACKAGED_CODE not in str(deployed)


def test_the_digest_of_the_api_follows_its_definition_alone(template):
    digest = definition_digest(template)
    other = with_code(template, ARCHIVE)
    other["Resources"]["SyncWorker"]["Properties"]["Timeout"] = 7
    assert definition_digest(other) == digest

    other["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]["/new"] = {}
    assert definition_digest(other) != digest
