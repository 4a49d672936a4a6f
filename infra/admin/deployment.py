"""The deployment that a command administers: a stack on AWS, or the local system of ``make run``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3

from chalicelib.adapters.factory import AWSAdapters
from chalicelib.bootstrap import Services
from chalicelib.config import Config
from chalicelib.domain.messages import Queue
from infra.cloudformation import CloudFormationStack
from infra.workers import ALIAS


@dataclass(frozen=True)
class Deployment:
    """``endpoint`` is the emulator's, None on AWS; ``outputs`` are the stack's."""

    session: boto3.Session
    endpoint: str | None
    outputs: Mapping[str, str]

    @classmethod
    def on_aws(cls, stack: str, region: str | None) -> "Deployment":
        """With the caller's own AWS credentials."""
        session = boto3.Session(region_name=region)
        return cls(session, None, CloudFormationStack(session.client("cloudformation"), stack).outputs())

    def client(self, service: str, **options: Any) -> Any:
        """A client of an AWS service, with the administrator's credentials."""
        return self.session.client(service, endpoint_url=self.endpoint, **options)  # type: ignore[call-overload]

    @cached_property
    def services(self) -> Services:
        """The application's services, with the settings of the API that answers and the administrator's credentials."""
        name = self.outputs["APIHandlerName"]
        function = self.client("lambda").get_function_configuration(FunctionName=name, Qualifier=ALIAS)
        environment = function["Environment"]["Variables"] | {"AWS_REGION": self.session.region_name}
        environment.pop("FUNCTION_TIMEOUT", None)  # of the API's function; administration may wait
        config = Config.read(environment)
        return Services(config, AWSAdapters(config, self.client))

    def queue_url(self, queue: Queue) -> str:
        return self.outputs[f"{queue.capitalize()}QueueUrl"]

    def dead_letters_url(self, queue: Queue) -> str:
        return self.outputs[f"{queue.capitalize()}DeadLettersUrl"]
