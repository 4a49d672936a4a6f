"""Deploy the packaged application with CloudFormation, onto AWS or onto the local emulator.

python -m infra.deploy --stack similarix --region eu-central-1 --image URI_OF_THE_EMBEDDER [--set LogLevel=DEBUG]
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.artifacts import Artifacts
from infra.cloudformation import CloudFormationStack, DeploymentError, Report
from infra.embedder import describe_model, model_variables, zip_embedder
from infra.emulator import Emulator
from infra.package import STAGE, WITHOUT_BYTECODE, Package, PackagingError, package
from infra.stack import adoption
from infra.stack.rollout import MONITOR_MINUTES, Order, Rollout, adopt
from infra.template.edits import (
    definition_digest,
    with_code,
    with_local_servers,
    with_local_webhooks,
    with_sign_in_at,
    with_zipped_embedder,
    without_alarms_that_calculate,
    without_tls,
)
from infra.template.versions import with_deployment
from infra.workers import API

LOCAL_STACK = "similarix"
DEFAULT_MODEL = "lite"  # of the local system
# The emulator's tag that chooses an API's identifier.
_CHOSEN_API_ID = "ms-custom-id"
NOTHING: Mapping[str, str] = {}


def deploy(session: boto3.Session, packaged: Package, order: Order, report: Report = print) -> dict[str, str]:
    """Deploy onto AWS; returns the stack's outputs.

    Raises:
        DeploymentError: something is wrong, and nothing was changed; or CloudFormation failed.
    """
    rollout = Rollout(session, packaged.template, order, report)
    rollout.prepare()
    if not packaged.has_bytecode:
        report(WITHOUT_BYTECODE)
    artifacts = _artifacts(session, None)
    template = with_code(packaged.template, artifacts.add_archive(packaged.code))
    return rollout.run(artifacts, template)


def deploy_locally(
    emulator: Emulator,
    packaged: Package,
    *,
    stack: str = LOCAL_STACK,
    parameters: Mapping[str, str],
    adopted: Mapping[str, str] = NOTHING,
    report: Report = print,
) -> dict[str, str]:
    """Deploy onto the emulator; returns the stack's outputs, and as ``ApiUrl`` the URL of the API.

    The template is the one for AWS but for the embedder, whose handler runs from an archive, for alarms that calculate,
    for the policies that ask for TLS, and for the domain and style of the sign-in pages: the emulator knows none.
    Events may be sent to this machine, too. The URL is known before the deployment, and changes with the API's
    definition, because the emulator cannot change an API in place.

    Args:
        packaged: a thin one; the functions import this interpreter's packages.
        parameters: of the template; PublicUrl is set to the API's URL unless it is given. EmbedderModel may also be a
            folder, written with a slash.
        adopted: as for AWS.

    Raises:
        DeploymentError: CloudFormation failed.
        ModelError: there is no such model, or it is incomplete.
    """
    session = emulator.session()
    artifacts = _artifacts(session, emulator.endpoint)
    model = describe_model(parameters.get("EmbedderModel", DEFAULT_MODEL))
    template = with_code(packaged.template, artifacts.add_archive(packaged.code))
    embedder = artifacts.add_archive(zip_embedder(model.name))
    template = without_tls(with_zipped_embedder(template, embedder, model_variables(model)))
    template = with_local_servers(with_local_webhooks(without_alarms_that_calculate(template)))
    template = with_sign_in_at(template, emulator.endpoint)
    api = f"{stack}-{definition_digest(template)}"
    url = emulator.api_url(api, STAGE)
    cloudformation = CloudFormationStack(
        session.client("cloudformation", endpoint_url=emulator.endpoint), stack, report, pause_seconds=0.1
    )
    if adopted:
        examined = adoption.examine(
            lambda service: session.client(service, endpoint_url=emulator.endpoint),  # type: ignore[call-overload]
            template,
            adopted,
            session.region_name,
        )
        adopt(cloudformation, artifacts, examined)
    values = {"PublicUrl": url, **parameters, "EmbedderModel": model.name}
    # A value that is a default is written out once the stack has it: that is no other deployment.
    defaults = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
    template = with_deployment(template, API.name, defaults | cloudformation.parameters() | values)
    if cloudformation.has(template, values):  # a change set would say the same, and takes the emulator a second
        outputs = cloudformation.outputs()
    else:
        outputs = cloudformation.deploy(artifacts.add_template(json.dumps(template)), values, {_CHOSEN_API_ID: api})
    return outputs | {"ApiUrl": url}


def _artifacts(session: boto3.Session, endpoint: str | None) -> Artifacts:
    account = session.client("sts", endpoint_url=endpoint).get_caller_identity()["Account"]
    artifacts = Artifacts(session.client("s3", endpoint_url=endpoint), account, session.region_name)
    artifacts.prepare()
    return artifacts


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description="Deploy Similarix onto AWS.")
    parser.add_argument(
        "--stack", required=True, help="the stack's name, the prefix of its functions' and queues' names"
    )
    parser.add_argument("--region", required=True, help="the AWS region")
    parser.add_argument("--image", default="", help="the embedder's image URI; a new stack needs it")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of infra/template/parameters.yaml"
    )
    parser.add_argument(
        "--allow-replacement",
        action="append",
        default=[],
        metavar="NAME",
        help="a resource that may be replaced or removed, with all that it contains",
    )
    parser.add_argument(
        "--monitor-minutes",
        type=int,
        default=MONITOR_MINUTES,
        choices=range(181),
        metavar="MINUTES",
        help="roll an update back if the API's errors rise within so many minutes; 0: never (default: %(default)s)",
    )
    parser.add_argument(
        "--adopt",
        action="append",
        default=[],
        metavar="NAME=TABLE_OR_BUCKET",
        help="make a new stack on a table, bucket or user pool that exists; see docs/operations.md",
    )
    options = parser.parse_args(arguments)
    if not options.stack or not options.region:
        # `make deploy` passes empty ones on where its variables are not set.
        parser.error(
            "name the stack and the region, and the embedder's image for a new stack, as in: "
            "make deploy STACK=similarix REGION=eu-central-1 IMAGE=URI"
        )
    parameters, adopted = _pairs(parser, "--set", options.set), _pairs(parser, "--adopt", options.adopt)
    if options.image:
        parameters["EmbedderImageUri"] = options.image
    order = Order(
        stack=options.stack,
        parameters=parameters,
        allowed=options.allow_replacement,
        monitor_minutes=options.monitor_minutes,
        adopted=adopted,
    )
    try:
        outputs = deploy(boto3.Session(region_name=options.region), package(), order)
    except (BotoCoreError, ClientError, DeploymentError, PackagingError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in sorted(outputs.items()):
        print(f"{name} {value}")
    return 0


def _pairs(parser: argparse.ArgumentParser, option: str, settings: Sequence[str]) -> dict[str, str]:
    pairs = dict(setting.split("=", 1) for setting in settings if "=" in setting)
    if len(pairs) < len(settings):
        parser.error(f"{option} takes NAME=VALUE, each NAME once")
    return pairs


if __name__ == "__main__":
    sys.exit(main())
