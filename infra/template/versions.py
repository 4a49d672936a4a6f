"""What a version of the embedder is made of, so that each change of it is a version of its own.

Callers use an alias, which leads to a version. SAM makes a new version when the text of ``ImageUri`` changes, and not
when the value of a parameter does that another property refers to
(https://github.com/aws/serverless-application-model/issues/1640). CloudFormation replaces a version whose description
changes; so the description has those values. The function's description has them too: Lambda publishes no version of a
function that has not changed.
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
