"""The stack that connects a customer's bucket: its template, its parameters, and the link that creates it."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import cfnlint
import cfnlint.decode.cfn_yaml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.bucket_stacks import (
    TemplateArea,
    parse_role_or_account,
    quick_create_link,
    stack_name,
    stack_parameters,
    template_key,
)
from chalicelib.domain.collections import Collection, parse_role
from chalicelib.domain.errors import AmbiguousNotifications, InvalidRequest, OutsideFolder
from chalicelib.domain.notifications import merge_notifications
from chalicelib.services.bucket_stacks import template
from tests.factories import a_collection
from tests.fakes.application import CONFIG, FakeAdapters, services_on

QUEUE = CONFIG.events_queue_arn
THEIRS = {"Id": "theirs", "QueueArn": f"{QUEUE}-of-theirs", "Events": ["s3:ObjectTagging:*"]}
FOLDERS = st.lists(st.sampled_from("ab"), max_size=3).map(lambda parts: "".join(f"{part}/" for part in parts))


def described(prefix: str = "photos/", region: str = CONFIG.aws_region) -> Collection:
    return a_collection(bucket="a-bucket", prefix=prefix, region=region, external_id="smx-1")


@pytest.fixture(scope="module")
def document() -> Any:
    return cfnlint.decode.cfn_yaml.loads(template().decode())


@pytest.fixture(scope="module")
def notifier(document: Any) -> dict[str, Any]:
    """What the notifier's code defines."""
    names: dict[str, Any] = {}
    exec(document["Resources"]["Notifier"]["Properties"]["Code"]["ZipFile"], names)
    return names


def test_cfn_lint_finds_nothing_in_the_template() -> None:
    assert [str(finding) for finding in cfnlint.lint(template().decode())] == []


def test_the_template_takes_every_parameter_and_has_no_value_of_a_customers(document: Any) -> None:
    parameters = stack_parameters(described(), QUEUE, notifies=True)

    assert set(parameters) | {"KeyArn"} == set(document["Parameters"])
    assert not {"Bucket", "Service", "ExternalId"} & {n for n, p in document["Parameters"].items() if "Default" in p}


@given(folders=st.lists(FOLDERS, min_size=1, max_size=5))
def test_the_stacks_notifications_are_those_of_the_command(notifier: dict[str, Any], folders: list[str]) -> None:
    by_stack: Any = {"QueueConfigurations": [THEIRS], "EventBridgeConfiguration": {}}
    by_command: Any = by_stack
    for folder in folders:
        by_stack = notifier["merged"](by_stack, folder, QUEUE)
        by_command = merge_notifications(by_command, folder, QUEUE)

        assert by_stack == by_command


@given(folders=st.lists(FOLDERS, max_size=4), folder=FOLDERS)
def test_a_deleted_stack_takes_its_own_folders_notifications_away_and_no_others(
    notifier: dict[str, Any], folders: list[str], folder: str
) -> None:
    before: Any = {"QueueConfigurations": [THEIRS], "EventBridgeConfiguration": {}}
    for other in folders:
        before = notifier["merged"](before, other, QUEUE)
    after = notifier["without"](before, folder, QUEUE)

    left = [each for each in before["QueueConfigurations"] if each is THEIRS or notifier["prefix"](each) != folder]
    assert after["QueueConfigurations"] == left
    assert after["EventBridgeConfiguration"] == {}


def test_a_bucket_without_other_notifications_has_none_after_the_stack(notifier: dict[str, Any]) -> None:
    assert notifier["without"](notifier["merged"]({}, "photos/", QUEUE), "photos/", QUEUE) == {}


def test_an_event_that_goes_elsewhere_is_left_to_s3_which_refuses_it(notifier: dict[str, Any]) -> None:
    taken = {"QueueConfigurations": [{**THEIRS, "Events": ["s3:ObjectCreated:*"]}]}

    with pytest.raises(AmbiguousNotifications):
        merge_notifications(taken, "", QUEUE)
    assert len(notifier["merged"](taken, "", QUEUE)["QueueConfigurations"]) == 2


def test_a_bucket_of_another_region_is_read_and_sends_no_events() -> None:
    assert "EventsQueue" in stack_parameters(described(), QUEUE, notifies=True)
    assert "EventsQueue" not in stack_parameters(described(), QUEUE, notifies=False)
    assert "EventsQueue" not in stack_parameters(described(region="us-east-2"), QUEUE, notifies=True)


def test_a_folder_whose_name_a_policy_would_read_otherwise_is_named_literally() -> None:
    parameters = stack_parameters(described("what?/"), QUEUE, notifies=True)

    assert (parameters["Folder"], parameters["Objects"]) == ("what?/", "what${?}/*")


@given(prefix=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40))
def test_the_link_has_the_template_and_every_parameter_as_it_is(prefix: str) -> None:
    collection, url = described(prefix), "https://s3.example/t.yaml?X-Amz-Signature=1&a=%2B"
    parameters = stack_parameters(collection, QUEUE, notifies=True)
    link = urlsplit(quick_create_link(url, stack_name(collection), "eu-west-1", parameters))

    assert link.netloc == "eu-west-1.console.aws.amazon.com"
    page, _, query = link.fragment.partition("?")
    fields = {name: value for name, (value,) in parse_qs(query, keep_blank_values=True).items()}
    assert page == "/stacks/create/review"
    assert fields.pop("templateURL") == url
    assert fields.pop("stackName") == stack_name(collection)
    assert fields == {f"param_{name}": value for name, value in parameters.items()}


def test_the_link_leads_to_the_template_in_storage() -> None:
    adapters = FakeAdapters.fresh()
    link = services_on(adapters).bucket_stacks.link(described(), notifies=True)

    assert template_key(template()) in unquote(unquote(link))
    assert adapters.storage.stored(TemplateArea(), template_key(template())) is not None


def test_the_folder_of_templates_holds_nothing_else() -> None:
    for key in ("templates/", "templates/x.yaml", "objects/a/b/c.jpg", f"{template_key(b'')}/..", "uploads/a/b/c"):
        with pytest.raises(OutsideFolder):
            TemplateArea().check(key)


def test_an_accounts_number_stands_for_the_role_that_the_stack_makes_there() -> None:
    collection = described()
    expected = f"arn:aws:iam::111122223333:role/{stack_name(collection)}"

    assert parse_role_or_account("111122223333", collection) == expected
    assert parse_role_or_account("1111-2222-3333", collection) == expected
    assert parse_role(expected) == expected
    assert parse_role_or_account("arn:aws:iam::111122223333:role/similarix-x", collection).endswith("similarix-x")
    with pytest.raises(InvalidRequest) as refused:
        parse_role_or_account("11112222333", collection)
    assert refused.value.field == "role_arn"
