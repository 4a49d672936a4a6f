"""The stack that a customer creates in an AWS account to connect a bucket: its name, its parameters and its link."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, urlencode

from chalicelib.domain.bucket_access import object_pattern
from chalicelib.domain.collections import Collection, parse_role
from chalicelib.domain.errors import InvalidRequest, OutsideFolder
from chalicelib.domain.notifications import queue_region

TEMPLATES_FOLDER = "templates"  # of the managed bucket; S3 sends no events for it
_ACCOUNT = re.compile("[0-9]{12}")
_NAME_DIGITS = 12  # of an external id's hash; a role's name has 64 characters at most
_CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


@dataclass(frozen=True, slots=True)
class TemplateArea:
    """What the managed bucket has for the templates that customers create stacks of."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        return (f"{TEMPLATES_FOLDER}/",)

    def check(self, key: str) -> str:
        """The key itself; raises OutsideFolder unless it is a template's."""
        (prefix,) = self.prefixes
        if not re.fullmatch(rf"{prefix}[0-9a-f]{{64}}\.yaml", key):
            raise OutsideFolder("There is no such template.")
        return key


def template_key(template: bytes) -> str:
    """Where a template is stored, by its bytes."""
    return f"{TEMPLATES_FOLDER}/{sha256(template).hexdigest()}.yaml"


def stack_name(collection: Collection) -> str:
    """The name of the stack and of its role: each folder has its own, because each has its own external id."""
    return f"similarix-{sha256((collection.external_id or '').encode()).hexdigest()[:_NAME_DIGITS]}"


def stack_parameters(collection: Collection, events_queue: str, *, notifies: bool) -> dict[str, str]:
    """The values of the template's parameters for the folder of a collection, which needs not be stored.

    Args:
        events_queue: its ARN. Our account is the queue's.
        notifies: whether the bucket sends its events; only a bucket in the queue's region can.
    """
    assert collection.external_id is not None
    parameters = {
        "Bucket": collection.bucket,
        "Folder": collection.prefix,
        "Objects": object_pattern(collection.prefix),
        "Service": events_queue.split(":")[4],
        "ExternalId": collection.external_id,
        "RoleName": stack_name(collection),
    }
    if notifies and can_notify(collection, events_queue):
        parameters["EventsQueue"] = events_queue
    return parameters


def can_notify(collection: Collection, events_queue: str) -> bool:
    """Whether S3 may send the bucket's events to the queue: only within one region."""
    return collection.region == queue_region(events_queue)


def quick_create_link(
    template_url: str, name: str, region: str, parameters: Mapping[str, str], partition: str = "aws"
) -> str:
    """The page of AWS's console that creates the stack, with everything filled in.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-create-stacks-quick-create-links.html

    Args:
        template_url: on S3; 5,120 characters at most:
            https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
    """
    fields = {"templateURL": template_url, "stackName": name}
    fields |= {f"param_{parameter}": value for parameter, value in parameters.items()}
    console = _CONSOLES.get(partition, "console.aws.amazon.com")
    host = f"{region}.{console}" if partition == "aws" else console
    query = urlencode(fields, quote_via=quote)
    return f"https://{host}/cloudformation/home?region={region}#/stacks/create/review?{query}"


def parse_role_or_account(value: str, collection: Collection, partition: str = "aws") -> str:
    """A role's ARN; the digits of an AWS account stand for the role of the stack there.

    Raises:
        InvalidRequest: it is neither.
    """
    digits = value.replace("-", "").replace(" ", "")  # as AWS's console shows and copies them
    if _ACCOUNT.fullmatch(digits):
        return f"arn:{partition}:iam::{digits}:role/{stack_name(collection)}"
    try:
        return parse_role(value)
    except InvalidRequest as error:
        raise InvalidRequest(f"{error.message} Or give the 12 digits of your AWS account.", field="role_arn") from None
