"""The stack that connects a bucket, created in a customer's account: what it makes works, and leaves with it."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from chalicelib.domain.bucket_stacks import parse_role_or_account, stack_name, stack_parameters
from chalicelib.domain.collections import Collection
from chalicelib.domain.notifications import queue_configuration
from chalicelib.domain.users import Identity
from chalicelib.services.bucket_stacks import template
from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from tests.e2e.harness import Caller, bucket_source, eventually, picture
from tests.factories import a_collection

NewAccount = Callable[..., Caller]


def described(caller: Caller, source: dict[str, str]) -> Collection:
    """The folder as the page that connects buckets knows it."""
    external_id = caller.result("POST", "/api/collections/check/", json=source)["external_id"]
    return a_collection(
        bucket=source["bucket"], prefix="photos/", region=source["region"], external_id=external_id, account="customer"
    )


def test_a_stack_lets_its_folder_be_read_and_tells_of_changes_until_it_is_deleted(
    new_account: NewAccount, aws: Callable[[str], Any], stack: LocalSystem
) -> None:
    caller, s3, formation = new_account(), aws("s3"), aws("cloudformation")
    bucket, queue = f"customers-{uuid.uuid4().hex[:16]}", stack.outputs["EventsQueueArn"]
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="photos/owl.jpg", Body=picture("owl.jpg"))
    theirs = {"Id": "theirs", "QueueArn": queue, "Events": ["s3:ObjectTagging:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [theirs]})
    source = bucket_source(bucket)
    collection = described(caller, source)
    name = stack_name(collection)
    values = stack_parameters(collection, queue, notifies=True)

    formation.create_stack(
        StackName=name,
        TemplateBody=template().decode(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    (made,) = formation.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
    role = outputs["RoleArn"]
    assert outputs["Notifications"] == "on"
    assert role == parse_role_or_account(role.split(":")[4], collection)
    assert notified(s3, bucket) == {"theirs": "", queue_configuration("photos/", queue)["Id"]: "photos/"}

    report = caller.result("POST", "/api/collections/check/", json={**source, "role_arn": role})
    assert (report["readable"], report["warnings"]) == (True, [])
    connected = {**source, "type": "s3", "name": "n", "role_arn": role}
    created = caller.result("POST", "/api/collections/", json=connected)["collection"]["uuid"]
    s3.put_object(Bucket=bucket, Key="photos/pig.jpg", Body=picture("pig.jpg"))
    path = f"/api/collections/{created}/files/"
    eventually(lambda: [f["file_name"] for f in caller.result("GET", path)["files"] if f["state"] == "indexed"])

    formation.delete_stack(StackName=name)
    formation.get_waiter("stack_delete_complete").wait(StackName=made["StackId"], WaiterConfig={"Delay": 1})
    assert notified(s3, bucket) == {"theirs": ""}
    assert name not in [role["RoleName"] for role in aws("iam").list_roles()["Roles"]]
    assert caller("DELETE", f"/api/collections/{created}/").ok


def notified(s3: Any, bucket: str) -> dict[str, str]:
    """The prefixes of the bucket's notifications, by their names."""
    found = {}
    for each in s3.get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations", []):
        rules = each.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        found[each["Id"]] = rules[0]["Value"] if rules else ""
    return found


def test_the_one_click_link_has_a_template_that_cloudformation_can_fetch(
    deployment: Deployment, stack: LocalSystem
) -> None:
    services, name = deployment.services, uuid.uuid4().hex
    user, account = services.users.sign_in(Identity("https://issuer.example", name, f"{name}@example.com", True, "Jo"))
    cookie = services.sessions.begin(user, account, address="", agent="").cookie
    answer = requests.get(
        f"{stack.api_url}/collections/connect/stack",
        {"name": "n", **bucket_source("a-bucket"), "notify": "on"},
        cookies={"session": cookie},
        allow_redirects=False,
        timeout=30,
    )
    link = urlsplit(answer.headers["Location"])
    assert link.netloc == "us-east-1.console.aws.amazon.com"
    fields = parse_qs(link.fragment.partition("?")[2])
    (url,) = fields["templateURL"]
    assert len(url) <= 5120
    assert requests.get(url, timeout=30).content == template()
    assert fields["param_EventsQueue"] == [stack.outputs["EventsQueueArn"]]
