"""What the dashboard shows: four questions, and nothing that the stack does not have."""

import json
import re
from typing import Any

import pytest

from infra.workers import WORKERS

WIDTH = 24  # of CloudWatch's grid
NAMES = {"${AWS::StackName}", "${AWS::Region}", "${AWS::AccountId}", "${AWS::Partition}", "${RestAPI.Stage}", "${Name}"}


def store(resources, conditions: dict[str, bool]) -> str:
    """The text of the store's widgets where these conditions hold."""
    value = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][1]["Store"]
    while not isinstance(value, str):
        if "Fn::If" in value:
            condition, yes, no = value["Fn::If"]
            value = yes if conditions[condition] else no
        else:
            value = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
    return value


@pytest.fixture(params=["HasDomain", "HasServerless", "neither"])
def widgets(request, resources) -> list[dict[str, Any]]:
    """Of the dashboard with each kind of store."""
    text = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
    conditions = {name: name == request.param for name in ("HasDomain", "HasServerless")}
    found: list[dict[str, Any]] = json.loads(text.replace("${Store}", store(resources, conditions)))["widgets"]
    return found


def lines(widgets: list[dict[str, Any]]) -> list[list[Any]]:
    return [line for widget in widgets if widget["type"] == "metric" for line in widget["properties"]["metrics"]]


def test_the_dashboard_answers_four_questions(widgets):
    headings = [widget["properties"]["markdown"] for widget in widgets if widget["type"] == "text"]

    assert headings[:4] == ["## Is it up?", "## Is it fast?", "## Is anything stuck?", "## What does it cost?"]


def test_widgets_lie_in_the_grid_and_do_not_overlap(widgets):
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        columns = range(widget["x"], widget["x"] + widget["width"])
        cells = {(x, y) for x in columns for y in range(widget["y"], widget["y"] + widget["height"])}
        assert columns.stop <= WIDTH
        assert not cells & taken
        taken |= cells


def test_every_name_in_the_dashboard_is_one_that_the_template_has(widgets, template):
    placeholders = set(re.findall(r"\$\{[^}]+\}", json.dumps(widgets))) - NAMES
    known = {*template["Resources"], *template["Parameters"]}

    assert {placeholder[2:-1].partition(".")[0] for placeholder in placeholders} <= known


def test_every_function_queue_and_table_is_shown(widgets, template):
    text = json.dumps(widgets)
    kinds = {"AWS::Serverless::Function", "AWS::DynamoDB::Table", "AWS::S3::Bucket"}
    for name, resource in template["Resources"].items():
        if resource["Type"] in kinds:
            assert f"${{{name}}}" in text, name
    for row in WORKERS:
        for name in (row.queue_resource, row.dead_letters_resource):
            assert f"${{{name}.QueueName}}" in text, name


def test_every_alarm_that_each_stack_has_shows_its_state(widgets, resources):
    (states,) = [widget for widget in widgets if widget["type"] == "alarm"]
    shown = {arn.rpartition("${AWS::StackName}-")[2] for arn in states["properties"]["alarms"]}

    assert shown == {
        name for name, resource in resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in resource
    }  # fmt: skip
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    assert len(shown) <= 100


def test_an_expression_names_metrics_of_its_own_graph(widgets):
    for widget in widgets:
        if widget["type"] != "metric":
            continue
        metrics = widget["properties"]["metrics"]
        identifiers = {line[-1]["id"] for line in metrics if isinstance(line[-1], dict) and "id" in line[-1]}
        for line in metrics:
            if len(line) == 1:
                named = set(re.findall(r"\b[a-z]+\d*\b", re.sub(r"\$\{[^}]+\}", "1", line[0]["expression"])))
                assert named <= identifiers


def test_a_graph_has_no_more_than_500_metrics_and_a_dashboard_no_more_than_2500(widgets):
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
    assert max(len(widget["properties"].get("metrics", [])) for widget in widgets) <= 500
    assert len(lines(widgets)) <= 2500


def test_only_the_graphs_of_the_stacks_own_store_are_shown(resources):
    assert "AWS/AOSS" not in store(resources, {"HasDomain": True, "HasServerless": False})
    assert "AWS/ES" not in store(resources, {"HasDomain": False, "HasServerless": True})
    assert store(resources, {"HasDomain": False, "HasServerless": False}) == ""
