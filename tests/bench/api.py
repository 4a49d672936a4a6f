"""What token checks and quota cost: milliseconds, and reads and writes of DynamoDB, counted call by call.

``make bench SUITE=api`` deploys to the emulator and calls the application's own services, wired as in the function
behind the API. Milliseconds include the emulator's time instead of DynamoDB's. Reads and writes are the same on AWS: an
item of a transaction is one write here, and two write units there.
"""

import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib.adapters.factory import AWSAdapters
from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import NewToken, Scope, Subscription
from chalicelib.domain.collections import Collection, NewManagedCollection
from chalicelib.domain.vectors import SearchOptions
from chalicelib.services.authentication import Authentication, Caller
from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local_system import bring_up
from infra.localhost import free_port
from tests.bench.figures import figure, milliseconds

PICTURES = Path(__file__).parents[2] / "samples" / "photos"
REPETITIONS = 50
CACHED_REPETITIONS = 1000
# Reads and writes of each operation, by its parameters.
READS = {"GetItem": lambda _: 1, "Query": lambda _: 1, "BatchGetItem": lambda parameters: _keys(parameters)}
WRITES = {"PutItem": lambda _: 1, "UpdateItem": lambda _: 1, "DeleteItem": lambda _: 1}
WRITES["TransactWriteItems"] = lambda parameters: len(parameters["TransactItems"])


class CountingClients:
    """Creates clients as the deployment does, and counts the reads and writes of those of DynamoDB."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.counts: Counter[str] = Counter()

    def client(self, service: str, **options: Any) -> Any:
        client = self._deployment.client(service, **options)
        if service == "dynamodb":
            client.meta.events.register("before-parameter-build.dynamodb.*", self._count)
        return client

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        self.counts.clear()
        yield self.counts

    def _count(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        for kind, operations in (("reads", READS), ("writes", WRITES)):
            if model.name in operations:
                self.counts[kind] += operations[model.name](params)


def _keys(parameters: dict[str, Any]) -> int:
    return sum(len(table["Keys"]) for table in parameters["RequestItems"].values())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        stack = bring_up(emulator, lambda _: None)
        deployment = Deployment(emulator.session(), emulator.endpoint, stack.outputs)
        clients = CountingClients(deployment)
        config = deployment.services.config
        services = Services(config, AWSAdapters(config, clients.client))
        account = services.accounts.open("bench", Subscription("business"))
        secret, _ = services.accounts.issue_token(account.uuid, NewToken("bench", Scope.WRITE))
        measure_token_checks(services, clients, f"Token {secret}")
        caller = services.authentication.authenticate(f"Token {secret}", writes=True)
        collection = services.collections.create(caller, NewManagedCollection("bench"))
        measure_searches(services, clients, f"Token {secret}")
        measure_uploads(services, clients, caller, collection)


def measure_token_checks(services: Services, clients: CountingClients, header: str) -> None:
    """Measure the check of a token that is in the process's cache, and of one that is not."""
    check = partial(services.authentication.authenticate, header, writes=False)
    figure("token_check_believed_ms", statistics.median(milliseconds(check, CACHED_REPETITIONS)), "ms")

    def check_uncached() -> Caller:
        return Authentication(services.adapters.accounts, services.now).authenticate(header, writes=False)

    figure("token_check_read_ms", statistics.median(milliseconds(check_uncached, REPETITIONS)), "ms")
    with clients.counting() as counts:
        check_uncached()
    figure("token_check_reads", counts["reads"], "reads")
    figure("token_check_writes", counts["writes"], "writes")


def measure_searches(services: Services, clients: CountingClients, header: str) -> None:
    """Measure a text search with its token check: once with a token that is not cached, then many times."""

    def search() -> None:
        caller = services.authentication.authenticate(header, writes=False)
        services.search.by_text(caller.account, "an owl", SearchOptions(limit=16))

    services.__dict__.pop("authentication", None)
    with clients.counting() as counts:
        search()
    figure("first_search_reads", counts["reads"], "reads")
    figure("first_search_writes", counts["writes"], "writes")
    with clients.counting() as counts:
        milliseconds(search, REPETITIONS, warm=0)
    figure("search_reads", counts["reads"] / REPETITIONS, "reads")
    figure("search_writes", counts["writes"] / REPETITIONS, "writes")


def measure_uploads(services: Services, clients: CountingClients, caller: Caller, collection: Collection) -> None:
    """Measure the upload of a picture through the API, and the part of it that the quota takes."""
    owl = (PICTURES / "owl.jpg").read_bytes()

    def upload(name: str) -> object:
        return services.uploads.upload(caller, collection, name, owl)

    upload("first.jpg")
    with clients.counting() as counts:
        upload("counted.jpg")
    figure("upload_reads", counts["reads"], "reads")
    figure("upload_writes", counts["writes"], "writes")
    names = iter(range(REPETITIONS + 5))  # five of them warm up
    figure("upload_ms", statistics.median(milliseconds(lambda: upload(f"{next(names)}.jpg"), REPETITIONS)), "ms")
    ledger_time = CallTime()
    quota_ledger = ledger_time.measured(services.uploads.quota_ledger)
    completion = replace(services.upload_completion, quota_ledger=quota_ledger)
    measured_uploads = replace(services.uploads, quota_ledger=quota_ledger, completion=completion)
    for number in range(REPETITIONS):
        measured_uploads.upload(caller, collection, f"measured-{number}.jpg", owl)
    figure("allowance_ms", statistics.median(ledger_time.per_upload(REPETITIONS)), "ms")


class CallTime:
    """Measures the calls of a port; ``milliseconds`` are their durations in order."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []

    def measured(self, port: Any) -> Any:
        durations = self.milliseconds

        class MeasuredPort:
            def __getattr__(self, name: str) -> Callable[..., Any]:
                def call(*arguments: Any, **keywords: Any) -> Any:
                    results: list[Any] = []
                    act = partial(getattr(port, name), *arguments, **keywords)
                    durations.extend(milliseconds(lambda: results.append(act()), 1, warm=0))
                    return results[0]

                return call

        return MeasuredPort()

    def per_upload(self, uploads: int) -> list[float]:
        calls = len(self.milliseconds) // uploads
        return [sum(self.milliseconds[n * calls : (n + 1) * calls]) for n in range(uploads)]


if __name__ == "__main__":
    main()
