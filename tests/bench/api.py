"""What a token and an allowance cost: milliseconds, and reads and writes of DynamoDB, counted call by call.

``make bench-api`` deploys onto the emulator and asks the application's own services, wired as the function behind the
API has them. Milliseconds hold the emulator's time, not DynamoDB's; reads and writes are the same on AWS: an item of a
transaction is one write here, and two write units there.
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

from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import Scope, Subscription
from chalicelib.domain.collections import Collection
from chalicelib.domain.vectors import SearchOptions
from chalicelib.services.authentication import Authentication, Caller
from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local_system import bring_up
from infra.localhost import free_port
from tests.bench.figures import figure, milliseconds

PICTURES = Path(__file__).parents[2] / "samples" / "photos"
TIMES = 50
READS = {"GetItem": lambda _: 1, "Query": lambda _: 1, "BatchGetItem": lambda p: _keys(p)}
WRITES = {"PutItem": lambda _: 1, "UpdateItem": lambda _: 1, "DeleteItem": lambda _: 1}
WRITES["TransactWriteItems"] = lambda parameters: len(parameters["TransactItems"])


class Counted:
    """Makes clients as the deployment does; those of DynamoDB count what they read and write."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.counts: Counter[str] = Counter()

    def client(self, service: str, **options: Any) -> Any:
        made = self._deployment.client(service, **options)
        if service == "dynamodb":
            made.meta.events.register("before-parameter-build.dynamodb.*", self._count)
        return made

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        self.counts.clear()
        yield self.counts

    def _count(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        for kind, ways in (("reads", READS), ("writes", WRITES)):
            if model.name in ways:
                self.counts[kind] += ways[model.name](params)


def _keys(parameters: dict[str, Any]) -> int:
    return sum(len(each["Keys"]) for each in parameters["RequestItems"].values())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        stack = bring_up(emulator, say=lambda _: None)
        deployment = Deployment(emulator.session(), emulator.endpoint, stack.outputs)
        counted = Counted(deployment)
        services = Services(deployment.services.config, counted.client)
        account = services.accounts.open("bench", Subscription("business"))
        secret, _ = services.accounts.issue_token(account.uuid, "bench", Scope.WRITE)
        tokens(services, counted, f"Token {secret}")
        caller = services.authentication.caller(f"Token {secret}", writes=True)
        collection = services.collections.create(caller, {"type": "managed", "name": "bench"})
        searches(services, counted, caller, f"Token {secret}")
        uploads(services, counted, caller, collection)


def tokens(services: Services, counted: Counted, header: str) -> None:
    """The check of a token that was seen within five seconds, and of one that was not."""
    check = partial(services.authentication.caller, header, writes=False)
    figure("token_check_believed_ms", statistics.median(milliseconds(check, 1000)), "ms")

    def afresh() -> Caller:
        return Authentication(services.adapters.accounts, services.accounts.now).caller(header, writes=False)

    figure("token_check_read_ms", statistics.median(milliseconds(afresh, TIMES)), "ms")
    with counted.counting() as counts:
        afresh()
    figure("token_check_reads", counts["reads"], "reads")
    figure("token_check_writes", counts["writes"], "writes")


def searches(services: Services, counted: Counted, caller: Caller, header: str) -> None:
    """A text search with its token check; once with the token unknown to the process, then many times."""

    def search() -> None:
        asking = services.authentication.caller(header, writes=False)
        services.search.by_text(asking.account, "an owl", SearchOptions(limit=16))

    services.__dict__.pop("authentication", None)
    with counted.counting() as counts:
        search()
    figure("first_search_reads", counts["reads"], "reads")
    figure("first_search_writes", counts["writes"], "writes")
    with counted.counting() as counts:
        milliseconds(search, TIMES, warm=0)
    figure("search_reads", counts["reads"] / TIMES, "reads")
    figure("search_writes", counts["writes"] / TIMES, "writes")


def uploads(services: Services, counted: Counted, caller: Caller, collection: Collection) -> None:
    """A picture sent along, and of it what counting alone takes."""
    owl = (PICTURES / "owl.jpg").read_bytes()

    def upload(name: str) -> object:
        return services.uploads.upload(caller, collection, name, owl, only_new=False)

    upload("first.jpg")
    with counted.counting() as counts:
        upload("counted.jpg")
    figure("upload_reads", counts["reads"], "reads")
    figure("upload_writes", counts["writes"], "writes")
    names = iter(range(TIMES + 5))
    figure("upload_ms", statistics.median(milliseconds(lambda: upload(f"{next(names)}.jpg"), TIMES)), "ms")
    spent = Spent()
    allowances = spent.watching(services.uploads.allowances)
    completion = replace(services.upload_completion, allowances=allowances)
    watched = replace(services.uploads, allowances=allowances, completion=completion)
    for number in range(TIMES):
        watched.upload(caller, collection, f"watched-{number}.jpg", owl, only_new=False)
    figure("allowance_ms", statistics.median(spent.each(TIMES)), "ms")


class Spent:
    """How long calls of a port took, by the order of their uploads."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []

    def watching(self, port: Any) -> Any:
        spent = self

        class Watched:
            def __getattr__(self, name: str) -> Callable[..., Any]:
                def call(*arguments: Any, **named: Any) -> Any:
                    answers: list[Any] = []
                    act = partial(getattr(port, name), *arguments, **named)
                    spent.milliseconds += milliseconds(lambda: answers.append(act()), 1, warm=0)
                    return answers[0]

                return call

        return Watched()

    def each(self, uploads: int) -> list[float]:
        calls = len(self.milliseconds) // uploads
        return [sum(self.milliseconds[n * calls : (n + 1) * calls]) for n in range(uploads)]


if __name__ == "__main__":
    main()
