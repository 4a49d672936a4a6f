"""What must be right before anything on AWS is changed; each error is a sentence that says what to do."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError, UnknownRegionError

from infra.cloudformation import CloudFormationStack, DeploymentError, Monitoring
from infra.template.edits import Template
from infra.workers import API, EMBEDDER, SCHEDULED, WORKERS

MAX_FUNCTION_NAME = 64  # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
# https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-add-custom-domain.html
COGNITO_CERTIFICATES = "us-east-1"
ROLLBACK_ALARM = "ApiErrorsAlarm"
# https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-supported-regions, on 2026-11-26
WITHOUT_SNAPSHOTS = ("ap-southeast-6", "ap-east-2")
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def check_region(session: boto3.Session) -> str:
    """The account's number.

    Raises:
        DeploymentError: there is no such region, it is not enabled, or there are no credentials for it.
    """
    region = session.region_name
    try:
        botocore.session.get_session().get_partition_for_region(region)
        return str(session.client("sts").get_caller_identity()["Account"])
    except UnknownRegionError as error:
        raise DeploymentError(f"AWS has no region {region!r}. Name one such as eu-central-1 with --region.") from error
    except ClientError as error:
        raise DeploymentError(
            f"AWS refuses your credentials in {region}: {error.response['Error']['Message']} Enable the region for the "
            "account if it is one to opt in to, or sign in again."
        ) from error
    except BotoCoreError as error:
        near = difflib.get_close_matches(region, session.get_available_regions("sts"), 1)
        hint = f" Did you mean {near[0]}?" if near and near[0] != region else ""
        raise DeploymentError(f"AWS cannot be called in {region}: {error}{hint}") from error


def check_stack_name(name: str) -> None:
    """Raises DeploymentError: CloudFormation refuses the name, or names made of it are too long."""
    functions = (API, EMBEDDER, *(row.function for row in WORKERS), *SCHEDULED)
    longest = MAX_FUNCTION_NAME - 1 - max(len(function.lambda_name) for function in functions)
    if not _STACK_NAME.fullmatch(name) or len(name) > longest:
        raise DeploymentError(
            f"A stack cannot be named {name!r}. Take a letter, then letters, digits and hyphens, {longest} at most."
        )


def effective_parameters(template: Template, given: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    """Every parameter's value: the given one, or the stack's, or the template's default.

    Raises:
        DeploymentError: the template has no such parameter, does not allow its value, or the values contradict.
    """
    declared = template["Parameters"]
    for name, value in given.items():
        if name not in declared:
            near = difflib.get_close_matches(name, declared, 1)
            hint = f"Did you mean {near[0]}?" if near else "docs/configuration.md has all."
            raise DeploymentError(f"There is no parameter {name}. {hint}")
        if wrong := _wrong(declared[name], value):
            raise DeploymentError(f"{name}={value} is not allowed: {wrong} {declared[name]['Description']}")
    values = {name: str(declaration.get("Default", "")) for name, declaration in declared.items()}
    values |= {name: value for name, value in current.items() if name in declared} | dict(given)
    _check_together(values)
    return values


def _wrong(declaration: Mapping[str, Any], value: str) -> str | None:
    """What a parameter's declaration has against a value."""
    allowed = [str(each) for each in declaration.get("AllowedValues", ())]
    if allowed and value not in allowed:
        return f"it is one of {', '.join(allowed)}."
    if declaration["Type"] == "Number":
        if not re.fullmatch(r"-?[0-9]+", value):
            return "it is a whole number."
        lowest, highest = declaration.get("MinValue"), declaration.get("MaxValue")
        if lowest is not None and int(value) < lowest:
            return f"it is {lowest} at least."
        if highest is not None and int(value) > highest:
            return f"it is {highest} at most."
    pattern = declaration.get("AllowedPattern")
    parts = value.split(",") if declaration["Type"] == "CommaDelimitedList" else [value]
    if pattern and not all(re.fullmatch(pattern, part) for part in parts):
        return f"it does not match {pattern}."
    return None


