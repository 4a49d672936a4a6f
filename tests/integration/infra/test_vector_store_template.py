"""What the packaged template promises of OpenSearch, as a domain and as Serverless."""

import json

import pytest

from chalicelib.adapters.opensearch.indexes import INDEX_PREFIX
from tests.integration.infra.conftest import of_type, referred

ROLES_THAT_SEARCH_OR_INDEX = [
    "APIHandlerRole",
    "IndexWorkerRole",
    "ChangesWorkerRole",
    "UploadsWorkerRole",
    "DeletionsWorkerRole",
    "DuplicatesWorkerRole",
]
SERVERLESS_NAME = "similarix-1a2b3c4d"
STACK_ID = {"Ref": "AWS::StackId"}


class TestDomain:
    @pytest.fixture
    def domain(self, resources):
        (domain,) = of_type(resources, "AWS::OpenSearchService::Domain").values()
        return domain

    def test_a_domain_is_created_only_for_the_store_of_that_name(self, template):
        names = [name for name, item in template["Resources"].items() if item.get("Condition") == "HasDomain"]

        assert {template["Resources"][name]["Type"] for name in names} == {
            "AWS::OpenSearchService::Domain",
            "AWS::CloudWatch::Alarm",
            "AWS::Logs::LogGroup",
            "AWS::Logs::ResourcePolicy",
        }
        assert template["Conditions"]["HasDomain"] == {"Fn::Equals": [{"Ref": "VectorStore"}, "domain"]}

    def test_a_domain_is_encrypted_at_rest_between_nodes_and_in_transit(self, domain):
        assert domain["EncryptionAtRestOptions"]["Enabled"]
        assert domain["NodeToNodeEncryptionOptions"]["Enabled"]
        assert domain["DomainEndpointOptions"]["EnforceHTTPS"]
        assert "TLS-1-2" in domain["DomainEndpointOptions"]["TLSSecurityPolicy"]

    def test_instances_are_spread_over_zones_among_which_their_number_divides(self, template, domain):
        cluster, numbers = domain["ClusterConfig"], template["Parameters"]["OpenSearchInstances"]["AllowedValues"]
        condition, zones, none = cluster["ZoneAwarenessConfig"]["Fn::If"]

        assert cluster["ZoneAwarenessEnabled"] == {"Fn::If": ["HasReplicas", True, False]}
        assert (condition, none) == ("HasReplicas", {"Ref": "AWS::NoValue"})
        assert zones == {"AvailabilityZoneCount": {"Fn::If": ["HasTwoZones", 2, 3]}}
        two = [each["Fn::Equals"][1] for each in template["Conditions"]["HasTwoZones"]["Fn::Or"]]
        assert all(number % (2 if str(number) in two else 3) == 0 for number in numbers if number > 1)

    def test_a_domain_has_three_leading_instances_or_none(self, template, domain):
        cluster, none = domain["ClusterConfig"], {"Ref": "AWS::NoValue"}

        assert template["Parameters"]["OpenSearchMasters"]["AllowedValues"] == [0, 3]
        assert template["Conditions"]["HasMasters"] == {"Fn::Equals": [{"Ref": "OpenSearchMasters"}, "3"]}
        assert cluster["DedicatedMasterEnabled"] == {"Fn::If": ["HasMasters", True, False]}
        for name, parameter in (("Count", "OpenSearchMasters"), ("Type", "OpenSearchMasterType")):
            assert cluster[f"DedicatedMaster{name}"] == {"Fn::If": ["HasMasters", {"Ref": parameter}, none]}

    def test_a_domain_logs_errors_and_what_is_slow_and_may_write_its_log_before_it_is_created(self, resources, domain):
        log = {"CloudWatchLogsLogGroupArn": {"Fn::GetAtt": ["OpenSearchLogs", "Arn"]}, "Enabled": True}

        assert domain["LogPublishingOptions"] == dict.fromkeys(
            ("ES_APPLICATION_LOGS", "SEARCH_SLOW_LOGS", "INDEX_SLOW_LOGS"), log
        )
        assert resources["OpenSearchDomain"]["DependsOn"] == "OpenSearchLogsPolicy"
        (statement,) = json.loads(resources["OpenSearchLogsPolicy"]["Properties"]["PolicyDocument"]["Fn::Sub"])[
            "Statement"
        ]
        assert statement["Principal"] == {"Service": "es.amazonaws.com"}
        assert statement["Resource"] == "${OpenSearchLogs.Arn}"
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "${AWS::AccountId}"}
        assert resources["OpenSearchLogs"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}

    def test_only_functions_that_search_or_index_may_use_a_domain(self, domain):
        (statement,) = domain["AccessPolicies"]["Statement"]

        assert [referred(role) for role in statement["Principal"]["AWS"]] == ROLES_THAT_SEARCH_OR_INDEX
        assert all(action.startswith("es:ESHttp") for action in statement["Action"])


