"""What the packaged template promises to whoever is on call: alarms of every part, whom they reach, and what to do."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.workers import WORKERS
from tests.integration.infra.conftest import of_type, referred


@pytest.fixture(scope="session")
def alarms(resources) -> dict[str, dict[str, Any]]:
    return of_type(resources, "AWS::CloudWatch::Alarm")


def metrics(alarm: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Namespace, name and dimensions of each metric that an alarm watches."""
    for query in alarm.get("Metrics", [{"MetricStat": {"Metric": alarm}}]):
        if "MetricStat" in query:
            metric = query["MetricStat"]["Metric"]
            dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
            yield metric["Namespace"], metric["MetricName"], dimensions


def watched(alarms: dict[str, dict[str, Any]], namespace: str, name: str, dimension: str) -> set[str]:
    """The resources of which some alarm watches this metric."""
    found = [each for alarm in alarms.values() for each in metrics(alarm)]
    return {
        referred(dimensions[dimension]) for space, metric, dimensions in found if (space, metric) == (namespace, name)
    }


def test_every_function_has_alarms_of_errors_and_of_throttling(alarms, functions):
    for metric in ("Errors", "Throttles"):
        assert watched(alarms, "AWS/Lambda", metric, "FunctionName") == set(functions)


def test_every_queue_that_something_fails_into_has_an_alarm_of_its_first_message(alarms, resources):
    queues = of_type(resources, "AWS::SQS::Queue")
    fed = {name for name, queue in queues.items() if "RedrivePolicy" not in queue}

    assert watched(alarms, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName") == fed


def test_every_queue_has_an_alarm_of_its_oldest_message_whether_it_waits_or_was_received(alarms):
    queues = {row.queue_resource for row in WORKERS}

    assert watched(alarms, "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName") == queues
    assert watched(alarms, "Similarix", "OldestMessageSeconds", "queue") == queues
    for row in WORKERS:
        alarm = alarms[f"{row.queue.capitalize()}AgeAlarm"]
        assert len(list(metrics(alarm))) == 2
        assert alarm["Threshold"] == row.backlog_seconds


def test_every_queue_has_an_alarm_of_messages_that_fail_again_and_again(alarms):
    assert watched(alarms, "Similarix", "MessagesFailing", "queue") == {row.queue_resource for row in WORKERS}


def test_the_api_has_alarms_of_failed_requests_slow_requests_and_the_accounts_concurrency(alarms):
    of_api = {"ApiName": {"Ref": "AWS::StackName"}, "Stage": {"Ref": "RestAPI.Stage"}}
    seen = {
        (name, str(dimensions))
        for alarm in ("ApiErrorsAlarm", "ApiLatencyAlarm", "ConcurrencyAlarm")
        for _, name, dimensions in metrics(alarms[alarm])
    }

    assert seen == {
        ("5XXError", str(of_api)),
        ("Count", str(of_api)),
        ("Latency", str(of_api)),
        ("ConcurrentExecutions", "{}"),
    }
    assert alarms["ApiLatencyAlarm"]["ExtendedStatistic"] == "p95"


def test_cloudwatch_knows_the_api_by_the_name_of_its_stack(resources):
    definition = resources["RestAPI"]["Properties"]["DefinitionBody"]

    assert definition["info"]["title"] == {"Ref": "AWS::StackName"}


def test_a_domain_has_the_alarms_that_aws_recommends(alarms, resources):
    of_domain = {name for name in alarms if resources[name].get("Condition") == "HasDomain"}
    seen = {name for alarm in of_domain for _, name, _ in metrics(alarms[alarm])}

    assert seen == {
        "5xx",
        "ClusterIndexWritesBlocked",
        "ClusterStatus.red",
        "ClusterStatus.yellow",
        "CPUUtilization",
        "FreeStorageSpace",
        "JVMMemoryPressure",
        "KNNCircuitBreakerTriggered",
        "KNNGraphMemoryUsagePercentage",
    }


def test_serverless_has_alarms_of_errors_and_of_its_full_size(alarms, resources):
    of_serverless = {name for name in alarms if resources[name].get("Condition") == "HasServerless"}
    seen = {name for alarm in of_serverless for _, name, _ in metrics(alarms[alarm])}

    assert seen == {"SearchRequestErrors", "IngestionRequestErrors", "SearchOCU", "IndexingOCU"}


def test_an_alarm_names_only_metrics_of_its_own_store_and_is_made_only_with_it(alarms, resources):
    conditions = {"AWS/ES": "HasDomain", "AWS/AOSS": "HasServerless"}
    for name, alarm in alarms.items():
        for namespace, _, _ in metrics(alarm):
            assert resources[name].get("Condition") == conditions.get(namespace), name


def test_every_alarm_tells_the_topic_that_it_began_and_that_it_ended(alarms):
    topic = {"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, {"Ref": "AlarmTopic"}]}
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic], name


def test_an_alarm_is_seen_within_minutes(alarms):
    for name, alarm in alarms.items():
        queries = alarm.get("Metrics", [{"MetricStat": alarm}])
        period = max(query["MetricStat"]["Period"] for query in queries if "MetricStat" in query)
        assert period * alarm["EvaluationPeriods"] <= 900, name


def test_no_alarm_starts_only_because_there_is_nothing_to_measure(alarms):
    assert {alarm["TreatMissingData"] for alarm in alarms.values()} == {"notBreaching"}


def test_each_alarm_has_the_name_and_a_description_of_its_own(alarms):
    described = [alarm["AlarmDescription"] for alarm in alarms.values()]

    assert len(set(described)) == len(described)
    for name, alarm in alarms.items():
        assert alarm["AlarmName"] == {"Fn::Sub": f"${{AWS::StackName}}-{name}"}


class TestTopic:
    def test_the_stack_makes_a_topic_that_an_address_subscribes_to_where_one_is_given(self, template, resources):
        subscription = resources["AlarmSubscription"]

        assert resources["AlarmTopic"]["Type"] == "AWS::SNS::Topic"
        assert "Condition" not in resources["AlarmTopic"]
        assert subscription["Condition"] == "HasAlarmEmail"
        assert subscription["Properties"]["Protocol"] == "email"
        assert subscription["Properties"]["Endpoint"] == {"Ref": "AlarmEmail"}
        assert template["Parameters"]["AlarmEmail"]["Default"] == ""

    @pytest.mark.parametrize(
        ("address", "is_valid"), [("", True), ("a@b.example", True), ("a", False), ("a@b c.d", False)]
    )
    def test_an_address_is_checked_before_anything_changes(self, template, address, is_valid):
        assert bool(re.fullmatch(template["Parameters"]["AlarmEmail"]["AllowedPattern"], address)) is is_valid

    def test_alarms_of_this_account_alone_may_be_sent_to_the_topic(self, resources):
        allowed, refused = resources["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]

        assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        assert (refused["Effect"], refused["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


class TestBudget:
    def test_a_budget_is_made_only_where_an_amount_is_given(self, template, resources):
        assert resources["Budget"]["Condition"] == "HasBudget"
        assert template["Parameters"]["MonthlyBudget"]["Default"] == 0
        assert template["Conditions"]["HasBudget"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "MonthlyBudget"}, "0"]}]}

    def test_a_budget_without_an_address_is_refused_before_anything_changes(self, template):
        rule = template["Rules"]["BudgetHasAddress"]
        (assertion,) = rule["Assertions"]

        assert rule["RuleCondition"] == template["Conditions"]["HasBudget"]
        assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmEmail"}, ""]}]}

    def test_a_budget_warns_of_what_was_spent_and_of_what_is_forecast(self, resources):
        warnings = resources["Budget"]["Properties"]["NotificationsWithSubscribers"]

        assert [(w["Notification"]["NotificationType"], w["Notification"]["Threshold"]) for w in warnings] == [
            ("ACTUAL", 80),
            ("FORECASTED", 100),
        ]
        assert all(
            w["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": {"Ref": "AlarmEmail"}}] for w in warnings
        )
