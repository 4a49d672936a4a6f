"""Offers the template of the stack that lets a customer's bucket be read: to download, and by one click."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chalicelib.domain.bucket_stacks import (
    TemplateArea,
    quick_create_link,
    stack_name,
    stack_parameters,
    template_key,
)
from chalicelib.domain.collections import Collection
from chalicelib.services.ports import ManagedStorage

TEMPLATE_URL_SECONDS = 3600  # in which a person must press 'Create stack'
_TEMPLATE = Path(__file__).with_name("bucket_stack.yaml")


@cache
def template() -> bytes:
    """The template, the same for every customer: what differs are its parameters."""
    return _TEMPLATE.read_bytes()


@dataclass(frozen=True, slots=True)
class BucketStackService:
    """``events_queue`` is an ARN."""

    storage: ManagedStorage
    events_queue: str

    def parameters(self, collection: Collection, *, notifies: bool) -> dict[str, str]:
        """The parameters for the folder of a collection that may be described only."""
        return stack_parameters(collection, self.events_queue, notifies=notifies)

    def link(self, collection: Collection, *, notifies: bool) -> str:
        """The page of AWS's console that creates the stack in the bucket's region, valid for an hour.

        CloudFormation reads templates from S3 only: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
        """
        area, key = TemplateArea(), template_key(template())
        self.storage.put(area, key, template(), "application/yaml")
        url = self.storage.presigned_get(area, key, seconds=TEMPLATE_URL_SECONDS)
        return quick_create_link(
            url,
            stack_name(collection),
            collection.region,
            self.parameters(collection, notifies=notifies),
            self.events_queue.split(":")[1],
        )
