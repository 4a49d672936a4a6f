"""Deploys a template as one CloudFormation stack, by change sets, and reports each step."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_cloudformation.client import CloudFormationClient

Report = Callable[[str], None]  # is given a line for a person to read
Change = Mapping[str, Any]  # a ResourceChange of a change set
Review = Callable[[Sequence[Change]], None]  # raises DeploymentError for changes that must not be made

CAPABILITIES: Any = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
# CloudFormation's reasons for refusing an empty change set.
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# Reasons of failures that follow from another one, whose reason is the one to report.
CONSEQUENCES = ("cancelled", "The following resource(s) failed")
COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
# What to do with a stack that no change set can be made for:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html
UNFINISHED = {
    "UPDATE_ROLLBACK_FAILED": "Its rollback failed. Mend what its events name, run 'aws cloudformation "
    "continue-update-rollback --stack-name {name}', and deploy again after it.",
    "ROLLBACK_FAILED": "Its first deployment failed, and so did the removal of what it had made. Run 'aws "
    "cloudformation delete-stack --stack-name {name}', and deploy again after it.",
    "CREATE_FAILED": "Its first deployment failed. Run 'aws cloudformation delete-stack --stack-name {name}', and "
    "deploy again after it.",
    "DELETE_FAILED": "Its deletion failed. Run 'aws cloudformation delete-stack --stack-name {name} --deletion-mode "
    "FORCE_DELETE_STACK', and deploy again after it.",
    "IMPORT_ROLLBACK_FAILED": "The adoption of its storage failed, and so did the rollback. Mend what its events name, "
    "run 'aws cloudformation continue-update-rollback --stack-name {name}', and deploy again after it.",
}


class DeploymentError(Exception):
    """The deployment failed or was refused; the message says what, why, and what to do.

    Commands print it: ``infra.deploy``, ``infra.restore`` and ``make run``.
    """


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Alarms that roll an update back if one goes off while it runs, or within some minutes afterwards."""

    alarms: Sequence[str] = ()  # their ARNs
    minutes: int = 0

    def to_configuration(self) -> dict[str, Any]:
        triggers = [{"Arn": alarm, "Type": "AWS::CloudWatch::Alarm"} for alarm in self.alarms]
        return {"RollbackTriggers": triggers, "MonitoringTimeInMinutes": self.minutes if triggers else 0}


@dataclass(frozen=True, slots=True)
class Existing:
    """A resource that exists and becomes the stack's; ``identifier`` is that of its type, such as TableName."""

    name: str
    kind: str
    identifier: Mapping[str, str]


