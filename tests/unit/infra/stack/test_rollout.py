"""A deployment onto AWS, from the checks before it to the protection after it, on an account in memory."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.cloudformation import DeploymentError
from infra.stack.adoption import KEY, POOL, adoptable
from infra.stack.rollout import Order, Rollout
from infra.template import read_template
from tests.fakes.aws_account import FakeAccount, alarm_arn
from tests.fakes.registry_of_images import ACCOUNT

HOST = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com"
IMAGE = f"{HOST}/embedder:1"
ALARM = "similarix-ApiErrorsAlarm"
TABLES = {name: f"similarix-{name}" for name in ("AccountsTable", "CollectionsTable", "CatalogueTable", "SyncsTable")}


@dataclass
class FakeArtifacts:
    """Templates by URL."""

    templates: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_template(self, body: str) -> str:
        url = f"https://artifacts/{len(self.templates)}"
        self.templates[url] = json.loads(body)
        return url


@pytest.fixture
def template() -> dict[str, Any]:
    template: dict[str, Any] = read_template()
    return template


@pytest.fixture
def account(template) -> FakeAccount:
    account = FakeAccount()
    account.images.push("embedder", "1")
    account.cloudformation.declared = tuple(template["Parameters"])
    return account


@pytest.fixture
def deployed(account, template) -> FakeAccount:
    """An account that has the stack, as a first deployment leaves it."""
    cloudformation = account.cloudformation
    cloudformation.status = "UPDATE_COMPLETE"
    cloudformation.template = template
    cloudformation.parameters = {"EmbedderImageUri": f"{HOST}/embedder@sha256:0", "DeletionProtection": "true"}
    cloudformation.resources = dict(TABLES)
    for name, table in TABLES.items():
        account.storage.add_table(table, template["Resources"][name]["Properties"])
    return account


class Deployments:
    """Deploys orders, and says which change sets they made."""

    def __init__(self, account: FakeAccount, template: dict[str, Any]) -> None:
        self.account, self.template, self.artifacts = account, template, FakeArtifacts()
        self.lines: list[str] = []
        account.cloudformation.templates = self.artifacts.templates

    def __call__(self, **order: Any) -> None:
        rollout = Rollout(
            self.account,
            self.template,
            Order(stack="similarix", **order),
            self.lines.append,
            fetch=self.account.images.fetch,
            pause_seconds=0,
            index_seconds=0,
        )
        rollout.prepare()
        assert not self.account.cloudformation.calls, "nothing changes before everything has been looked at"
        rollout.run(self.artifacts, self.template)  # type: ignore[arg-type]

    @property
    def changes(self) -> list[dict[str, Any]]:
        return self.account.cloudformation.calls_of("create_change_set")

    def values(self, number: int) -> dict[str, str]:
        """The parameters that a change set sets."""
        given = self.changes[number].get("Parameters", ())
        return {each["ParameterKey"]: each["ParameterValue"] for each in given if "ParameterValue" in each}

    def template_of(self, number: int) -> dict[str, Any]:
        return self.artifacts.templates[self.changes[number]["TemplateURL"]]


@pytest.fixture
def deploy(account, template) -> Deployments:
    return Deployments(account, template)


class TestANewStack:
    def test_is_created_by_the_digest_of_its_image_and_then_protected(self, account, deploy):
        deploy(parameters={"EmbedderImageUri": IMAGE})
        digest = account.images.images["embedder", "1"][0]

        assert [change["ChangeSetType"] for change in deploy.changes] == ["CREATE", "UPDATE"]
        assert deploy.values(0) == {"EmbedderImageUri": f"{HOST}/embedder@{digest}"}
        assert deploy.values(1)["DeletionProtection"] == "true"
        assert account.cloudformation.protected

    def test_stays_unprotected_where_the_parameter_says_so(self, deploy):
        deploy(parameters={"EmbedderImageUri": IMAGE, "DeletionProtection": "false"})

        assert deploy.values(1)["DeletionProtection"] == "false"

    def test_needs_an_image(self, deploy):
        with pytest.raises(DeploymentError, match=r"needs the embedder's image.*--image"):
            deploy()


class TestAnUpdate:
    def test_protects_a_stack_that_was_not_and_is_rolled_back_by_the_alarm_of_the_apis_errors(self, deployed, deploy):
        deployed.cloudformation.resources["ApiErrorsAlarm"] = ALARM
        deployed.alarms[ALARM] = "OK"
        deploy(parameters={"LogLevel": "DEBUG"})

        (change,) = deploy.changes
        assert change["ChangeSetType"] == "UPDATE"
        assert deploy.values(0) == {"LogLevel": "DEBUG", "DeletionProtection": "true"}
        (trigger,) = change["RollbackConfiguration"]["RollbackTriggers"]
        assert trigger["Arn"] == alarm_arn(ALARM)
        assert change["RollbackConfiguration"]["MonitoringTimeInMinutes"] == 5

    def test_is_refused_while_that_alarm_is_on_unless_it_is_to_be_ignored(self, deployed, deploy):
        deployed.cloudformation.resources["ApiErrorsAlarm"] = ALARM
        deployed.alarms[ALARM] = "ALARM"

        with pytest.raises(DeploymentError, match=r"ApiErrorsAlarm is on.*--monitor-minutes 0"):
            deploy()
        assert not deploy.changes
        deploy(monitor_minutes=0)
        assert deploy.changes[0]["RollbackConfiguration"]["RollbackTriggers"] == []

    def test_without_an_image_keeps_the_one_that_is_deployed(self, deployed, deploy):
        deploy()

        assert "EmbedderImageUri" not in deploy.values(0)

    def test_that_would_replace_a_table_is_refused_and_nothing_changes(self, deployed, deploy):
        deployed.cloudformation.changes = [
            [
                {
                    "Action": "Modify",
                    "Replacement": "True",
                    "LogicalResourceId": "CatalogueTable",
                    "PhysicalResourceId": "similarix-CatalogueTable",
                    "ResourceType": "AWS::DynamoDB::Table",
                    "PolicyAction": "ReplaceAndRetain",
                }
            ]
        ]
        with pytest.raises(DeploymentError, match=r"CatalogueTable .* would be replaced .*without its records"):
            deploy()
        assert not deployed.cloudformation.calls_of("execute_change_set")
        deployed.cloudformation.calls.clear()
        deploy(allowed=["CatalogueTable"])
        assert deployed.cloudformation.calls_of("execute_change_set")

    def test_gives_a_table_two_new_indexes_one_after_the_other_and_then_the_code_that_queries_them(
        self, deployed, deploy, template
    ):
        old = json.loads(json.dumps(template))
        removed = old["Resources"]["CatalogueTable"]["Properties"]["GlobalSecondaryIndexes"][-2:]
        del old["Resources"]["CatalogueTable"]["Properties"]["GlobalSecondaryIndexes"][-2:]
        deployed.cloudformation.template = old
        deployed.storage.becoming_active = 2
        deploy(parameters={"LogLevel": "DEBUG"})

        names = [
            [
                index["IndexName"]
                for index in deploy.template_of(number)["Resources"]["CatalogueTable"]["Properties"][
                    "GlobalSecondaryIndexes"
                ]
            ]
            for number in range(len(deploy.changes))
        ]
        first, second = (index["IndexName"] for index in removed)
        assert [len(each) for each in names] == [len(names[0]), len(names[0]) + 1, len(names[0]) + 1]
        assert first in names[0]
        assert second not in names[0]
        assert {first, second} <= set(names[1])
        assert [deploy.values(number) for number in (0, 1)] == [{}, {}], "the code before has none of the new values"
        assert deploy.values(2)["LogLevel"] == "DEBUG"
        assert any("waiting for" in line for line in deploy.lines)

    def test_that_removes_two_indexes_of_one_table_waits_before_each_removal(self, deployed, deploy, template):
        old = json.loads(json.dumps(template))
        indexes = old["Resources"]["CatalogueTable"]["Properties"]["GlobalSecondaryIndexes"]
        indexes += [{**indexes[0], "IndexName": name} for name in ("old-one", "old-two")]
        deployed.cloudformation.template = old
        described = len(deployed.storage.descriptions)
        deploy()
        assert len(deploy.changes) == 3
        waits = deployed.storage.descriptions[described:]
        assert len(waits) >= 3

    def test_to_another_model_needs_the_image_that_contains_it(self, deployed, deploy):
        deployed.images.push("embedder", "2", number=2, model="clip-vit-b-32")

        with pytest.raises(DeploymentError, match=r"contains the model clip-vit-b-32.*EmbedderModel is lite.*migrate"):
            deploy(parameters={"EmbedderImageUri": f"{HOST}/embedder:2"})
        with pytest.raises(DeploymentError, match="contains the model lite, and EmbedderModel is clip-vit-b-32"):
            deploy(parameters={"EmbedderImageUri": IMAGE, "EmbedderModel": "clip-vit-b-32"})
        deploy(parameters={"EmbedderImageUri": f"{HOST}/embedder:2", "EmbedderModel": "clip-vit-b-32"})
        assert deploy.values(0)["EmbedderModel"] == "clip-vit-b-32"


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"parameters": {"EmbedderImageUri": f"{HOST}/embedder:gone"}}, "There is no image"),
        ({"parameters": {"EmbedderImageUri": IMAGE, "LogLevl": "INFO"}}, "Did you mean LogLevel"),
        (
            {
                "parameters": {
                    "EmbedderImageUri": IMAGE,
                    "DomainName": "api.example.com",
                    "CertificateArn": f"arn:aws:acm:eu-central-1:{ACCOUNT}:certificate/none",
                }
            },
            "There is no certificate",
        ),
        ({"parameters": {"EmbedderImageUri": IMAGE}, "adopted": {"AccountsTable": "none"}}, "belong together"),
    ],
)
def test_bad_input_is_refused_before_anything_is_changed(account, deploy, order, sentence):
    with pytest.raises(DeploymentError, match=sentence):
        deploy(**order)
    assert account.cloudformation.calls == []
    assert deploy.artifacts.templates == {}


def test_an_unfinished_stack_is_refused_before_anything_is_changed(deployed, deploy):
    deployed.cloudformation.status = "UPDATE_ROLLBACK_FAILED"

    with pytest.raises(DeploymentError, match="continue-update-rollback"):
        deploy()
    assert deployed.cloudformation.calls == []


class TestAdoption:
    @pytest.fixture
    def adopted(self, account, template) -> dict[str, str]:
        """Restored tables, which have no expiry and no backups, kept buckets, and the users' pool."""
        names = {}
        for name, kind in adoptable(template).items():
            names[name] = f"kept-{name}".lower()
            if kind == "AWS::S3::Bucket":
                account.storage.buckets[names[name]] = account.region_name
            elif kind == KEY:
                account.keys[names[name]] = "Enabled"
            elif kind == POOL:
                account.pools[names[name]] = ["email"]
            else:
                account.storage.add_table(names[name], template["Resources"][name]["Properties"])
        return names

    def test_a_new_stack_is_made_on_existing_tables_and_buckets(self, account, deploy, adopted):
        account.cloudformation.resources = adopted
        deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)

        assert [change["ChangeSetType"] for change in deploy.changes] == ["IMPORT", "UPDATE"]
        imported = {
            each["LogicalResourceId"]: each["ResourceIdentifier"] for each in deploy.changes[0]["ResourcesToImport"]
        }
        assert {name: physical for name, (physical,) in ((n, i.values()) for n, i in imported.items())} == adopted
        assert deploy.values(1)["DeletionProtection"] == "true"

    def test_the_template_of_the_import_says_what_a_table_is_and_not_its_name(self, account, deploy, adopted):
        account.cloudformation.resources = adopted
        account.storage.expiring[adopted["AccountsTable"]] = "purge_at"
        deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)
        resources = deploy.template_of(0)["Resources"]
        accounts, catalogue = (resources[name]["Properties"] for name in ("AccountsTable", "CatalogueTable"))

        assert set(resources) == set(adopted)
        assert all(resource["DeletionPolicy"] == "Retain" for resource in resources.values())
        assert "TableName" not in str(resources), "another name in the next template would replace the table"
        assert accounts["TimeToLiveSpecification"] == {"AttributeName": "purge_at", "Enabled": True}
        assert "TimeToLiveSpecification" not in catalogue
        assert catalogue["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": False}
        assert {index["IndexName"] for index in catalogue["GlobalSecondaryIndexes"]} >= {"by-uuid", "by-content"}

    def test_the_template_of_the_import_says_of_users_what_no_update_can_change(
        self, account, deploy, adopted, template
    ):
        account.cloudformation.resources = adopted
        deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)
        imported = deploy.template_of(0)["Resources"]["UserPool"]["Properties"]
        wanted = template["Resources"]["UserPool"]["Properties"]

        assert imported == {name: wanted[name] for name in ("Schema", "UsernameAttributes", "UsernameConfiguration")}

    def test_a_stack_from_before_users_is_made_anew_without_a_pool(self, account, deploy, adopted):
        del adopted["UserPool"]
        account.cloudformation.resources = adopted
        deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)

        assert "UserPool" not in deploy.template_of(0)["Resources"]

    def test_a_stack_from_before_other_storage_gets_a_key_of_its_own(self, account, deploy, adopted):
        del adopted["SecretsKey"]
        account.cloudformation.resources = adopted
        deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)

        assert "SecretsKey" not in deploy.template_of(0)["Resources"]

    def test_a_second_attempt_goes_on_where_the_first_one_failed(self, account, deploy, adopted):
        account.cloudformation.resources = adopted
        account.cloudformation.end = "UPDATE_ROLLBACK_COMPLETE"
        with pytest.raises(DeploymentError, match="UPDATE_ROLLBACK_COMPLETE"):
            deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)
        account.cloudformation.calls.clear()
        account.cloudformation.end = ""
        deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)

        assert [change["ChangeSetType"] for change in deploy.changes] == ["UPDATE"]

    def test_what_a_failed_adoption_has_left_is_named_with_the_command_that_deletes_it(self, account, deploy, adopted):
        account.cloudformation.status = "IMPORT_ROLLBACK_COMPLETE"

        with pytest.raises(DeploymentError, match=r"adoption that failed.*delete-stack --stack-name similarix"):
            deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)
        assert not deploy.changes

    def test_a_stack_with_tables_of_its_own_adopts_no_others(self, deployed, deploy, adopted):
        with pytest.raises(DeploymentError, match="tables and buckets of its own"):
            deploy(adopted=adopted)
        assert not deploy.changes

    @pytest.mark.parametrize(
        ("name", "physical", "sentence"),
        [
            ("AccountsTable", "none", "no table none for AccountsTable"),
            ("AccountsTable", "kept-cataloguetable", "has the keys collection and key, so it is no AccountsTable"),
            ("ManagedBucket", "none", "bucket none for ManagedBucket does not exist"),
            ("ManagedBucket", "foreign", "is not yours"),
            ("ManagedBucket", "far-away", "is in us-east-1"),
            ("UserPool", "none", "no user pool none"),
            ("UserPool", "of-phones", "by something else than an e-mail address"),
            ("SecretsKey", "none", "no key none"),
            ("SecretsKey", "dying", "is PendingDeletion"),
            ("SyncQueue", "queue", "SyncQueue cannot be adopted"),
        ],
    )
    def test_a_wrong_table_or_bucket_is_refused(self, account, deploy, adopted, name, physical, sentence):
        account.storage.buckets |= {"foreign": None, "far-away": "us-east-1"}
        account.pools["of-phones"] = ["phone_number"]
        account.keys["dying"] = "PendingDeletion"

        with pytest.raises(DeploymentError, match=sentence):
            deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted | {name: physical})
        assert not deploy.changes

    def test_a_table_that_is_still_being_restored_is_refused(self, account, deploy, adopted):
        account.storage.tables[adopted["CatalogueTable"]]["TableStatus"] = "CREATING"

        with pytest.raises(DeploymentError, match=r"is CREATING\. Deploy once it is ACTIVE"):
            deploy(parameters={"EmbedderImageUri": IMAGE}, adopted=adopted)
