"""The fixtures of the end-to-end tests: callers with different rights, and the customer's side on AWS."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from similarix.client import Similarix

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from infra import seed
from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local_system import LocalSystem
from tests.e2e.harness import Caller, Customer, ManagedCollection, SampleBucket, eventually


@pytest.fixture(scope="session")
def deployment(emulator: Emulator, stack: LocalSystem) -> Deployment:
    """What the commands of administration work on."""
    return Deployment(emulator.session(), emulator.endpoint, stack.outputs)


@pytest.fixture(scope="session")
def api(stack: LocalSystem) -> Caller:
    """The demo account, which owns the sample collection."""
    return Caller(stack.api_url, stack.token)


@pytest.fixture(scope="session")
def other_account(deployment: Deployment, stack: LocalSystem) -> Caller:
    """An account that owns nothing of the demo account's."""
    return Caller(stack.api_url, seed.open_demo_account(deployment))


@pytest.fixture(scope="session")
def anonymous(stack: LocalSystem) -> Caller:
    """A caller without a token."""
    return Caller(stack.api_url, None)


@pytest.fixture(scope="session")
def official_client(stack: LocalSystem) -> Similarix:
    return Similarix(stack.token, base_url=stack.api_url)


@pytest.fixture
def new_account(deployment: Deployment, stack: LocalSystem) -> Callable[..., Caller]:
    """Opens an account, by default on the largest plan, with limits of its own if any are given; returns its caller."""

    def open_account(plan: str = "business", scope: Scope = Scope.ADMIN, **limits: int) -> Caller:
        accounts = deployment.services.accounts
        account = accounts.open("a new account", Subscription(plan, limits))
        secret, _ = accounts.issue_token(account.uuid, NewToken("tests", scope))
        return Caller(stack.api_url, secret)

    return open_account


@pytest.fixture
def managed(new_account: Callable[..., Caller]) -> ManagedCollection:
    """A managed collection, alone in its account."""
    return ManagedCollection(new_account())


@pytest.fixture
def customer(aws: Callable[[str], Any]) -> Customer:
    return Customer(aws)


@pytest.fixture
def bucket(stack: LocalSystem, aws: Callable[..., Any]) -> Iterator[SampleBucket]:
    """The bucket of the sample collection; what a test puts there is deleted after it."""
    samples = SampleBucket(aws("s3"), stack.sample_bucket)
    yield samples
    samples.clear()


@pytest.fixture
def sync(api: Caller, stack: LocalSystem) -> Callable[[], dict[str, Any]]:
    """Syncs the sample collection, waits until the sync has completed, and returns the collection."""
    path = f"/api/collections/{stack.collection}"

    def run() -> dict[str, Any]:
        eventually(lambda: api("POST", f"{path}/sync/").status_code == 202)
        eventually(lambda: api.result("GET", f"{path}/sync-status/")["status"] == "completed")
        return api.result("GET", f"{path}/")["collection"]

    return run


@pytest.fixture
def without_events(aws: Callable[[str], Any], stack: LocalSystem) -> Iterator[None]:
    """The sample bucket sends no events: only a sync can see a change."""
    s3 = aws("s3")
    configuration = s3.get_bucket_notification_configuration(Bucket=stack.sample_bucket)
    configuration.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=stack.sample_bucket, NotificationConfiguration={})
    yield
    s3.put_bucket_notification_configuration(Bucket=stack.sample_bucket, NotificationConfiguration=configuration)