class CloudFormationStack:
    def __init__(
        self, cloudformation: "CloudFormationClient", name: str, report: Report = print, pause_seconds: float = 2
    ) -> None:
        self._client = cloudformation
        self._report = report
        self._pause_seconds = pause_seconds
        self.name = name

    def check(self) -> None:
        """Returns if the stack can be deployed now.

        Raises:
            DeploymentError: another operation is under way, or an earlier one has left the stack unfinished.
        """
        status = self.status()
        if status in UNFINISHED:
            raise DeploymentError(f"{self.name} is {status}. {UNFINISHED[status].format(name=self.name)}")
        if status and status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise DeploymentError(
                f"{self.name} is {status}: another deployment changes it. Wait for its end, and deploy again after it."
            )

    def deploy(
        self,
        template_url: str,
        parameters: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
        *,
        review: Review | None = None,
        monitoring: Monitoring | None = None,
    ) -> dict[str, str]:
        """Create or update the stack; returns its outputs. A deployment that changes nothing succeeds, too.

        A parameter that is not given keeps its value; in a new stack it has the template's default.

        Args:
            review: is given what an update would change, before anything is changed.
            monitoring: of an update; an update without keeps the stack's.

        Raises:
            DeploymentError: the deployment failed, and CloudFormation rolls it back; or the review refused it.
        """
        status = self._settled_status()
        if status == "ROLLBACK_COMPLETE":
            self._report(f"{self.name}: removing the remains of a first deployment that failed")
            self._delete()
            status = None
        is_new = status is None or status == "REVIEW_IN_PROGRESS"
        arguments: dict[str, Any] = {
            "ChangeSetType": "CREATE" if is_new else "UPDATE",
            "Tags": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
            "Parameters": self._values(template_url, parameters, set() if is_new else set(self.parameters())),
        }
        if monitoring is not None and not is_new:
            arguments["RollbackConfiguration"] = monitoring.to_configuration()
        self._change(template_url, arguments, None if is_new else review)
        return self.outputs()

    def adopt(self, template_url: str, resources: Sequence[Existing]) -> None:
        """Make resources that exist the stack's, which is new; the template has these alone.

        Raises:
            DeploymentError: CloudFormation refused it, for instance because another stack has one of them.
        """
        imported = [
            {"LogicalResourceId": each.name, "ResourceType": each.kind, "ResourceIdentifier": dict(each.identifier)}
            for each in resources
        ]
        self._change(template_url, {"ChangeSetType": "IMPORT", "ResourcesToImport": imported}, None)

    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._stack().get("Outputs", [])}

    def parameters(self) -> dict[str, str]:
        """The stack's parameters by name; none without a stack."""
        if self.status() in (None, "REVIEW_IN_PROGRESS"):
            return {}
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in self._stack().get("Parameters", [])}

    def template(self) -> dict[str, Any]:
        """The template as it was last deployed, before transforms."""
        body: Any = self._client.get_template(StackName=self.name, TemplateStage="Original")["TemplateBody"]
        # botocore reads a template of JSON by itself.
        return dict(json.loads(body) if isinstance(body, str) else body)

    def has(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> bool:
        """Whether the stack was deployed last, to the end, from this template and with these values."""
        if self.status() not in COMPLETE:
            return False
        return parameters.items() <= self.parameters().items() and self.template() == template

    def resource(self, name: str) -> str | None:
        """The physical name of a resource; None where the stack has none of this logical name."""
        try:
            found = self._client.describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return found["StackResourceDetail"].get("PhysicalResourceId")

    def protect(self) -> None:
        """Have CloudFormation refuse to delete the stack until somebody takes the protection away."""
        self._client.update_termination_protection(StackName=self.name, EnableTerminationProtection=True)

    def is_new(self) -> bool:
        """Whether there is no stack, or only what a first deployment that failed has left."""
        return self.status() in (None, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE")

    def status(self) -> str | None:
        """Its status; None without a stack."""
        try:
            status = self._stack()["StackStatus"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return None if status == "DELETE_COMPLETE" else status

    def _values(self, template_url: str, parameters: Mapping[str, str], current: set[str]) -> list[dict[str, Any]]:
        declared = self._client.get_template_summary(TemplateURL=template_url).get("Parameters", [])
        values: list[dict[str, Any]] = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ]
        for name in (parameter["ParameterKey"] for parameter in declared):
            if name not in parameters and name in current:
                values.append({"ParameterKey": name, "UsePreviousValue": True})
        return values

    def _change(self, template_url: str, arguments: Mapping[str, Any], review: Review | None) -> None:
        """Make a change set, have it reviewed, and execute it; does nothing when nothing changes."""
        change_set = f"deploy-{time.time_ns()}"
        self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=change_set,
            TemplateURL=template_url,
            Capabilities=CAPABILITIES,
            **arguments,
        )
        while (state := self._describe(change_set))["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            time.sleep(self._pause_seconds)
        if state["Status"] != "CREATE_COMPLETE":
            reason = state.get("StatusReason", "no reason given")
            self._discard(change_set)
            if not any(text in reason for text in NO_CHANGES):
                raise DeploymentError(f"{self.name}: CloudFormation refused the change: {reason}")
            self._report(f"{self.name}: nothing to change")
            return
        if review is not None:
            try:
                review(self._changes(change_set))
            except DeploymentError:
                self._discard(change_set)
                raise
        self._execute(change_set)

    def _changes(self, change_set: str) -> list[Change]:
        """Of all pages: one has a hundred changes at most."""
        pages = self._client.get_paginator("describe_change_set").paginate(
            StackName=self.name, ChangeSetName=change_set
        )
        return [change["ResourceChange"] for page in pages for change in page["Changes"] if "ResourceChange" in change]

    def _execute(self, change_set: str) -> None:
        newest = next((event["EventId"] for event in self._events()), None)
        self._client.execute_change_set(StackName=self.name, ChangeSetName=change_set)
        failure = None
        running = True
        while running:
            # The status is read first, so that the events are read once more after the end.
            running = (self.status() or "").endswith("IN_PROGRESS")
            for event in reversed(self._events_after(newest)):
                newest = event["EventId"]
                self._report_event(event)
                failure = failure or _cause(event)
            if running:
                time.sleep(self._pause_seconds)
        status = self.status()
        if status not in COMPLETE:
            raise DeploymentError(f"{self.name}: {status}. {failure or 'CloudFormation gave no reason.'}")

    def _report_event(self, event: Mapping[str, Any]) -> None:
        status, name, reason = event["ResourceStatus"], event["LogicalResourceId"], event.get("ResourceStatusReason")
        # The start of a resource is worth no line, the rollback of the stack is.
        if not status.endswith("IN_PROGRESS") or name == self.name:
            self._report(f"  {status:<24} {name}{f': {reason}' if reason else ''}")

    def _discard(self, change_set: str) -> None:
        self._client.delete_change_set(StackName=self.name, ChangeSetName=change_set)

    def _delete(self) -> None:
        self._client.delete_stack(StackName=self.name)
        while self.status() == "DELETE_IN_PROGRESS":
            time.sleep(self._pause_seconds)

    def _settled_status(self) -> str | None:
        """The stack's status once no earlier operation is under way; None without a stack."""
        if (status := self.status()) and status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            self._report(f"{self.name}: waiting for the end of {status}")
            while (status := self.status()) and status.endswith("IN_PROGRESS"):
                time.sleep(self._pause_seconds)
        return status

    def _stack(self) -> Mapping[str, Any]:
        return self._client.describe_stacks(StackName=self.name)["Stacks"][0]

    def _describe(self, change_set: str) -> Mapping[str, Any]:
        return self._client.describe_change_set(StackName=self.name, ChangeSetName=change_set)

    def _events(self) -> Iterator[Mapping[str, Any]]:
        """Newest first."""
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=self.name):
            yield from page["StackEvents"]

    def _events_after(self, newest: str | None) -> list[Mapping[str, Any]]:
        """Newest first. A stack has a long history: it is read no further than to what is known."""
        found = []
        for event in self._events():
            if event["EventId"] == newest:
                break
            found.append(event)
        return found


def _cause(event: Mapping[str, Any]) -> str | None:
    """What failed and why, if the event is a failure that does not follow from another one."""
    reason = event.get("ResourceStatusReason", "")
    if not event["ResourceStatus"].endswith("_FAILED") or any(text in reason for text in CONSEQUENCES):
        return None
    return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
