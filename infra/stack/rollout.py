"""A deployment onto AWS, from what is looked at before to what is protected after it."""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infra.artifacts import Artifacts
from infra.cloudformation import CloudFormationStack, DeploymentError, Monitoring, Report
from infra.stack import adoption, changes, image, indexes, preconditions
from infra.template.edits import Template
from infra.template.versions import with_deployment
from infra.workers import API, EMBEDDER

MONITOR_MINUTES = 5  # as long as the alarm of the API's errors looks back
INDEX_SECONDS = 10.0  # between two looks at an index that is being filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A deployment onto AWS.

    Args:
        parameters: of the template, EmbedderImageUri among them when the stack is new; others keep their values.
        allowed: resources, by their names in the template, that may be replaced or removed with what they contain.
        monitor_minutes: for which an update is rolled back if the alarm of the API's errors goes off; 0 for none.
        adopted: the table, bucket or pool for each resource that outlives a stack, for a new stack on existing ones.
    """

    stack: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    allowed: Collection[str] = ()
    monitor_minutes: int = MONITOR_MINUTES
    adopted: Mapping[str, str] = field(default_factory=dict)


class Rollout:
    """One deployment onto AWS: ``prepare`` looks at everything and changes nothing, ``run`` changes the stack."""

    def __init__(
        self,
        session: Any,
        template: Template,
        order: Order,
        report: Report = print,
        *,
        fetch: image.Fetch = image.fetch,
        pause_seconds: float = 2,
        index_seconds: float = INDEX_SECONDS,
    ) -> None:
        self._session = session
        self._template = template
        self._order = order
        self._report = report
        self._fetch = fetch
        self._index_seconds = index_seconds
        self._stack = CloudFormationStack(session.client("cloudformation"), order.stack, report, pause_seconds)
        self._adopted: list[adoption.Adopted] = []
        self._monitoring = Monitoring()
        self._values: Mapping[str, str] = {}

    def prepare(self) -> None:
        """Check everything that can be checked before a change.

        Raises:
            DeploymentError: something is wrong; the message says what to do.
        """
        order, region = self._order, self._session.region_name
        preconditions.check_region(self._session)
        preconditions.check_stack_name(order.stack)
        self._stack.check()
        current = self._stack.parameters()
        values = preconditions.effective_parameters(self._template, order.parameters, current)
        image = self._image(values)
        self._order = replace(order, parameters=dict(order.parameters) | image)
        self._values = values | image
        preconditions.check_snapshots(values, region)
        preconditions.check_domain_names(self._session.client, values, region)
        self._monitoring = preconditions.monitoring(
            self._stack, self._session.client("cloudwatch"), order.monitor_minutes
        )
        if order.adopted:
            self._adopted = adoption.examine(self._session.client, self._template, order.adopted, region)

    def run(self, artifacts: Artifacts, template: Template) -> dict[str, str]:
        """Change the stack, in as many steps as it takes; returns its outputs.

        Raises:
            DeploymentError: CloudFormation failed, or a change would lose what is not allowed to be lost.
        """
        adopt(self._stack, artifacts, self._adopted)
        template = with_deployment(template, API.name, self._values)
        refuse_losses = changes.review(self._order.allowed)
        # CloudFormation cannot roll back the creation of a protected table, so those of a new stack are protected last.
        protected = {"DeletionProtection": "true"} | dict(self._order.parameters)
        if self._stack.is_new():
            self._stack.deploy(_url(artifacts, template), self._order.parameters)
            stages, tables = [template], []
        else:
            deployed = self._stack.template()
            tables = indexes.changed_tables(deployed, template)
            for stage in indexes.before(deployed, template):
                self._wait_for_indexes(tables)
                self._stack.deploy(_url(artifacts, stage), {}, review=refuse_losses)
            stages = indexes.after(deployed, template)
        for stage in stages:
            self._wait_for_indexes(tables)
            outputs = self._stack.deploy(
                _url(artifacts, stage), protected, review=refuse_losses, monitoring=self._monitoring
            )
        self._stack.protect()
        return outputs

    def _image(self, values: Mapping[str, str]) -> dict[str, str]:
        """The parameter that names the embedder's image by its digest, if an image or a model is given.

        Raises:
            DeploymentError: a new stack has no image, or it cannot run, or has another model than the stack.
        """
        given = self._order.parameters
        if not values["EmbedderImageUri"]:
            raise DeploymentError(
                f"A new stack needs the embedder's image in ECR. Build it ({image.BUILD} …), push it, and name it with "
                "--image."
            )
        if not given.keys() & {"EmbedderImageUri", "EmbedderModel"}:
            return {}
        (architecture,) = self._template["Resources"][EMBEDDER.name]["Properties"]["Architectures"]
        found = image.inspect(
            self._session.client("ecr"),
            values["EmbedderImageUri"],
            region=self._session.region_name,
            architecture=architecture,
            fetch=self._fetch,
        )
        if found.model not in (None, values["EmbedderModel"]):
            raise DeploymentError(
                f"The image contains the model {found.model}, and EmbedderModel is {values['EmbedderModel']}. Deploy "
                f"with --set EmbedderModel={found.model}; a stack that has pictures needs 'infra.admin migrate' before."
            )
        return {"EmbedderImageUri": found.uri}

    def _wait_for_indexes(self, tables: Sequence[str]) -> None:
        """Until all indexes of the tables can be queried; DynamoDB changes no table before that."""
        dynamodb = self._session.client("dynamodb")
        for name in tables:
            table = self._stack.resource(name)
            assert table is not None
            unfinished = self._unfinished(dynamodb, table)
            if unfinished:
                self._report(f"{self._order.stack}: waiting for {', '.join(unfinished)} of {name}")
            while unfinished:
                time.sleep(self._index_seconds)
                unfinished = self._unfinished(dynamodb, table)

    @staticmethod
    def _unfinished(dynamodb: Any, table: str) -> list[str]:
        found = dynamodb.describe_table(TableName=table)["Table"].get("GlobalSecondaryIndexes", ())
        return [index["IndexName"] for index in found if index.get("IndexStatus", "ACTIVE") != "ACTIVE"]


def adopt(stack: CloudFormationStack, artifacts: Artifacts, adopted: Sequence[adoption.Adopted]) -> None:
    """Make the adopted tables and buckets the stack's, unless an earlier attempt has.

    Raises:
        DeploymentError: the stack has others, or CloudFormation refused it.
    """
    if not adopted:
        return
    if not stack.is_new():
        owned = {each.existing.name: stack.resource(each.existing.name) for each in adopted}
        if all(owned[each.existing.name] in each.existing.identifier.values() for each in adopted):
            return
        if not any(owned.values()):
            raise DeploymentError(
                f"The stack {stack.name} is what an adoption that failed has left. Run 'aws cloudformation "
                f"delete-stack --stack-name {stack.name}', and deploy again after it."
            )
        raise DeploymentError(
            f"The stack {stack.name} has tables and buckets of its own. Adopt these into a new stack."
        )
    stack.adopt(artifacts.add_template(adoption.import_template(adopted)), [each.existing for each in adopted])


def _url(artifacts: Artifacts, template: Template) -> str:
    return artifacts.add_template(json.dumps(template))
