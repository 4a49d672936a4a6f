"""What the packaged template promises of functions, roles, queues and storage."""

import json
import re

import cfnlint
import pytest

import app
from chalicelib.config import Config, OpenSearchProfile, VectorStoreKind
from chalicelib.domain.collections import MANAGED_PREFIX, parse_role
from chalicelib.domain.errors import ConfigurationError, InvalidRequest
from chalicelib.domain.search_uploads import SEARCH_STAGING
from chalicelib.domain.uploads import INLINE_STAGING, PRESIGNED_STAGING
from infra.package import ROOT
from infra.template.edits import ONLY_TLS
from infra.template.functions import ONE_THREAD, SCHEDULE_DEAD_LETTERS
from infra.workers import RUNTIME, SCHEDULED, WORKERS
from tests.integration.infra.conftest import as_list, of_type, referred, statements
from tests.unit.test_config import ENVIRONMENT, Recording

APPLICATION = {"APIHandler", *(row.function.name for row in WORKERS), *(row.name for row in SCHEDULED)}
QUEUES = {row.queue_resource for row in WORKERS}
DEAD_LETTERS = {row.dead_letters_resource for row in WORKERS}


def test_the_template_has_every_function_of_the_application_and_the_embedder(functions):
    assert set(functions) == APPLICATION | {"Embedder"}


def test_cfn_lint_finds_nothing(template):
    assert [str(finding) for finding in cfnlint.lint(json.dumps(template))] == []


