"""Between AWS and one machine, the template differs in the embedder and in nothing else."""

import copy

from infra.template.edits import PACKAGED_CODE, definition_digest, with_code, with_zipped_embedder
from infra.template.functions import ONE_THREAD

ARCHIVE = "s3://artifacts/code/embedder.zip"


def test_the_zipped_embedder_keeps_all_properties_but_its_image(template):
    before, after = (
        variant["Resources"]["Embedder"]["Properties"]
        for variant in (template, with_zipped_embedder(template, ARCHIVE, "python3.13"))
    )
    new = {"Runtime": "python3.13", "Handler": "embedder_container.handler.handler", "CodeUri": ARCHIVE}

    assert after == {name: value for name, value in before.items() if name not in ("PackageType", "ImageUri")} | new


def test_the_zipped_embedder_reads_a_fetched_model_from_its_folder(template):
    variables = {"MODELS_DIR": "/models"}
    local = with_zipped_embedder(template, ARCHIVE, "python3.13", variables)["Resources"]["Embedder"]["Properties"]

    assert local["Environment"]["Variables"] == ONE_THREAD | {
        "MODEL": {"Ref": "EmbedderModel"},
        "MODELS_DIR": "/models",
    }


def test_zipping_the_embedder_changes_no_other_part_of_the_template(template):
    local = with_zipped_embedder(template, ARCHIVE, "python3.13")
    local["Resources"]["Embedder"]["Properties"] = template["Resources"]["Embedder"]["Properties"]

    assert local == template


def test_an_edit_leaves_the_given_template_unchanged(template):
    before = copy.deepcopy(template)
    with_zipped_embedder(template, ARCHIVE, "python3.13")
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
