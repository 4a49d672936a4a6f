"""What the versions of functions are made of, so that each change is a version of its own.

Callers use an alias, which leads to a version. SAM makes a new version when the text of ``ImageUri`` changes, and not
when the value of a parameter does that another property refers to
(https://github.com/aws/serverless-application-model/issues/1640). CloudFormation replaces a version whose description
changes; so the description has those values. The function's description has them too: Lambda publishes no version of a
function that has not changed.

The embedder's description has the values of the parameters themselves. Those of the API are longer than the 256
characters of a description, so ``infra.deploy`` writes a digest of the whole deployment there.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Properties that are the function's or the alias', not a version's, and those that SAM looks at itself.
_NOT_OF_A_VERSION = frozenset(
    {
        "AutoPublishAlias",
        "Description",
        "FunctionName",
        "ImageUri",
        "ProvisionedConcurrencyConfig",
        "ReservedConcurrentExecutions",
        "VersionDeletionPolicy",
        "VersionDescription",
    }
)
_SET_AFTERWARDS = frozenset({"DeletionProtection"})


def with_versions(template: Mapping[str, Any], function: str) -> dict[str, Any]:
    """The template in which a function with an alias has a description that changes whenever its settings do."""
    resource = template["Resources"][function]
    settings = {name: value for name, value in resource["Properties"].items() if name not in _NOT_OF_A_VERSION}
    parameters = sorted(set(_references(settings, template.get("Conditions", {}))) & set(template["Parameters"]))
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    values = "".join(f", {name} ${{{name}}}" for name in parameters)
    description = {"Fn::Sub": f"settings {digest}{values}"}
    properties = {**resource["Properties"], "Description": description, "VersionDescription": description}
    resources = {**template["Resources"], function: {**resource, "Properties": properties}}
    return {**template, "Resources": resources}


def with_deployment(template: Mapping[str, Any], function: str, values: Mapping[str, str]) -> dict[str, Any]:
    """The template in which a function with an alias is another version wherever template or parameters differ.

    Args:
        template: with the code's URI, and all else that is deployed.
        values: of all parameters; what ``infra.deploy`` sets after a first deployment is no difference.
    """
    resource = template["Resources"][function]
    compared = {name: value for name, value in values.items() if name not in _SET_AFTERWARDS}
    digest = hashlib.sha256(json.dumps([template, compared], sort_keys=True).encode()).hexdigest()[:16]
    description = f"deployment {digest}"
    properties = {**resource["Properties"], "Description": description, "VersionDescription": description}
    resources = {**template["Resources"], function: {**resource, "Properties": properties}}
    return {**template, "Resources": resources}


def with_alias(template: Mapping[str, Any], function: str) -> dict[str, Any]:
    """The template whose API calls a function's alias, where Chalice has it call the function."""

    def by_alias(value: Any) -> Any:
        if isinstance(value, Mapping):
            text = value.get("Fn::Sub")
            if isinstance(text, str) and f"${{{function}.Arn}}" in text:
                # As a variable: cfn-lint knows SAM's name of an alias in a Ref alone.
                return {"Fn::Sub": [text.replace(f"${{{function}.Arn}}", "${Alias}"), {"Alias": alias}]}
            return {name: by_alias(part) for name, part in value.items()}
        return [by_alias(part) for part in value] if isinstance(value, list) else value

    alias = {"Ref": f"{function}.Alias"}
    resources = template["Resources"]
    return {**template, "Resources": {**resources, "RestAPI": by_alias(resources["RestAPI"])}}


def _references(value: Any, conditions: Mapping[str, Any]) -> Iterator[str]:
    """The names that a value refers to, by itself and by its conditions."""
    if isinstance(value, Mapping):
        for function, argument in value.items():
            if function == "Ref":
                yield argument
            elif function == "Fn::Sub":
                yield from re.findall(r"\$\{(\w+)\}", argument if isinstance(argument, str) else argument[0])
            elif function in ("Fn::If", "Condition"):
                name = argument[0] if function == "Fn::If" else argument
                yield from _references(conditions.get(name), conditions)
            yield from _references(argument, conditions)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part, conditions)
