"""Changes to a packaged template before it is deployed; each function returns a new template."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

Template = dict[str, Any]

PACKAGED_CODE = "./deployment.zip"  # as Chalice names its archive
EMBEDDER = "Embedder"
NO_VARIABLES: Mapping[str, str] = {}


def with_code(template: Template, uri: str) -> Template:
    """The template with the application's code at a URI."""
    changed = copy.deepcopy(template)
    for resource in changed["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function" and resource["Properties"].get("CodeUri") == PACKAGED_CODE:
            resource["Properties"]["CodeUri"] = uri
    return changed


def with_zipped_embedder(
    template: Template, uri: str, runtime: str, variables: Mapping[str, str] = NO_VARIABLES
) -> Template:
    """The template with the embedder's handler from an archive, where no container can run; all else is the same.

    Args:
        variables: of its environment, which say where its model is, unless the archive contains the model.
    """
    changed = copy.deepcopy(template)
    properties = changed["Resources"][EMBEDDER]["Properties"]
    del properties["PackageType"], properties["ImageUri"]
    properties |= {"Runtime": runtime, "Handler": "embedder_container.handler.handler", "CodeUri": uri}
    properties["Environment"]["Variables"].update(variables)
    return changed


def definition_digest(template: Template) -> str:
    """Eight characters that change when the API's definition does."""
    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:8]
