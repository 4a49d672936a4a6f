from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from infra.package import Package, package
from infra.template.edits import with_code


@pytest.fixture(scope="session")
def packaged() -> Package:
    """The real application, packaged by Chalice; all processes share one, and so does the local system."""
    return package(thin=True)


@pytest.fixture(scope="session")
def template(packaged) -> dict:
    return packaged.template


@pytest.fixture(scope="session")
def resources(template) -> dict:
    return template["Resources"]


@pytest.fixture(scope="session")
def functions(resources) -> dict:
    """The properties of each function."""
    return of_type(resources, "AWS::Serverless::Function")


def translate(template: Mapping[str, Any], **parameters: str) -> dict[str, Any]:
    """The template as SAM's own translator hands it to CloudFormation, with these parameters' values in it."""
    # By the region SAM knows the partition. The template names no managed policy, so the translator needs none.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="eu-central-1"))
    translated: dict[str, Any] = translator.translate(with_code(template, "s3://artifacts/code.zip"), parameters)
    return translated


def of_type(resources: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The properties of the resources of a type, by name."""
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def referred(value: Mapping[str, Any]) -> str:
    """The logical name behind a Ref or Fn::GetAtt."""
    name: str = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
    return name


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]
