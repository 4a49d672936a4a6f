"""The deployment that a command administers: on AWS by its stack, here by what ``make run`` wrote down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from chalicelib.adapters.factory import AWSAdapters
from chalicelib.bootstrap import Services
from chalicelib.config import Config
from infra.cloudformation import CloudFormationStack
from infra.emulator import Emulator

FOLDER = Path(".local")
STACK_FILE = "stack.json"


class DeploymentNotFound(Exception):
    """There is nothing to administer; the message says where it was looked for."""


@dataclass(frozen=True)
class Deployment:
    """``endpoint`` is the emulator's; None on AWS. ``outputs`` are the stack's."""

    session: boto3.Session
    endpoint: str | None
    outputs: Mapping[str, str]

    @classmethod
    def on_aws(cls, stack: str, region: str | None) -> "Deployment":
        """With the caller's own AWS credentials."""
        session = boto3.Session(region_name=region)
        return cls(session, None, CloudFormationStack(session.client("cloudformation"), stack).outputs())

    @classmethod
    def local(cls, file: Path = FOLDER / STACK_FILE) -> "Deployment":
        if not file.exists():
            raise DeploymentNotFound(f"There is no {file}: no local system has been set up here. Start one: make run")
        stack = json.loads(file.read_text())
        emulator = Emulator(file.parent, int(stack["aws_endpoint"].rpartition(":")[2]))
        return cls(emulator.session(), emulator.endpoint, stack["outputs"])

    def client(self, service: str, **options: Any) -> Any:
        """A client of an AWS service, as the deployment's administrator."""
        return self.session.client(service, endpoint_url=self.endpoint, **options)  # type: ignore[call-overload]

    @cached_property
    def services(self) -> Services:
        """The application's services, set up as the API's function has them, with the administrator's rights."""
        function = self.client("lambda").get_function_configuration(FunctionName=self.outputs["APIHandlerName"])
        environment = function["Environment"]["Variables"] | {"AWS_REGION": self.session.region_name}
        config = Config.read(environment)
        return Services(config, AWSAdapters(config, self.client))
