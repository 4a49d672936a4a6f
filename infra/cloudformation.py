"""Deploys a template as one CloudFormation stack, by a change set, and reports each step."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_cloudformation.client import CloudFormationClient

Report = Callable[[str], None]  # is given a line for a person to read

CAPABILITIES: Any = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
# CloudFormation's reasons for refusing an empty change set.
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# Reasons of failures that follow from another one, whose reason is the one to report.
CONSEQUENCES = ("cancelled", "The following resource(s) failed")


class DeploymentError(Exception):
    """The deployment failed; the message names the first resource that failed, and why.

    Commands print it: ``infra.deploy`` and ``make run``.
    """


class CloudFormationStack:
    def __init__(
        self, cloudformation: "CloudFormationClient", name: str, report: Report = print, pause_seconds: float = 2
    ) -> None:
        self._client = cloudformation
        self._report = report
        self._pause_seconds = pause_seconds
        self.name = name

    def deploy(
        self, template_url: str, parameters: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Create or update the stack; returns its outputs. A deployment that changes nothing succeeds, too.

        A parameter that is not given keeps its value; in a new stack it has the template's default.

        Raises:
            DeploymentError: the deployment failed, and CloudFormation rolls it back.
        """
        status = self._settled_status()
        if status == "ROLLBACK_COMPLETE":
            self._report(f"{self.name}: removing the remains of a first deployment that failed")
            self._delete()
            status = None
        is_new = status is None or status == "REVIEW_IN_PROGRESS"
        change_set = self._prepare(template_url, parameters, tags or {}, is_new=is_new)
        if change_set is not None:
            self._execute(change_set)
        return self.outputs()

    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name."""
        stack = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def _prepare(
        self, template_url: str, parameters: Mapping[str, str], tags: Mapping[str, str], *, is_new: bool
    ) -> str | None:
        """Create a change set; returns its name, or None when nothing changes."""
        declared = self._client.get_template_summary(TemplateURL=template_url).get("Parameters", [])
        current = set() if is_new else self._parameters()
        values: Any = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        for name in (parameter["ParameterKey"] for parameter in declared):
            if name not in parameters and name in current:
                values.append({"ParameterKey": name, "UsePreviousValue": True})
        change_set = f"deploy-{time.time_ns()}"
        self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=change_set,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateURL=template_url,
            Parameters=values,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            Capabilities=CAPABILITIES,
        )
        while (state := self._describe(change_set))["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            time.sleep(self._pause_seconds)
        if state["Status"] == "CREATE_COMPLETE":
            return change_set
        reason = state.get("StatusReason", "no reason given")
        self._client.delete_change_set(StackName=self.name, ChangeSetName=change_set)
        if any(text in reason for text in NO_CHANGES):
            self._report(f"{self.name}: nothing to change")
            return None
        raise DeploymentError(f"{self.name}: CloudFormation refused the change: {reason}")

    def _execute(self, change_set: str) -> None:
        seen = {event["EventId"] for event in self._events()}
        self._client.execute_change_set(StackName=self.name, ChangeSetName=change_set)
        failure = None
        running = True
        while running:
            # The status is read first, so that the events are read once more after the end.
            running = (self._status() or "").endswith("IN_PROGRESS")
            for event in reversed([event for event in self._events() if event["EventId"] not in seen]):
                seen.add(event["EventId"])
                self._report_event(event)
                failure = failure or _cause(event)
            if running:
                time.sleep(self._pause_seconds)
        status = self._status()
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise DeploymentError(f"{self.name}: {status}. {failure or 'CloudFormation gave no reason.'}")

    def _report_event(self, event: Mapping[str, Any]) -> None:
        status, name, reason = event["ResourceStatus"], event["LogicalResourceId"], event.get("ResourceStatusReason")
        # The start of a resource is worth no line, the rollback of the stack is.
        if not status.endswith("IN_PROGRESS") or name == self.name:
            self._report(f"  {status:<24} {name}{f': {reason}' if reason else ''}")

    def _delete(self) -> None:
        self._client.delete_stack(StackName=self.name)
        while self._status() == "DELETE_IN_PROGRESS":
            time.sleep(self._pause_seconds)

    def _settled_status(self) -> str | None:
        """The stack's status once no earlier operation is under way; None without a stack."""
        if (status := self._status()) and status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            self._report(f"{self.name}: waiting for the end of {status}")
            while (status := self._status()) and status.endswith("IN_PROGRESS"):
                time.sleep(self._pause_seconds)
        return status

    def _status(self) -> str | None:
        try:
            status = self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return None if status == "DELETE_COMPLETE" else status

    def _parameters(self) -> set[str]:
        stack = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        return {parameter["ParameterKey"] for parameter in stack.get("Parameters", [])}

    def _describe(self, change_set: str) -> Mapping[str, Any]:
        return self._client.describe_change_set(StackName=self.name, ChangeSetName=change_set)

    def _events(self) -> Iterator[Mapping[str, Any]]:
        """Newest first."""
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=self.name):
            yield from page["StackEvents"]


def _cause(event: Mapping[str, Any]) -> str | None:
    """What failed and why, if the event is a failure that does not follow from another one."""
    reason = event.get("ResourceStatusReason", "")
    if not event["ResourceStatus"].endswith("_FAILED") or any(text in reason for text in CONSEQUENCES):
        return None
    return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