class TestServerless:
    @pytest.fixture
    def serverless(self, resources):
        return {name: item for name, item in resources.items() if item.get("Condition") == "HasServerless"}

    @pytest.fixture
    def properties(self, serverless):
        return {name: item["Properties"] for name, item in serverless.items()}

    def test_serverless_resources_are_created_only_for_the_store_of_that_name(self, template, serverless):
        assert template["Conditions"]["HasServerless"] == {"Fn::Equals": [{"Ref": "VectorStore"}, "serverless"]}
        names = {name for name, item in template["Resources"].items() if "OpenSearchServerless" in item["Type"]}
        alarms = {name for name, item in serverless.items() if item["Type"] == "AWS::CloudWatch::Alarm"}
        assert names == set(serverless) - alarms - {"ServerlessPermission"} | {"ServerlessAdministration"}

    def test_the_collection_is_for_vectors_and_in_a_group_of_the_next_generation_with_limits(
        self, serverless, properties
    ):
        group, collection = properties["ServerlessGroup"], properties["ServerlessCollection"]

        assert collection["Type"] == "VECTORSEARCH"
        assert collection["CollectionGroupName"] == collection["Name"] == group["Name"]
        assert group["Generation"] == "NEXTGEN"
        assert group["StandbyReplicas"] == collection["StandbyReplicas"] == "ENABLED"  # the only value it accepts
        assert {name: referred(limit) for name, limit in group["CapacityLimits"].items()} == {
            f"{limit}{purpose}CapacityInOcu": f"Serverless{limit}imum"
            for limit in ("Min", "Max")
            for purpose in ("Search", "Indexing")
        }
        assert set(serverless["ServerlessCollection"]["DependsOn"]) == {
            f"Serverless{part}" for part in ("Group", "Encryption", "Network", "Access")
        }

    def test_serverless_costs_nothing_when_idle_by_default(self, template):
        assert template["Parameters"]["ServerlessMinimum"]["Default"] == 0

    def test_the_collection_is_encrypted_and_reached_without_a_vpc_but_its_dashboards_are_not(self, properties):
        rule = {"ResourceType": "collection", "Resource": [f"collection/{SERVERLESS_NAME}"]}

        assert policy(properties["ServerlessEncryption"]) == {"Rules": [rule], "AWSOwnedKey": True}
        assert policy(properties["ServerlessNetwork"]) == [{"Rules": [rule], "AllowFromPublic": True}]

    def test_functions_that_search_or_index_may_use_the_collection_and_none_may_delete_an_index(self, properties):
        (access,) = policy(properties["ServerlessAccess"])
        for_collection, for_indexes = access["Rules"]

        assert access["Principal"] == [f"${{{role}.Arn}}" for role in ROLES_THAT_SEARCH_OR_INDEX]
        assert for_collection["Resource"] == [f"collection/{SERVERLESS_NAME}"]
        assert for_indexes["Resource"] == [f"index/{SERVERLESS_NAME}/{INDEX_PREFIX}-*"]
        assert set(for_collection["Permission"]) == {"aoss:CreateCollectionItems", "aoss:DescribeCollectionItems"}
        assert set(for_indexes["Permission"]) == {
            f"aoss:{action}" for action in ("CreateIndex", "DescribeIndex", "ReadDocument", "WriteDocument")
        }
        permission = properties["ServerlessPermission"]
        (statement,) = permission["PolicyDocument"]["Statement"]
        assert [referred(role) for role in permission["Roles"]] == ROLES_THAT_SEARCH_OR_INDEX
        assert statement["Action"] == "aoss:APIAccessAll"
        assert referred(statement["Resource"]) == "ServerlessCollection"

    def test_only_the_named_administrator_may_delete_an_index(self, template, resources):
        administration = resources["ServerlessAdministration"]

        assert administration["Condition"] == "HasServerlessAdministrator"
        assert template["Conditions"]["HasServerlessAdministrator"]["Fn::And"][0] == {"Condition": "HasServerless"}
        (access,) = policy(administration["Properties"])
        assert access["Principal"] == ["${ServerlessAdministrator}"]
        assert access["Rules"][1]["Resource"] == [f"index/{SERVERLESS_NAME}/{INDEX_PREFIX}-*"]
        assert "aoss:DeleteIndex" in access["Rules"][1]["Permission"]

    def test_names_on_serverless_do_not_depend_on_the_length_of_the_stacks_name(self, properties):
        part = {"Part": {"Fn::Select": [0, {"Fn::Split": ["-", {"Fn::Select": [2, {"Fn::Split": ["/", STACK_ID]}]}]}]}}
        for name in ("ServerlessGroup", "ServerlessEncryption", "ServerlessNetwork", "ServerlessAccess"):
            assert properties[name]["Name"] == {"Fn::Sub": ["similarix-${Part}", part]}


@pytest.mark.parametrize(
    ("store", "endpoint", "signing", "profile"),
    [
        ("domain", "https://${OpenSearchDomain.DomainEndpoint}", "es", "OpenSearchProfile"),
        ("serverless", "ServerlessCollection.CollectionEndpoint", "aoss", "serverless-nextgen"),
        ("endpoint", "OpenSearchEndpoint", "es", "OpenSearchProfile"),
    ],
)
def test_the_environment_of_the_functions_has_the_endpoint_signing_and_profile_of_the_store(
    functions, store, endpoint, signing, profile
):
    conditions = {"HasDomain": store == "domain", "HasServerless": store == "serverless", "IsUnsigned": False}
    for name in set(functions) - {"Embedder"}:
        variables = functions[name]["Environment"]["Variables"]
        settings = [evaluate(variables[f"OPENSEARCH_{key}"], conditions) for key in ("ENDPOINT", "SIGNING", "PROFILE")]
        assert settings == [endpoint, signing, profile]


def policy(properties: dict) -> list[dict] | dict:
    """A policy of Serverless, which is a JSON text with placeholders."""
    text = properties["Policy"]["Fn::Sub"][0]
    return json.loads(text.replace("${Part}", "1a2b3c4d"))


def evaluate(value, conditions: dict[str, bool]) -> str:
    """What a value with conditions comes to: a text, a name, or a resource's attribute."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::If":
        return evaluate(argument[1] if conditions[argument[0]] else argument[2], conditions)
    return ".".join(argument) if isinstance(argument, list) else argument
