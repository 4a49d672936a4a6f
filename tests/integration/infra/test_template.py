"""What the packaged template promises, whatever Chalice and app.py put into it."""

import json
import re

import cfnlint
import pytest

from chalicelib.api.dispatch import API_VERSION, RETRY_AFTER_SECONDS
from chalicelib.config import Config
from tests.integration.infra.conftest import of_type
from tests.unit.test_config import ENVIRONMENT, Recording

SCHEDULED = {"DailySync", "WeeklySync", "MonthlySync", "Purge"}
WORKERS = {
    "SyncWorker": "SyncQueue",
    "EventsWorker": "EventsQueue",
    "IndexWorker": "IndexQueue",
    "UploadsWorker": "UploadsQueue",
    "DeletionsWorker": "DeletionsQueue",
}
APPLICATION = {"APIHandler", *WORKERS, *SCHEDULED}


def referred(value: dict) -> str:
    """The logical name behind a Ref or Fn::GetAtt."""
    return value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]


def statements(role: dict) -> list[dict]:
    return [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_every_function_of_the_application_is_there(functions):
    assert set(functions) == APPLICATION | {"Embedder"}


def test_cfn_lint_finds_nothing(template):
    assert [str(found) for found in cfnlint.lint(json.dumps(template))] == []


class TestFunctions:
    def test_each_has_a_role_of_its_own_and_no_role_is_left_over(self, resources, functions):
        roles = [referred(properties["Role"]) for properties in functions.values()]

        assert sorted(roles) == sorted(of_type(resources, "AWS::IAM::Role"))

    def test_each_has_its_memory_and_time(self, functions):
        # What Chalice writes where nobody chooses.
        assert all(properties["MemorySize"] != 128 for properties in functions.values())
        assert functions["APIHandler"]["Timeout"] == 29  # as long as API Gateway waits
        assert all(30 <= functions[name]["Timeout"] <= 900 for name in set(functions) - {"APIHandler"})

    def test_each_has_a_log_group_that_expires_before_it_logs(self, resources, functions):
        groups = of_type(resources, "AWS::Logs::LogGroup")
        for name, properties in functions.items():
            mine = [
                group
                for group, its in groups.items()
                if its["LogGroupName"]["Fn::Sub"] == f"/aws/lambda/{properties['FunctionName']['Fn::Sub']}"
                and its["RetentionInDays"]
            ]
            assert set(mine) <= set(as_list(resources[name]["DependsOn"])), name
            assert len(mine) == 1, name

    @pytest.mark.parametrize("name", sorted(APPLICATION))
    def test_the_application_finds_every_setting(self, functions, name):
        given = set(functions[name]["Environment"]["Variables"]) | {"AWS_REGION"}
        for store in ("sqlite", "opensearch"):
            environment = Recording(ENVIRONMENT | {"VECTOR_STORE": store, "OPENSEARCH_ENDPOINT": "https://search"})
            Config.read(environment)
            assert environment.read <= given

    def test_the_embedder_is_an_image_that_knows_its_model_alone(self, functions):
        embedder = functions["Embedder"]

        assert embedder["PackageType"] == "Image"
        assert set(embedder["Environment"]["Variables"]) == {"MODEL"}

    def test_the_embedder_is_called_by_an_alias_whose_instances_may_be_kept_ready(self, template, resources, functions):
        embedder = functions["Embedder"]
        keep, ready, none = embedder["ProvisionedConcurrencyConfig"]["Fn::If"]
        alias = {"Ref": "Embedder.Alias"}

        assert embedder["AutoPublishAlias"] == "live"
        assert (keep, none) == ("ProvisionsEmbedders", {"Ref": "AWS::NoValue"})
        assert ready == {"ProvisionedConcurrentExecutions": {"Ref": "EmbedderProvisionedConcurrency"}}
        assert functions["APIHandler"]["Environment"]["Variables"]["EMBEDDER_FUNCTION"] == alias
        assert resources["EmbedderWarmUpPermission"]["Properties"]["FunctionName"] == alias

    def test_nothing_keeps_the_embedder_warm_unless_asked_to(self, template, resources):
        (target,) = resources["EmbedderWarmUp"]["Properties"]["Targets"]

        assert json.loads(target["Input"]) == {"op": "warm"}
        for name in ("EmbedderWarmUp", "EmbedderWarmUpPermission"):
            assert resources[name]["Condition"] == "KeepsEmbedderWarm"
        for name in ("EmbedderWarmUpMinutes", "EmbedderProvisionedConcurrency"):
            assert template["Parameters"][name]["Default"] == 0

    def test_schedules_are_enabled(self, functions):
        for name in ("DailySync", "WeeklySync", "MonthlySync"):
            (event,) = functions[name]["Events"].values()
            assert event["Type"] == "Schedule"
            assert event["Properties"]["Enabled"] is True
            assert event["Properties"]["Schedule"].startswith("cron(")


class TestPermissions:
    def test_none_is_for_everything(self, resources):
        for name, role in of_type(resources, "AWS::IAM::Role").items():
            for statement in statements(role):
                assert "*" not in as_list(statement["Resource"]), name
                actions = as_list(statement["Action"])
                assert all(":" in action and not action.endswith(":*") for action in actions), name

    def test_the_embedder_may_write_its_own_log_and_nothing_else(self, resources):
        (statement,) = statements(resources["EmbedderRole"]["Properties"])

        assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
        assert statement["Resource"] == {"Fn::GetAtt": ["EmbedderLogs", "Arn"]}

    def test_customers_roles_are_known_by_their_name(self, resources):
        assumed = {
            json.dumps(statement["Resource"])
            for role in of_type(resources, "AWS::IAM::Role").values()
            for statement in statements(role)
            if statement["Action"] == "sts:AssumeRole"
        }
        assert assumed == {json.dumps({"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/similarix-*"})}

    def test_a_role_is_assumed_by_lambda_alone(self, resources):
        for role in of_type(resources, "AWS::IAM::Role").values():
            (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}

    def test_only_buckets_of_this_account_and_of_those_that_are_named_may_send_events(self, resources):
        policies = of_type(resources, "AWS::SQS::QueuePolicy")
        assert set(policies) == {"EventsQueuePolicy", "UploadsQueuePolicy"}
        (uploads,) = policies["UploadsQueuePolicy"]["PolicyDocument"]["Statement"]
        from_s3, others, from_eventbridge = policies["EventsQueuePolicy"]["PolicyDocument"]["Statement"]
        asked, from_others, nothing = others["Fn::If"]

        assert from_s3["Principal"] == {"Service": "s3.amazonaws.com"}
        assert from_s3["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        assert from_eventbridge["Principal"] == {"Service": "events.amazonaws.com"}
        assert referred(from_eventbridge["Condition"]["ArnEquals"]["aws:SourceArn"]) == "BucketEvents"
        assert uploads == {**from_s3, "Resource": {"Fn::GetAtt": ["UploadsQueue", "Arn"]}}
        named = {"StringEquals": {"aws:SourceAccount": {"Ref": "EventAccounts"}}}
        assert from_others == {**from_s3, "Sid": "BucketsOfOtherAccounts", "Condition": named}
        assert (asked, nothing) == ("HasEventAccounts", {"Ref": "AWS::NoValue"})

    def test_no_other_account_may_send_events_unless_it_is_named(self, template):
        accounts = template["Parameters"]["EventAccounts"]

        assert (accounts["Type"], accounts["Default"]) == ("CommaDelimitedList", "")
        for named, good in (("", True), ("111122223333", True), ("*", False), ("11112222333", False)):
            assert bool(re.fullmatch(accounts["AllowedPattern"], named)) is good
        assert template["Conditions"]["HasEventAccounts"] == {
            "Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "EventAccounts"}]}, ""]}]
        }


class TestQueues:
    def test_each_has_its_dead_letters_and_they_have_none(self, resources):
        queues = of_type(resources, "AWS::SQS::Queue")
        dead = {
            name: referred(queue["RedrivePolicy"]["deadLetterTargetArn"])
            for name, queue in queues.items()
            if "RedrivePolicy" in queue
        }
        assert set(dead) == set(WORKERS.values())
        assert set(dead.values()) == set(queues) - set(dead)
        assert all(queues[name]["MessageRetentionPeriod"] == 14 * 24 * 3600 for name in dead.values())

    def test_all_are_encrypted(self, resources):
        assert all(queue["SqsManagedSseEnabled"] for queue in of_type(resources, "AWS::SQS::Queue").values())

    @pytest.mark.parametrize(("worker", "queue"), sorted(WORKERS.items()))
    def test_a_message_stays_hidden_six_times_as_long_as_its_function_may_run(
        self, resources, functions, worker, queue
    ):
        assert resources[queue]["Properties"]["VisibilityTimeout"] == 6 * functions[worker]["Timeout"]

    @pytest.mark.parametrize(("worker", "queue"), sorted(WORKERS.items()))
    def test_a_worker_listens_to_its_queue_and_reports_what_failed(self, resources, functions, worker, queue):
        (source,) = functions[worker]["Events"].values()
        name = resources[queue]["Properties"]["QueueName"]["Fn::Sub"]

        assert source["Properties"]["Queue"]["Fn::Sub"].endswith(f":{name}")
        assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]

    def test_a_worker_waits_for_its_queue_to_be_made(self, resources, functions):
        for worker, queue in WORKERS.items():
            environment = json.dumps(functions[worker]["Environment"])
            assert f'"Ref": "{queue}"' in environment or f'"Fn::GetAtt": ["{queue}", "Arn"]' in environment


class TestStores:
    def test_tables_are_paid_by_use_encrypted_and_recoverable(self, resources):
        for table in of_type(resources, "AWS::DynamoDB::Table").values():
            assert table["BillingMode"] == "PAY_PER_REQUEST"
            assert table["SSESpecification"]["SSEEnabled"]
            assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]

    def test_data_outlives_the_stack(self, resources):
        lasting = {"AccountsTable", "CollectionsTable", "CatalogueTable", "ManagedBucket", "ThumbnailsBucket"}
        for name in lasting:
            assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
            assert resources[name]["UpdateReplacePolicy"] == "Retain"

    def test_buckets_are_private(self, resources):
        for bucket in of_type(resources, "AWS::S3::Bucket").values():
            assert all(bucket["PublicAccessBlockConfiguration"].values())
            assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
            assert bucket["BucketEncryption"]

    def test_the_managed_bucket_tells_of_objects_made_and_removed_and_of_uploads_that_arrive(self, resources):
        told = resources["ManagedBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
        prefixes = [each["Filter"]["S3Key"]["Rules"][0]["Value"] for each in told]

        assert {
            (each["Event"], prefix, referred(each["Queue"])) for each, prefix in zip(told, prefixes, strict=True)
        } == {
            ("s3:ObjectCreated:*", "objects/", "EventsQueue"),
            ("s3:ObjectRemoved:*", "objects/", "EventsQueue"),
            ("s3:ObjectCreated:*", "uploads/", "UploadsQueue"),
        }
        assert set(resources["ManagedBucket"]["DependsOn"]) == {"EventsQueuePolicy", "UploadsQueuePolicy"}


class TestApi:
    def test_it_is_regional_and_takes_bodies_as_they_are(self, resources):
        api = resources["RestAPI"]["Properties"]

        assert api["EndpointConfiguration"] == {"Type": "REGIONAL"}
        assert api["BinaryMediaTypes"] == ["*/*"]
        assert api["StageName"] == "live"

    def test_every_call_is_throttled_as_the_parameters_say(self, template, resources):
        (setting,) = resources["RestAPI"]["Properties"]["MethodSettings"]

        assert (setting["ResourcePath"], setting["HttpMethod"]) == ("/*", "*")
        for name, parameter in (("ThrottlingRateLimit", "ApiRateLimit"), ("ThrottlingBurstLimit", "ApiBurstLimit")):
            assert setting[name] == {"Ref": parameter}
            assert template["Parameters"][parameter]["Default"] > 0

    def test_errors_of_api_gateway_wear_the_envelope(self, resources):
        responses = resources["RestAPI"]["Properties"]["GatewayResponses"]
        for name, response in responses.items():
            written = response["ResponseTemplates"]["application/json"]
            envelope = json.loads(written.replace("$context.error.messageString", '"words"'))

            assert envelope.keys() == {"version", "success", "info", "result"}, name
            assert envelope["version"] == API_VERSION
            assert envelope["success"] is False
            assert envelope["info"]["error"]
            assert envelope["info"]["message"]
            assert envelope["info"]["request_id"] == "$context.requestId"

    def test_what_passes_says_when_to_come_back(self, resources):
        responses = resources["RestAPI"]["Properties"]["GatewayResponses"]

        for name, response in responses.items():
            passes = response.get("StatusCode") in ("429", "503")
            assert ("Retry-After" in response.get("ResponseParameters", {}).get("Headers", {})) is passes, name

    def test_the_status_of_each_error_says_what_it_is(self, resources):
        responses = resources["RestAPI"]["Properties"]["GatewayResponses"]

        assert {name: response.get("StatusCode") for name, response in responses.items()} == {
            "DEFAULT_4XX": None,
            "DEFAULT_5XX": None,
            "MISSING_AUTHENTICATION_TOKEN": "404",
            "REQUEST_TOO_LARGE": "413",
            "UNSUPPORTED_MEDIA_TYPE": "415",
            "THROTTLED": "429",
            "QUOTA_EXCEEDED": "429",
            "INTEGRATION_FAILURE": "503",
            "INTEGRATION_TIMEOUT": "503",
        }


class TestOpenSearch:
    @pytest.fixture
    def domain(self, resources):
        (found,) = of_type(resources, "AWS::OpenSearchService::Domain").values()
        return found

    def test_a_domain_is_made_only_where_it_is_asked_for(self, template):
        made = [name for name, each in template["Resources"].items() if each.get("Condition") == "HasDomain"]
        assert {template["Resources"][name]["Type"] for name in made} == {
            "AWS::OpenSearchService::Domain",
            "AWS::CloudWatch::Alarm",
        }
        assert template["Conditions"]["HasDomain"] == {"Fn::Equals": [{"Ref": "VectorStore"}, "domain"]}

    def test_it_is_encrypted_at_rest_between_nodes_and_on_the_way(self, domain):
        assert domain["EncryptionAtRestOptions"]["Enabled"]
        assert domain["NodeToNodeEncryptionOptions"]["Enabled"]
        assert domain["DomainEndpointOptions"]["EnforceHTTPS"]
        assert "TLS-1-2" in domain["DomainEndpointOptions"]["TLSSecurityPolicy"]

    def test_only_functions_that_search_or_index_may_use_it(self, domain):
        (statement,) = domain["AccessPolicies"]["Statement"]

        writers = {"ApiRole", "IndexWorkerRole", "UploadsWorkerRole", "DeletionsWorkerRole"}
        assert {referred(role) for role in statement["Principal"]["AWS"]} == writers
        assert all(action.startswith("es:ESHttp") for action in statement["Action"])

    def test_its_health_is_watched(self, resources):
        alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
        watched = {alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == "AWS/ES"}

        assert watched == {"ClusterStatus.red", "ClusterIndexWritesBlocked"}

    def test_whoever_is_to_come_back_is_told_when(self, resources):
        responses = resources["RestAPI"]["Properties"]["GatewayResponses"]
        told = {name: response.get("ResponseParameters") for name, response in responses.items()}

        assert {name for name, parameters in told.items() if parameters} == {
            name for name, response in responses.items() if response.get("StatusCode") in ("429", "503")
        }
        seconds = {parameters["Headers"]["Retry-After"] for parameters in told.values() if parameters}
        assert seconds == {f"'{RETRY_AFTER_SECONDS}'"}  # in quotes: to API Gateway a word without them is a mapping


def policy(resource: dict) -> list[dict] | dict:
    """A policy of Serverless, which is a text with names to be filled in."""
    text = resource["Policy"]["Fn::Sub"][0]
    return json.loads(text.replace("${Part}", "1a2b3c4d"))


class TestServerless:
    NAME = "similarix-1a2b3c4d"

    @pytest.fixture
    def made(self, resources):
        return {name: each for name, each in resources.items() if each.get("Condition") == "HasServerless"}

    @pytest.fixture
    def named(self, made):
        """The properties of its resources."""
        return {name: each["Properties"] for name, each in made.items()}

    def test_it_is_made_only_where_it_is_asked_for(self, template, made):
        assert template["Conditions"]["HasServerless"] == {"Fn::Equals": [{"Ref": "VectorStore"}, "serverless"]}
        everything = {n for n, each in template["Resources"].items() if "OpenSearchServerless" in each["Type"]}
        assert everything == set(made) - {"ServerlessPermission"} | {"ServerlessAdministration"}

    def test_it_is_a_collection_of_vectors_of_the_next_generation_in_a_group_with_limits(self, made, named):
        group, collection = named["ServerlessGroup"], named["ServerlessCollection"]

        assert collection["Type"] == "VECTORSEARCH"
        assert collection["CollectionGroupName"] == collection["Name"] == group["Name"]
        assert group["Generation"] == "NEXTGEN"
        assert group["StandbyReplicas"] == collection["StandbyReplicas"] == "ENABLED"  # it takes nothing else
        assert {name: referred(limit) for name, limit in group["CapacityLimits"].items()} == {
            f"{limit}{of}CapacityInOcu": f"Serverless{limit}imum"
            for limit in ("Min", "Max")
            for of in ("Search", "Indexing")
        }
        assert set(made["ServerlessCollection"]["DependsOn"]) == set(made) - {
            "ServerlessCollection",
            "ServerlessPermission",
        }

    def test_it_costs_nothing_when_idle_unless_asked_to(self, template):
        assert template["Parameters"]["ServerlessMinimum"]["Default"] == 0

    def test_it_is_encrypted_and_reached_without_a_vpc_but_not_its_dashboards(self, named):
        rule = {"ResourceType": "collection", "Resource": [f"collection/{self.NAME}"]}

        assert policy(named["ServerlessEncryption"]) == {"Rules": [rule], "AWSOwnedKey": True}
        assert policy(named["ServerlessNetwork"]) == [{"Rules": [rule], "AllowFromPublic": True}]

    def test_functions_that_search_or_index_may_use_it_and_none_may_delete_an_index(self, named):
        (access,) = policy(named["ServerlessAccess"])
        writers = ["ApiRole", "IndexWorkerRole", "UploadsWorkerRole", "DeletionsWorkerRole"]
        of_collection, of_indexes = access["Rules"]

        assert access["Principal"] == [f"${{{role}.Arn}}" for role in writers]
        assert of_collection["Resource"] == [f"collection/{self.NAME}"]
        assert of_indexes["Resource"] == [f"index/{self.NAME}/similarix-*"]
        assert set(of_collection["Permission"]) == {"aoss:CreateCollectionItems", "aoss:DescribeCollectionItems"}
        assert set(of_indexes["Permission"]) == {
            f"aoss:{what}" for what in ("CreateIndex", "DescribeIndex", "ReadDocument", "WriteDocument")
        }
        permission = named["ServerlessPermission"]
        (statement,) = permission["PolicyDocument"]["Statement"]
        assert [referred(role) for role in permission["Roles"]] == writers
        assert statement["Action"] == "aoss:APIAccessAll"
        assert referred(statement["Resource"]) == "ServerlessCollection"

    def test_whoever_administers_it_is_named(self, template, resources):
        administration = resources["ServerlessAdministration"]

        assert administration["Condition"] == "HasServerlessAdministrator"
        assert template["Conditions"]["HasServerlessAdministrator"]["Fn::And"][0] == {"Condition": "HasServerless"}
        (access,) = policy(administration["Properties"])
        assert access["Principal"] == ["${ServerlessAdministrator}"]
        assert "aoss:DeleteIndex" in access["Rules"][1]["Permission"]

    def test_names_fit_whatever_the_stack_is_called(self, named):
        part = {"Part": {"Fn::Select": [0, {"Fn::Split": ["-", {"Fn::Select": [2, {"Fn::Split": ["/", STACK_ID]}]}]}]}}
        for name in ("ServerlessGroup", "ServerlessEncryption", "ServerlessNetwork", "ServerlessAccess"):
            assert named[name]["Name"] == {"Fn::Sub": ["similarix-${Part}", part]}

    @pytest.mark.parametrize(
        ("store", "endpoint", "signing", "profile"),
        [
            ("domain", "https://${OpenSearchDomain.DomainEndpoint}", "es", "OpenSearchProfile"),
            ("serverless", "ServerlessCollection.CollectionEndpoint", "aoss", "serverless-nextgen"),
            ("endpoint", "OpenSearchEndpoint", "es", "OpenSearchProfile"),
        ],
    )
    def test_the_functions_are_told_where_vectors_are(self, functions, store, endpoint, signing, profile):
        true = {"HasDomain": store == "domain", "HasServerless": store == "serverless", "IsUnsigned": False}
        for name in APPLICATION:
            variables = functions[name]["Environment"]["Variables"]
            told = [chosen(variables[f"OPENSEARCH_{which}"], true) for which in ("ENDPOINT", "SIGNING", "PROFILE")]
            assert told == [endpoint, signing, profile]


STACK_ID = {"Ref": "AWS::StackId"}


def chosen(value, true: dict[str, bool]) -> str:
    """What a value with conditions in it comes to: a text, a name, or a resource's attribute."""
    if isinstance(value, str):
        return value
    ((function, of),) = value.items()
    if function == "Fn::If":
        return chosen(of[1] if true[of[0]] else of[2], true)
    return ".".join(of) if isinstance(of, list) else of


class TestAlarms:
    def test_every_function_every_queue_and_all_dead_letters_are_watched(self, resources, functions):
        alarms = [
            alarm
            for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()
            if alarm["Namespace"] != "AWS/ES"  # the domain's own, below
        ]
        watched = {(alarm["MetricName"], referred(alarm["Dimensions"][0]["Value"])) for alarm in alarms}
        queues = of_type(resources, "AWS::SQS::Queue")

        assert watched == (
            {("Errors", name) for name in functions}
            | {("ApproximateAgeOfOldestMessage", name) for name in queues if "RedrivePolicy" in queues[name]}
            | {("ApproximateNumberOfMessagesVisible", name) for name in queues if "RedrivePolicy" not in queues[name]}
        )

    def test_each_says_what_is_wrong(self, resources):
        described = [alarm["AlarmDescription"] for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()]

        assert len(set(described)) == len(described)
