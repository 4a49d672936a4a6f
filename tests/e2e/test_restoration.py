"""A stack of its own is updated, and lost: tables are restored, a new stack made on them, and the index rebuilt."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.thumbnails import ThumbnailSize
from infra import seed
from infra.acceptance.dashboard import Visitor
from infra.admin.deployment import Deployment
from infra.cloudformation import CloudFormationStack
from infra.demo_user import add_demo_user
from infra.deploy import deploy_locally
from infra.emulator import Emulator
from infra.local_system import SHORT_WAITS
from infra.package import package
from infra.restore import UNDELETED, Restoration, storage, undelete
from infra.stack.adoption import TABLE, adoptable
from infra.template import read_template
from infra.workers import ALIAS
from tests.e2e.harness import Caller, ManagedCollection, eventually, picture

NAME = "lost"
NO_PARAMETERS: Mapping[str, str] = {}
PICTURES = ("owl.jpg", "pig.jpg", "giant-panda.jpg")


class Stack:
    """A stack of its own beside the shared one, which a test may delete."""

    def __init__(self, emulator: Emulator, aws: Callable[..., Any]) -> None:
        self.emulator, self.aws = emulator, aws
        self.vectors = emulator.folder / f"{NAME}.sqlite"
        self.outputs: dict[str, str] = {}

    def deploy(self, parameters: Mapping[str, str] = NO_PARAMETERS, **adopted: str) -> None:
        store = {"VectorStore": "sqlite", "SQLitePath": str(self.vectors), **parameters}
        self.outputs = deploy_locally(
            self.emulator,
            package(thin=True),
            stack=NAME,
            parameters=SHORT_WAITS | store,
            adopted=adopted,
            report=lambda _: None,
        )

    def delete(self) -> None:
        """The stack, and with it the vectors."""
        cloudformation = self.aws("cloudformation")
        identifier = cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]["StackId"]
        cloudformation.delete_stack(StackName=NAME)
        stacks = cloudformation.describe_stacks
        eventually(lambda: stacks(StackName=identifier)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE")
        for file in self.vectors.parent.glob(f"{self.vectors.name}*"):
            file.unlink()

    @property
    def stack(self) -> CloudFormationStack:
        return CloudFormationStack(self.aws("cloudformation"), NAME)

    @property
    def deployment(self) -> Deployment:
        return Deployment(self.emulator.session(), self.emulator.endpoint, self.outputs)


@pytest.fixture(scope="module")
def own_stack(emulator: Emulator, aws: Callable[..., Any]) -> Iterator[Stack]:
    own = Stack(emulator, aws)
    own.deploy()
    yield own
    own.delete()


def content(caller: Caller) -> list[tuple[Any, ...]]:
    """What a search finds, in its order, with the bytes of each picture and thumbnail."""
    files = caller.result("GET", "/api/search/", params={"query": "an owl"})["files"]
    found = []
    for file in files:
        path, thumbnail = (file[link].split("/live", 1)[1] for link in ("download_url", "thumbnail"))
        original = caller("GET", caller("GET", path).headers["Location"]).content
        found.append((file["file_name"], file["distance"], original, caller("GET", thumbnail).content))
    return found


def test_an_update_of_a_setting_reaches_those_who_call_a_function_by_its_alias(own_stack: Stack) -> None:
    functions = own_stack.aws("lambda")

    def called(output: str) -> dict[str, Any]:
        name = own_stack.outputs[output]
        found: dict[str, Any] = functions.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
        return found

    embedder, api = called("EmbedderName"), called("APIHandlerName")
    own_stack.deploy()
    assert called("APIHandlerName")["Version"] == api["Version"], "the same deployment is no other version"
    own_stack.deploy({"EmbedderMemory": "2048", "DefaultPlan": "pro"})
    larger, changed = called("EmbedderName"), called("APIHandlerName")

    assert (embedder["MemorySize"], larger["MemorySize"]) == (3008, 2048)
    assert larger["Version"] != embedder["Version"]
    assert "2048" in larger["Description"]
    assert (api["SnapStart"]["ApplyOn"], changed["SnapStart"]["ApplyOn"]) == ("PublishedVersions",) * 2
    assert [each["Environment"]["Variables"]["DEFAULT_PLAN"] for each in (api, changed)] == ["free", "pro"]
    versions = functions.list_versions_by_function(FunctionName=own_stack.outputs["APIHandlerName"])["Versions"]
    assert [each["Version"] for each in versions] == ["$LATEST", changed["Version"]]


def test_a_lost_stack_comes_back_from_backups_and_searches_find_what_they_found(own_stack: Stack) -> None:
    token = seed.open_demo_account(own_stack.deployment)
    collection = ManagedCollection(Caller(own_stack.outputs["ApiUrl"], token))
    for name in PICTURES:
        assert collection.upload(name, picture(name)).status_code == 201
    user = add_demo_user(own_stack.deployment, token)
    sealed = own_stack.deployment.services.adapters.secrets.seal("an account", "a collection", "an access key's secret")
    before = content(collection.caller)
    assert before[0][0] == "owl.jpg"

    # The emulator copies a table as it is now, whatever moment is named: so what is lost is lost afterwards.
    moment = datetime.now(UTC).replace(microsecond=0)  # and it knows whole seconds alone
    kept = storage(own_stack.stack)
    kinds = adoptable(read_template())
    tables = {name: physical for name, physical in kept.items() if kinds[name] == TABLE}
    dynamodb, s3 = own_stack.aws("dynamodb"), own_stack.aws("s3")
    restored = Restoration(dynamodb, moment, lambda _: None, pause_seconds=0.05).restore(tables, NAME)
    uuid = collection.files()["owl.jpg"]["uuid"]
    assert collection.caller("DELETE", f"/api/files/{uuid}/").ok
    own_stack.delete()
    # A thumbnail is deleted in every size, made or not.
    undeleted = [undelete(s3, kept[name], moment, prefix) for name, prefix in UNDELETED.items()]
    assert undeleted == [1, len(ThumbnailSize)]

    own_stack.deploy(**kept | restored)
    services = own_stack.deployment.services
    services.rebuild(lambda _: None, 0).rebuild(services.model_version())

    assert content(Caller(own_stack.outputs["ApiUrl"], token)) == before
    assert services.adapters.secrets.open("an account", "a collection", sealed) == "an access key's secret"
    assert {own_stack.outputs[f"{name}Name"] for name in tables} == set(restored.values())
    visitor = Visitor(own_stack.outputs["ApiUrl"], user.email, user.password)
    visitor.sign_in()  # as the same user, of the same account
    (found,) = services.users.all()
    assert len(services.users.accounts_of(found.id)) == 1
    for table in restored.values():
        backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    # And the system works on: a new upload is found.
    again = Caller(own_stack.outputs["ApiUrl"], token)
    files = {"file": ("another.jpg", picture("moose.jpg"))}
    assert again("POST", f"{collection.path}/upload/", files=files).status_code == 201
    assert "another.jpg" in again.search_names("a moose")
