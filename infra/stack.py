"""One CloudFormation stack, brought to a template by a change set, with a line for each step on the way."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_cloudformation.client import CloudFormationClient

Say = Callable[[str], None]

CAPABILITIES: Any = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
# What CloudFormation says in place of an empty change set.
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# Follow from another failure, whose reason is the one to know.
CONSEQUENCES = ("cancelled", "The following resource(s) failed")


class DeploymentError(Exception):
    """The stack did not come to the template; the message names the first resource that failed, and why."""


class Stack:
    def __init__(
        self, cloudformation: "CloudFormationClient", name: str, say: Say = print, pause_seconds: float = 2
    ) -> None:
        self._client = cloudformation
        self._say = say
        self._pause_seconds = pause_seconds
        self.name = name

    def deploy(
        self, template_url: str, parameters: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Create or update the stack; answers its outputs. Where nothing changes, that is success.

        A parameter that is not given keeps its value, or takes the template's default in a new stack.

        Raises:
            DeploymentError: it failed, and CloudFormation has rolled it back or is about to.
        """
        status = self._settled_status()
        if status == "ROLLBACK_COMPLETE":
            self._say(f"{self.name}: removing what is left of a first deployment that failed")
            self._delete()
            status = None
        is_new = status is None or status == "REVIEW_IN_PROGRESS"
        if self._prepare(template_url, parameters, tags or {}, is_new=is_new):
            self._execute()
        return self.outputs()

    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name."""
        stack = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def _prepare(
        self, template_url: str, parameters: Mapping[str, str], tags: Mapping[str, str], *, is_new: bool
    ) -> bool:
        """Make the change set; answers whether there is anything to change."""
        self._change_set = f"deploy-{time.time_ns()}"
        known = self._client.get_template_summary(TemplateURL=template_url).get("Parameters", [])
        kept = set() if is_new else self._parameters()
        values: Any = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        for name in (parameter["ParameterKey"] for parameter in known):
            if name not in parameters and name in kept:
                values.append({"ParameterKey": name, "UsePreviousValue": True})
        self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=self._change_set,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateURL=template_url,
            Parameters=values,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            Capabilities=CAPABILITIES,
        )
        while (described := self._describe_change_set())["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            time.sleep(self._pause_seconds)
        if described["Status"] == "CREATE_COMPLETE":
            return True
        reason = described.get("StatusReason", "no reason given")
        self._client.delete_change_set(StackName=self.name, ChangeSetName=self._change_set)
        if any(sign in reason for sign in NO_CHANGES):
            self._say(f"{self.name}: nothing to change")
            return False
        raise DeploymentError(f"{self.name}: CloudFormation refused the change: {reason}")

    def _execute(self) -> None:
        old = {event["EventId"] for event in self._events()}
        self._client.execute_change_set(StackName=self.name, ChangeSetName=self._change_set)
        failure = None
        running = True
        while running:
            # The status first, so that the last look at the events comes after the end.
            running = (self._status() or "").endswith("IN_PROGRESS")
            for event in reversed([event for event in self._events() if event["EventId"] not in old]):
                old.add(event["EventId"])
                reason = event.get("ResourceStatusReason", "")
                self._say(f"  {event['ResourceStatus']:<24} {event['LogicalResourceId']}{reason and f': {reason}'}")
                is_cause = event["ResourceStatus"].endswith("_FAILED") and not any(c in reason for c in CONSEQUENCES)
                if is_cause and failure is None:
                    failure = f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
            if running:
                time.sleep(self._pause_seconds)
        status = self._status()
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise DeploymentError(f"{self.name}: {status}. {failure or 'CloudFormation gave no reason.'}")
        self._say(f"{self.name}: {status}")

    def _delete(self) -> None:
        self._client.delete_stack(StackName=self.name)
        while self._status() == "DELETE_IN_PROGRESS":
            time.sleep(self._pause_seconds)

    def _settled_status(self) -> str | None:
        """The stack's status once no earlier operation is under way; none without a stack."""
        if (status := self._status()) and status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            self._say(f"{self.name}: waiting for the end of {status}")
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

    def _describe_change_set(self) -> Mapping[str, Any]:
        return self._client.describe_change_set(StackName=self.name, ChangeSetName=self._change_set)

    def _events(self) -> Iterator[Mapping[str, Any]]:
        """Newest first."""
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=self.name):
            yield from page["StackEvents"]