class TestFunctions:
    def test_each_function_has_a_role_of_its_own_and_no_role_is_left_over(self, resources, functions):
        roles = [referred(properties["Role"]) for properties in functions.values()]

        assert sorted(roles) == sorted(of_type(resources, "AWS::IAM::Role"))

    def test_each_function_has_a_chosen_memory_and_timeout(self, functions):
        # 128 MB is Chalice's default.
        assert all(properties["MemorySize"] != 128 for properties in functions.values())
        assert functions["APIHandler"]["Timeout"] == 29  # as long as API Gateway waits
        assert all(30 <= functions[name]["Timeout"] <= 900 for name in set(functions) - {"APIHandler"})

    def test_each_function_has_one_log_group_that_exists_before_it_logs_and_whose_entries_expire(
        self, resources, functions
    ):
        groups = of_type(resources, "AWS::Logs::LogGroup")
        for name, properties in functions.items():
            own = [
                group_name
                for group_name, group in groups.items()
                if group["LogGroupName"]["Fn::Sub"] == f"/aws/lambda/{properties['FunctionName']['Fn::Sub']}"
                and group["RetentionInDays"]
            ]
            assert set(own) <= set(as_list(resources[name]["DependsOn"])), name
            assert len(own) == 1, name

    @pytest.mark.parametrize("name", sorted(APPLICATION))
    def test_the_environment_of_a_function_has_every_setting(self, functions, name):
        given = set(functions[name]["Environment"]["Variables"]) | {"AWS_REGION"}
        for store in VectorStoreKind:
            environment = Recording(ENVIRONMENT | {"VECTOR_STORE": store, "OPENSEARCH_ENDPOINT": "https://search"})
            Config.read(environment)
            assert environment.read <= given

    def test_every_function_of_the_application_has_the_runtime_of_the_embedders_image(self, functions):
        assert {functions[name]["Runtime"] for name in APPLICATION} == {RUNTIME}
        assert f"lambda/python:{RUNTIME.removeprefix('python')}" in (ROOT / "embedder_container/Dockerfile").read_text()

    def test_the_function_that_serves_requests_is_known_by_its_handler(self, functions):
        handlers = {name: functions[name]["Handler"] for name in APPLICATION}

        assert [name for name, handler in handlers.items() if handler == app.API_HANDLER] == ["APIHandler"]

    def test_the_application_runs_on_the_cheaper_processor_and_the_embedder_where_its_decoder_is_confined(
        self, functions
    ):
        assert {tuple(functions[name]["Architectures"]) for name in APPLICATION} == {("arm64",)}
        assert functions["Embedder"]["Architectures"] == ["x86_64"]
        assert "--platform linux/amd64" in (ROOT / "embedder_container/Dockerfile").read_text()

    def test_the_api_starts_from_snapshots_unless_a_parameter_says_otherwise(self, template, functions):
        assert functions["APIHandler"]["SnapStart"] == {
            "ApplyOn": {"Fn::If": ["HasSnapshots", "PublishedVersions", "None"]}
        }
        assert template["Parameters"]["ApiSnapStart"]["Default"] == "true"
        assert template["Conditions"]["HasSnapshots"] == {"Fn::Equals": [{"Ref": "ApiSnapStart"}, "true"]}
        # What excludes them: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes
        excluding = {"EphemeralStorage", "FileSystemConfigs", "ImageUri", "ProvisionedConcurrencyConfig"}
        assert not excluding & set(functions["APIHandler"])

    @pytest.mark.parametrize(
        ("name", "condition", "parameter"),
        [
            ("Embedder", "ReservesEmbedders", "EmbedderReservedConcurrency"),
            ("APIHandler", "ReservesApi", "ApiReservedConcurrency"),
        ],
    )
    def test_the_concurrency_of_the_api_and_of_the_embedder_is_reserved_where_a_parameter_says_so(
        self, template, functions, name, condition, parameter
    ):
        reserved, none = {"Ref": parameter}, {"Ref": "AWS::NoValue"}

        assert functions[name]["ReservedConcurrentExecutions"] == {"Fn::If": [condition, reserved, none]}
        assert template["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [reserved, "0"]}]}
        assert template["Parameters"][parameter]["Default"] == 0

    def test_the_embedder_is_an_image_that_knows_its_model_alone(self, functions):
        embedder = functions["Embedder"]

        assert embedder["PackageType"] == "Image"
        assert set(embedder["Environment"]["Variables"]) == {"MODEL", *ONE_THREAD}

    def test_the_numeric_libraries_of_every_function_have_one_thread(self, functions):
        for name, properties in functions.items():
            assert ONE_THREAD.items() <= properties["Environment"]["Variables"].items(), name

    def test_the_embedder_is_called_by_an_alias_whose_instances_may_be_kept_ready(self, template, resources, functions):
        embedder = functions["Embedder"]
        condition, ready, none = embedder["ProvisionedConcurrencyConfig"]["Fn::If"]
        alias = {"Ref": "Embedder.Alias"}

        assert embedder["AutoPublishAlias"] == "live"
        assert (condition, none) == ("ProvisionsEmbedders", {"Ref": "AWS::NoValue"})
        assert ready == {"ProvisionedConcurrentExecutions": {"Ref": "EmbedderProvisionedConcurrency"}}
        assert functions["APIHandler"]["Environment"]["Variables"]["EMBEDDER_FUNCTION"] == alias
        assert resources["EmbedderWarmUpPermission"]["Properties"]["FunctionName"] == alias

    def test_the_embedder_is_kept_warm_only_where_a_parameter_says_so(self, template, resources):
        (target,) = resources["EmbedderWarmUp"]["Properties"]["Targets"]

        assert json.loads(target["Input"]) == {"op": "warm"}
        for name in ("EmbedderWarmUp", "EmbedderWarmUpPermission"):
            assert resources[name]["Condition"] == "KeepsEmbedderWarm"
        for name in ("EmbedderWarmUpMinutes", "EmbedderProvisionedConcurrency"):
            assert template["Parameters"][name]["Default"] == 0

    @pytest.mark.parametrize("name", [row.name for row in SCHEDULED])
    def test_schedules_are_enabled(self, functions, name):
        (event,) = functions[name]["Events"].values()
        assert event["Type"] == "Schedule"
        assert event["Properties"]["Enabled"] is True
        assert event["Properties"]["Schedule"].startswith("cron(")


class TestParameters:
    """What a parameter allows is what the configuration accepts."""

    def test_a_condition_compares_texts_because_the_value_of_a_number_is_one(self, template):
        compared = re.findall(r'"Fn::Equals": \[(.*?)\]', json.dumps(template["Conditions"]))

        assert compared
        assert not [each for each in compared if re.search(r", (\d+|true|false)$", each)]

    @pytest.mark.parametrize(
        ("parameter", "variable"),
        [
            ("ScheduleSpread", "SCHEDULE_SPREAD"),
            ("TombstoneDays", "TOMBSTONE_DAYS"),
            ("DeletionGrace", "DELETION_GRACE"),
            ("RetryDelay", "RETRY_DELAY"),
        ],
    )
    def test_a_number_has_the_configurations_limits_and_default(self, template, functions, parameter, variable):
        declared = template["Parameters"][parameter]
        lowest, highest = declared["MinValue"], declared["MaxValue"]

        assert functions["APIHandler"]["Environment"]["Variables"][variable] == {"Ref": parameter}
        assert getattr(Config.read(ENVIRONMENT), variable.lower()) == declared["Default"]
        for number in (lowest, highest):
            Config.read(ENVIRONMENT | {variable: str(number)})
        for number in (lowest - 1, highest + 1):
            with pytest.raises(ConfigurationError, match=variable):
                Config.read(ENVIRONMENT | {variable: str(number)})

    def test_the_shards_of_an_index_are_a_number_that_the_configuration_accepts(self, template):
        declared = template["Parameters"]["OpenSearchShards"]
        for number in (declared["MinValue"], declared["MaxValue"]):
            environment = {"VECTOR_STORE": "opensearch", "OPENSEARCH_ENDPOINT": "https://search"}
            Config.read(ENVIRONMENT | environment | {"OPENSEARCH_SHARDS": str(number)})

    def test_vector_stores_and_profiles_are_those_of_the_configuration(self, template, functions):
        variables = functions["APIHandler"]["Environment"]["Variables"]
        _, *stores = variables["VECTOR_STORE"]["Fn::If"]
        _, serverless, parameter = variables["OPENSEARCH_PROFILE"]["Fn::If"]
        profiles = template["Parameters"]["OpenSearchProfile"]

        assert set(stores) <= set(VectorStoreKind)
        assert parameter == {"Ref": "OpenSearchProfile"}
        assert {serverless, *profiles["AllowedValues"]} <= set(OpenSearchProfile)
        assert profiles["Default"] == OpenSearchProfile.LUCENE


class TestPermissions:
    def test_no_role_may_do_everything_or_to_everything(self, resources):
        for name, role in of_type(resources, "AWS::IAM::Role").items():
            for statement in statements(role):
                assert "*" not in as_list(statement["Resource"]), name
                actions = as_list(statement["Action"])
                assert all(":" in action and not action.endswith(":*") for action in actions), name

    def test_each_role_may_write_the_log_of_its_own_function(self, resources, functions):
        for name, function in functions.items():
            role = resources[referred(function["Role"])]["Properties"]
            logs = [s["Resource"] for s in statements(role) if "logs:PutLogEvents" in as_list(s["Action"])]

            assert logs == [{"Fn::GetAtt": [f"{name}Logs", "Arn"]}], name

    @pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
    def test_a_worker_may_receive_from_its_own_queue_alone(self, resources, row):
        role = resources[f"{row.function.name}Role"]["Properties"]
        queues = [s["Resource"] for s in statements(role) if "sqs:ReceiveMessage" in as_list(s["Action"])]

        assert queues == [{"Fn::GetAtt": [row.queue_resource, "Arn"]}]

    @pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
    def test_a_worker_may_record_why_a_message_failed(self, resources, row):
        role = resources[f"{row.function.name}Role"]["Properties"]
        tables = [s["Resource"] for s in statements(role) if "dynamodb:PutItem" in as_list(s["Action"])]

        assert {"Fn::GetAtt": ["SyncsTable", "Arn"]} in tables

    def test_the_embedder_may_write_its_own_log_and_nothing_else(self, resources):
        (statement,) = statements(resources["EmbedderRole"]["Properties"])

        assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
        assert statement["Resource"] == {"Fn::GetAtt": ["EmbedderLogs", "Arn"]}

    def test_the_alias_of_the_embedder_is_the_one_that_roles_may_call(self, functions, resources):
        name, alias = functions["Embedder"]["FunctionName"]["Fn::Sub"], functions["Embedder"]["AutoPublishAlias"]
        invoked = {
            statement["Resource"]["Fn::Sub"].partition(":function:")[2]
            for role in of_type(resources, "AWS::IAM::Role").values()
            for statement in statements(role)
            if statement["Action"] == "lambda:InvokeFunction"
        }
        assert invoked == {f"{name}:{alias}"}

    def test_customers_roles_are_known_by_the_prefix_that_the_api_demands(self, resources):
        assumed = [
            [resource["Fn::Sub"] for resource in statement["Resource"]]
            for role in of_type(resources, "AWS::IAM::Role").values()
            for statement in statements(role)
            if statement["Action"] == "sts:AssumeRole"
        ]
        (patterns,) = {tuple(resources) for resources in assumed}
        expressions = [
            re.escape(pattern.replace("${AWS::Partition}", "aws")).replace(r"\*", "[^:]*") for pattern in patterns
        ]
        for name in ("similarix-reader", "team/similarix-reader", "team/photos/similarix-reader"):
            role = parse_role(f"arn:aws:iam::111122223333:role/{name}")
            assert any(re.fullmatch(expression, role) for expression in expressions), role
        with pytest.raises(InvalidRequest):
            parse_role("arn:aws:iam::111122223333:role/reader")

    def test_indexes_that_a_role_may_query_exist(self, resources):
        tables = of_type(resources, "AWS::DynamoDB::Table")
        existing = {
            f"${{{name}.Arn}}/index/{index['IndexName']}"
            for name, table in tables.items()
            for index in table.get("GlobalSecondaryIndexes", [])
        }
        queried = {
            resource["Fn::Sub"]
            for role in of_type(resources, "AWS::IAM::Role").values()
            for statement in statements(role)
            for resource in as_list(statement["Resource"])
            if "/index/" in resource.get("Fn::Sub", "")
        }
        assert queried == existing

    def test_a_role_is_assumed_by_lambda_alone(self, resources):
        for role in of_type(resources, "AWS::IAM::Role").values():
            (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}

    def test_only_buckets_of_this_account_and_of_named_accounts_may_send_events(self, resources):
        senders = {}
        for name, policy in of_type(resources, "AWS::SQS::QueuePolicy").items():
            senders[name] = [each for each in policy["PolicyDocument"]["Statement"] if each.get("Effect") != "Deny"]
        # Those of dead letters: test_long_work_template.py.
        assert {name for name in senders if senders[name] and "DeadLetters" not in name} == {
            "EventsQueuePolicy",
            "UploadsQueuePolicy",
        }
        (uploads,) = senders["UploadsQueuePolicy"]
        from_s3, others, from_eventbridge = senders["EventsQueuePolicy"]
        condition, from_others, none = others["Fn::If"]

        assert from_s3["Principal"] == {"Service": "s3.amazonaws.com"}
        assert from_s3["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        assert from_eventbridge["Principal"] == {"Service": "events.amazonaws.com"}
        assert referred(from_eventbridge["Condition"]["ArnEquals"]["aws:SourceArn"]) == "BucketEvents"
        assert uploads == {**from_s3, "Resource": {"Fn::GetAtt": ["UploadsQueue", "Arn"]}}
        named = {"StringEquals": {"aws:SourceAccount": {"Ref": "EventAccounts"}}}
        assert from_others == {**from_s3, "Sid": "BucketsOfOtherAccounts", "Condition": named}
        assert (condition, none) == ("HasEventAccounts", {"Ref": "AWS::NoValue"})

    def test_no_other_account_is_named_by_default_and_a_name_has_twelve_digits(self, template):
        accounts = template["Parameters"]["EventAccounts"]

        assert (accounts["Type"], accounts["Default"]) == ("CommaDelimitedList", "")
        for name, is_valid in (("", True), ("111122223333", True), ("*", False), ("11112222333", False)):
            assert bool(re.fullmatch(accounts["AllowedPattern"], name)) is is_valid
        assert template["Conditions"]["HasEventAccounts"] == {
            "Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "EventAccounts"}]}, ""]}]
        }


class TestQueues:
    def test_each_queue_has_a_dead_letter_queue_of_its_own(self, resources):
        queues = of_type(resources, "AWS::SQS::Queue")
        dead_letters = {
            name: referred(queue["RedrivePolicy"]["deadLetterTargetArn"])
            for name, queue in queues.items()
            if "RedrivePolicy" in queue
        }
        assert set(dead_letters) == QUEUES
        assert set(dead_letters.values()) == set(queues) - QUEUES - {SCHEDULE_DEAD_LETTERS} == DEAD_LETTERS

    def test_a_queue_refuses_requests_without_tls_by_the_one_policy_that_it_may_have(self, resources):
        policies = of_type(resources, "AWS::SQS::QueuePolicy").values()
        assert sorted(referred(queue) for policy in policies for queue in policy["Queues"]) == sorted(
            QUEUES | DEAD_LETTERS | {SCHEDULE_DEAD_LETTERS}
        )
        for policy in policies:
            refusals = [each for each in policy["PolicyDocument"]["Statement"] if each.get("Sid") == ONLY_TLS]
            assert [resource for each in refusals for resource in each["Resource"]] == [
                {"Fn::GetAtt": [referred(queue), "Arn"]} for queue in policy["Queues"]
            ]
            for refusal in refusals:
                assert (refusal["Effect"], refusal["Principal"], refusal["Action"]) == ("Deny", "*", "sqs:*")
                assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_all_queues_are_encrypted(self, resources):
        assert all(queue["SqsManagedSseEnabled"] for queue in of_type(resources, "AWS::SQS::Queue").values())

    @pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
    def test_a_message_stays_hidden_six_times_as_long_as_its_function_may_run(self, resources, functions, row):
        timeout = functions[row.function.name]["Timeout"]

        assert resources[row.queue_resource]["Properties"]["VisibilityTimeout"] == 6 * timeout

    @pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
    def test_a_worker_receives_from_its_queue_and_reports_failed_messages(self, resources, functions, row):
        (source,) = functions[row.function.name]["Events"].values()
        name = resources[row.queue_resource]["Properties"]["QueueName"]["Fn::Sub"]

        assert source["Properties"]["Queue"]["Fn::Sub"].endswith(f":{name}")
        assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]

    def test_no_queue_takes_all_executions_of_an_aws_account(self, functions):
        bounds = {}
        for row in WORKERS:
            (source,) = functions[row.function.name]["Events"].values()
            bounds[row.queue] = source["Properties"]["ScalingConfig"]["MaximumConcurrency"]
        # AWS accepts 2 to 1,000. An account may run 1,000 functions at once, unless it has asked for more:
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
        assert all(2 <= bound <= 10 for bound in bounds.values())

    @pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
    def test_a_queue_is_created_before_its_worker(self, functions, row):
        environment = functions[row.function.name]["Environment"]["Variables"]

        assert {"Ref": row.queue_resource} in environment.values()

    @pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
    def test_the_urls_of_a_queue_and_its_dead_letter_queue_are_outputs(self, template, row):
        for name in (row.queue_resource, row.dead_letters_resource):
            assert template["Outputs"][f"{name}Url"] == {"Value": {"Ref": name}}


class TestStorage:
    def test_tables_are_paid_by_use_encrypted_and_recoverable(self, resources):
        for table in of_type(resources, "AWS::DynamoDB::Table").values():
            assert table["BillingMode"] == "PAY_PER_REQUEST"
            assert table["SSESpecification"]["SSEEnabled"]
            assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]

    @pytest.mark.parametrize(
        "name", ["AccountsTable", "CollectionsTable", "CatalogueTable", "ManagedBucket", "ThumbnailsBucket"]
    )
    def test_data_outlives_the_stack(self, resources, name):
        assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resources[name]["UpdateReplacePolicy"] == "Retain"

    @pytest.mark.parametrize("name", ["AccountsTable", "CollectionsTable", "CatalogueTable"])
    def test_tables_are_protected_against_deletion_where_a_parameter_says_so(self, template, resources, name):
        protected = resources[name]["Properties"]["DeletionProtectionEnabled"]

        assert protected == {"Fn::If": ["ProtectsTables", True, False]}
        assert template["Conditions"]["ProtectsTables"] == {"Fn::Equals": [{"Ref": "DeletionProtection"}, "true"]}
        assert template["Parameters"]["DeletionProtection"]["Default"] == "false", "a creation can be rolled back"

    def test_a_bucket_refuses_requests_without_tls(self, resources):
        policies = {referred(p["Bucket"]): p for p in of_type(resources, "AWS::S3::BucketPolicy").values()}

        assert set(policies) == set(of_type(resources, "AWS::S3::Bucket"))
        for name, policy in policies.items():
            (refusal,) = policy["PolicyDocument"]["Statement"]
            assert (refusal["Effect"], refusal["Principal"], refusal["Action"]) == ("Deny", "*", "s3:*")
            assert refusal["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]
            assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            (
                "ManagedBucket",
                {
                    f"{MANAGED_PREFIX}/": {"Ref": "ManagedVersionDays"},
                    f"{PRESIGNED_STAGING}/": 1,
                    f"{INLINE_STAGING}/": 1,
                    f"{SEARCH_STAGING}/": 1,
                },
            ),
            ("ThumbnailsBucket", {"": {"Ref": "ManagedVersionDays"}}),
        ],
    )
    def test_what_was_deleted_or_replaced_stays_for_some_days_and_then_goes_with_its_marker(
        self, resources, name, kept
    ):
        bucket = resources[name]["Properties"]
        rules = bucket["LifecycleConfiguration"]["Rules"]

        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert kept == {
            rule.get("Prefix", ""): rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            for rule in rules
            if "NoncurrentVersionExpiration" in rule
        }
        # S3 refuses a rule that expires both markers and objects.
        (markers,) = [rule for rule in rules if "ExpiredObjectDeleteMarker" in rule]
        assert markers["ExpiredObjectDeleteMarker"] is True
        assert "ExpirationInDays" not in markers

    def test_buckets_are_private(self, resources):
        for bucket in of_type(resources, "AWS::S3::Bucket").values():
            assert all(bucket["PublicAccessBlockConfiguration"].values())
            assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
            assert bucket["BucketEncryption"]

    def test_the_managed_bucket_reports_its_files_changes_and_the_arrival_of_presigned_uploads(self, resources):
        bucket = resources["ManagedBucket"]["Properties"]
        configurations = bucket["NotificationConfiguration"]["QueueConfigurations"]
        assert {
            (each["Event"], each["Filter"]["S3Key"]["Rules"][0]["Value"], referred(each["Queue"]))
            for each in configurations
        } == {
            ("s3:ObjectCreated:*", f"{MANAGED_PREFIX}/", "EventsQueue"),
            ("s3:ObjectRemoved:*", f"{MANAGED_PREFIX}/", "EventsQueue"),
            ("s3:ObjectCreated:*", f"{PRESIGNED_STAGING}/", "UploadsQueue"),
        }
        assert set(resources["ManagedBucket"]["DependsOn"]) == {"EventsQueuePolicy", "UploadsQueuePolicy"}

    def test_staged_uploads_expire_and_files_do_not(self, resources):
        rules = resources["ManagedBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]

        assert {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule} == {
            f"{PRESIGNED_STAGING}/": 1,
            f"{INLINE_STAGING}/": 1,
            f"{SEARCH_STAGING}/": 1,
        }