def _check_together(values: Mapping[str, str]) -> None:
    if values["VectorStore"] == "sqlite":
        raise DeploymentError(
            "VectorStore=sqlite is for one machine: on AWS the functions share no disk. Take domain, serverless or "
            "endpoint."
        )
    if values["VectorStore"] == "endpoint" and not values["OpenSearchEndpoint"]:
        raise DeploymentError(
            "VectorStore=endpoint needs the URL of the OpenSearch: --set OpenSearchEndpoint=https://…"
        )
    if bool(values["DomainName"]) != bool(values["CertificateArn"]):
        raise DeploymentError("DomainName and CertificateArn belong together: set both, or none of them.")
    if bool(values["SignInDomainName"]) != bool(values["SignInCertificateArn"]):
        raise DeploymentError("SignInDomainName and SignInCertificateArn belong together: set both, or none of them.")
    if values["HostedZoneId"] and not (values["DomainName"] or values["SignInDomainName"]):
        raise DeploymentError("HostedZoneId is the zone of DomainName and SignInDomainName: set one as well.")
    if bool(values["SignInEmailArn"]) != bool(values["SignInEmailFrom"]):
        raise DeploymentError("SignInEmailArn and SignInEmailFrom belong together: set both, or none of them.")
    if values["SignUp"] != "none" and values["PublicUrl"].startswith("http:"):
        raise DeploymentError(
            "Cognito returns users to a URL with https alone. Give PublicUrl one, or set SignUp=none."
        )
    reserved, ready = int(values["EmbedderReservedConcurrency"]), int(values["EmbedderProvisionedConcurrency"])
    if 0 < reserved < ready:
        raise DeploymentError(
            f"EmbedderProvisionedConcurrency={ready} is more than EmbedderReservedConcurrency={reserved} allows."
        )


def check_snapshots(values: Mapping[str, str], region: str) -> None:
    """Raises DeploymentError: the API is to start from snapshots, which Lambda does not take in the region."""
    if values["ApiSnapStart"] == "true" and region in WITHOUT_SNAPSHOTS:
        raise DeploymentError(f"Lambda has no SnapStart in {region}. Deploy with --set ApiSnapStart=false.")


def check_domain_names(client: Callable[..., Any], values: Mapping[str, str], region: str) -> None:
    """Returns if the names of the API and of the sign-in pages can be made, as far as there are any.

    Args:
        client: makes the client of a service, as that of a session does.

    Raises:
        DeploymentError: a certificate is missing, elsewhere, not issued or another name's, or so is the zone.
    """
    zone = values["HostedZoneId"]
    for name, certificate, where in (
        (values["DomainName"], values["CertificateArn"], region),
        (values["SignInDomainName"], values["SignInCertificateArn"], COGNITO_CERTIFICATES),
    ):
        if name:
            _check_certificate(client("acm", region_name=where), certificate, name, where)
            if zone:
                _check_zone(client("route53"), zone, name)


def _check_certificate(acm: Any, arn: str, name: str, region: str) -> None:
    if (where := arn.split(":")[3]) != region:
        raise DeploymentError(
            f"The certificate is in {where}, and {name} takes one of {region} alone. Ask for one there."
        )
    try:
        certificate = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise DeploymentError(
                f"There is no certificate {arn}. Certificate Manager lists those of {region}."
            ) from error
        raise
    if certificate["Status"] != "ISSUED":
        raise DeploymentError(
            f"The certificate {arn} is {certificate['Status']}. Prove that the name is yours; deploy once it is ISSUED."
        )
    covered = certificate.get("SubjectAlternativeNames") or [certificate["DomainName"]]
    if name not in covered and f"*.{name.partition('.')[2]}" not in covered:
        raise DeploymentError(
            f"The certificate is for {', '.join(covered)}, and not for {name}. Ask for one of that name."
        )


def _check_zone(route53: Any, zone: str, name: str) -> None:
    try:
        found = route53.get_hosted_zone(Id=zone)["HostedZone"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchHostedZone", "InvalidInput"):
            raise DeploymentError(
                f"Route 53 has no zone {zone}. Name another, or leave it out and make the record yourself."
            ) from error
        raise
    domain = found["Name"].rstrip(".")
    if name != domain and not name.endswith(f".{domain}"):
        raise DeploymentError(f"The zone {zone} is {domain}, which does not contain {name}. Name the zone that does.")


def monitoring(cloudformation: CloudFormationStack, cloudwatch: Any, minutes: int) -> Monitoring:
    """The alarm of the API's errors, if the stack has it already: CloudFormation fails where an alarm is missing.

    Raises:
        DeploymentError: the alarm is on, so that CloudFormation would roll back at once.
    """
    name = cloudformation.resource(ROLLBACK_ALARM) if minutes else None
    alarms = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] if name else []
    if any(alarm["StateValue"] == "ALARM" for alarm in alarms):
        raise DeploymentError(
            f"The alarm {name} is on, so CloudFormation would roll this deployment back. If it is the remedy, deploy "
            "it with --monitor-minutes 0."
        )
    return Monitoring([alarm["AlarmArn"] for alarm in alarms], minutes)
