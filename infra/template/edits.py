"""Changes to a packaged template before it is deployed; each function returns a new template."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from infra.workers import API, RUNTIME

Template = dict[str, Any]

PACKAGED_CODE = "./deployment.zip"  # as Chalice names its archive
EMBEDDER = "Embedder"
WEBHOOKS_WORKER = "WebhooksWorker"
READERS = ("SyncWorker", "IndexWorker", "ChangesWorker")  # of customers' buckets
SIGN_IN_SETTINGS = "SignInSettings"
ONLY_TLS = "OnlyTLS"  # the statement of a policy that refuses requests without TLS
NO_VARIABLES: Mapping[str, str] = {}


def with_code(template: Template, uri: str) -> Template:
    """The template with the application's code at a URI."""
    changed = copy.deepcopy(template)
    for resource in changed["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function" and resource["Properties"].get("CodeUri") == PACKAGED_CODE:
            resource["Properties"]["CodeUri"] = uri
    return changed


def with_zipped_embedder(template: Template, uri: str, variables: Mapping[str, str] = NO_VARIABLES) -> Template:
    """The template with the embedder's handler from an archive, where no container can run; all else is the same.

    Args:
        variables: of its environment, which say where its model is, unless the archive contains the model.
    """
    changed = copy.deepcopy(template)
    properties = changed["Resources"][EMBEDDER]["Properties"]
    del properties["PackageType"], properties["ImageUri"]
    properties |= {"Runtime": RUNTIME, "Handler": "embedder_container.handler.handler", "CodeUri": uri}
    properties["Environment"]["Variables"].update(variables)
    return changed


def without_tls(template: Template) -> Template:
    """The template whose buckets and queues accept requests without TLS, as the emulator's are on loopback."""
    changed = copy.deepcopy(template)
    for name, resource in template["Resources"].items():
        if resource["Type"] in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"):
            document = changed["Resources"][name]["Properties"]["PolicyDocument"]
            document["Statement"] = [part for part in document["Statement"] if part.get("Sid") != ONLY_TLS]
            if not document["Statement"]:
                del changed["Resources"][name]
    return changed


def without_alarms_that_calculate(template: Template) -> Template:
    """The template without alarms of several metrics, which the emulator refuses; it raises no alarm anyway."""
    changed = copy.deepcopy(template)
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]:
            del changed["Resources"][name]
    return changed


def with_sign_in_at(template: Template, url: str) -> Template:
    """The template whose users sign in at a URL: the emulator's, which has no domains and no style of pages."""
    changed = copy.deepcopy(template)
    _, values = changed["Resources"][SIGN_IN_SETTINGS]["Properties"]["Value"]["Fn::Sub"]
    values["Url"] = url
    changed["Outputs"]["SignInUrl"]["Value"] = url
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Cognito::ManagedLoginBranding":
            del changed["Resources"][name]
    return changed


def with_local_webhooks(template: Template) -> Template:
    """The template whose events may be sent to this machine, too: on Lambda that would be its own runtime API."""
    changed = copy.deepcopy(template)
    for name in (API.name, WEBHOOKS_WORKER):
        changed["Resources"][name]["Properties"]["Environment"]["Variables"]["LOCAL_WEBHOOKS"] = "1"
    return changed


def with_local_servers(template: Template) -> Template:
    """The template whose functions read S3-compatible servers of this machine, too."""
    changed = copy.deepcopy(template)
    for name in (API.name, *READERS, EMBEDDER):
        changed["Resources"][name]["Properties"]["Environment"]["Variables"]["LOCAL_SERVERS"] = "1"
    return changed


def definition_digest(template: Template) -> str:
    """Eight characters that change when the API's definition does."""
    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:8]
