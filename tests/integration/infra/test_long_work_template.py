"""What the packaged template promises of work that takes long or cannot be delivered: it is not cut off or lost."""

import pytest

from chalicelib.domain.messages import MAX_CONTINUATIONS
from infra.template.edits import ONLY_TLS
from infra.template.functions import SCHEDULE_DEAD_LETTERS
from infra.workers import SCHEDULED, WORKERS
from tests.integration.infra.conftest import as_list, of_type, referred, statements

FOURTEEN_DAYS = 14 * 24 * 3600  # the longest that SQS keeps a message, and what a first sync may take
LAMBDAS_LIMIT = 16  # invocations of one chain: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html


class TestLoops:
    @pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
    def test_a_function_may_run_in_a_loop_if_it_may_send_to_the_queue_that_invokes_it(self, resources, functions, row):
        role = resources[f"{row.function.name}Role"]["Properties"]
        feeds_itself = any(
            {"Fn::GetAtt": [row.queue_resource, "Arn"]} in as_list(statement["Resource"])
            for statement in statements(role)
            if any(action.startswith("sqs:SendMessage") for action in as_list(statement["Action"]))
        )

        assert functions[row.function.name].get("RecursiveLoop") == ("Allow" if feeds_itself else None)

    def test_no_other_function_may(self, functions):
        allowed = {name for name, properties in functions.items() if "RecursiveLoop" in properties}

        assert allowed == {row.function.name for row in WORKERS if row.feeds_itself}

    def test_the_guard_of_our_own_allows_more_than_lambda_would(self):
        assert MAX_CONTINUATIONS > 100 * LAMBDAS_LIMIT

    def test_an_alarm_says_when_any_work_was_continued_too_often(self, resources):
        _, *queries = resources["ContinuationAlarm"]["Properties"]["Metrics"]
        metrics = [query["MetricStat"]["Metric"] for query in queries]

        assert {metric["MetricName"] for metric in metrics} == {"ContinuationLimits"}
        assert {referred(metric["Dimensions"][1]["Value"]) for metric in metrics} == {
            row.queue_resource for row in WORKERS if row.feeds_itself
        }

    def test_an_alarm_says_when_lambda_drops_a_loop_all_the_same(self, resources):
        for row in WORKERS:
            alarm = resources[f"{row.function.name}LoopAlarm"]["Properties"]

            assert alarm["MetricName"] == "RecursiveInvocationsDropped"
            assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": row.function.name}}]


class TestPurge:
    def test_an_alarm_says_when_records_are_purged_days_later_than_they_should_be(self, resources):
        alarm = resources["PurgeOverdueAlarm"]["Properties"]

        assert (alarm["Namespace"], alarm["MetricName"]) == ("Similarix", "PurgeOverdueDays")
        assert referred(alarm["Dimensions"][1]["Value"]) == "PurgesQueue"
        assert alarm["Statistic"] == "Maximum"


class TestRetention:
    def test_every_queue_keeps_messages_for_14_days(self, resources):
        for name, queue in of_type(resources, "AWS::SQS::Queue").items():
            assert queue["MessageRetentionPeriod"] == FOURTEEN_DAYS, name


class TestDeadLetters:
    def test_every_target_of_eventbridge_has_dead_letters(self, resources):
        for name, rule in of_type(resources, "AWS::Events::Rule").items():
            for target in rule["Targets"]:
                assert referred(target["DeadLetterConfig"]["Arn"]) in resources, name

    def test_an_event_that_eventbridge_cannot_deliver_is_redriven_with_the_events_workers_own(self, resources):
        (target,) = resources["BucketEvents"]["Properties"]["Targets"]

        assert referred(target["Arn"]) == "EventsQueue"
        assert referred(target["DeadLetterConfig"]["Arn"]) == "EventsDeadLetters"

    @pytest.mark.parametrize("name", [row.name for row in SCHEDULED])
    def test_every_schedule_has_dead_letters_for_what_is_not_delivered_and_for_what_fails(
        self, resources, functions, name
    ):
        function = functions[name]
        (event,) = function["Events"].values()
        failure = function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
        role = resources[referred(function["Role"])]["Properties"]
        sent_to = [s["Resource"] for s in statements(role) if s["Action"] == ["sqs:SendMessage"]]

        assert referred(event["Properties"]["DeadLetterConfig"]["Arn"]) == SCHEDULE_DEAD_LETTERS
        assert (failure["Type"], referred(failure["Destination"])) == ("SQS", SCHEDULE_DEAD_LETTERS)
        assert {"Fn::GetAtt": [SCHEDULE_DEAD_LETTERS, "Arn"]} in sent_to

    def test_only_rules_of_this_stack_may_send_dead_letters(self, resources):
        for policy, queue in (
            ("EventsDeadLettersPolicy", "EventsDeadLetters"),
            ("ScheduleDeadLettersPolicy", SCHEDULE_DEAD_LETTERS),
        ):
            properties = resources[policy]["Properties"]
            (statement,) = (s for s in properties["PolicyDocument"]["Statement"] if s["Sid"] != ONLY_TLS)
            ((operator, condition),) = statement["Condition"].items()

            assert properties["Queues"] == [{"Ref": queue}]
            assert statement["Principal"] == {"Service": "events.amazonaws.com"}
            assert operator in ("ArnEquals", "ArnLike")
            assert list(condition) == ["aws:SourceArn"]
        assert resources["ScheduleDeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"][0]["Condition"][
            "ArnLike"
        ]["aws:SourceArn"]["Fn::Sub"].endswith(":rule/${AWS::StackName}-*")
