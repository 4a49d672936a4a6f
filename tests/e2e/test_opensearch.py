"""The deployed template on a genuine OpenSearch node: searched, rebuilt, and with the node killed during a sync."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.admin.__main__ import main as run_admin
from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from infra.opensearch.node import Node, NodeError
from infra.opensearch.supervisor import NodeSupervisor
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller, eventually, picture
from tests.java import JAVA_OPTIONS

OBJECTS = int(os.environ.get("SIMILARIX_OBJECTS", "200"))  # `make stress SUITE=store` has 2,000
# How soon a failed message is delivered again. As deployed it is minutes, which would be long for a test.
VISIBILITY_TIMEOUT_SECONDS = 20


@dataclass
class System:
    """A stack of its own, whose node a test may kill."""

    emulator: Emulator
    node: Node
    stack: LocalSystem
    api: Caller = field(init=False)

    def __post_init__(self) -> None:
        self.api = Caller(self.stack.api_url, self.stack.token)

    def aws(self, service: str) -> Any:
        return self.emulator.session().client(service, endpoint_url=self.emulator.endpoint)  # type: ignore[call-overload]

    def run_admin(self, *command: str) -> int:
        return run_admin(["--local", "--folder", str(self.emulator.folder), *command])


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("opensearch-stack")
    node = Node(folder / "opensearch", free_port(), java_options=JAVA_OPTIONS)
    try:
        node.start()
    except NodeError as error:
        pytest.skip(str(error))
    try:
        with Emulator(folder / "local", free_port()) as emulator:
            yield System(emulator, node, bring_up(emulator, print, opensearch=node.endpoint))
    finally:
        node.stop()


def test_a_text_search_on_opensearch_finds_the_described_picture(system: System) -> None:
    assert system.api.search_names("an owl", limit=1) == ["owl.jpg"]


def test_a_picture_search_on_opensearch_finds_the_picture_itself_at_distance_zero(system: System) -> None:
    files = system.api.result("POST", "/api/search/", files={"file": picture("koala.jpg")})["files"]
    assert (files[0]["file_name"], files[0]["distance"]) == ("koala.jpg", 0.0)


def test_an_upload_can_be_searched_on_opensearch_once_it_is_answered(system: System) -> None:
    path = f"/api/collections/{system.stack.managed_collection}/upload/"
    for turn in range(5):
        answer = system.api("POST", path, files={"file": (f"turn-{turn}.jpg", picture("hammer.jpg"))})
        assert answer.status_code == 201, answer.text
        files = system.api.result("POST", "/api/search/", files={"file": picture("hammer.jpg")})["files"]
        assert f"turn-{turn}.jpg" in [file["file_name"] for file in files if file["distance"] == 0.0]


def test_doctor_finds_opensearch_equal_to_the_catalogue(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert system.run_admin("doctor") == 0
    assert "All is well." in capsys.readouterr().out


def test_searches_go_on_while_the_index_is_rebuilt(system: System) -> None:
    with SearchLoop(system.api) as searches:
        eventually(lambda: searches.successes > 2)
        assert system.run_admin("reindex", "--writer-timeout", "1") == 0
        successes = searches.successes
        eventually(lambda: searches.successes > successes + 2)
    assert searches.unexpected == []
    assert searches.unavailable == 0
    assert system.run_admin("doctor") == 1, "doctor reports the old index until it is dropped"
    assert system.run_admin("reindex", "--drop-old") == 0
    assert system.run_admin("doctor") == 0


def test_searches_go_on_while_another_model_is_filled_in(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    with SearchLoop(system.api) as searches:
        assert system.run_admin("migrate", "--model", "lite", "--full-decode", "--writer-timeout", "1") == 0
        successes = searches.successes
        eventually(lambda: searches.successes > successes)
    assert (searches.unexpected, searches.unavailable) == ([], 0)
    assert "find everything from now on" in capsys.readouterr().out
    # No embedder is deployed with that model, so no record takes its vectors, and its index is dropped again.
    assert system.run_admin("migrate", "--finish") == 0
    assert "0 vectors imported; 0 left" in capsys.readouterr().out
    assert system.run_admin("reindex", "--drop-old") == 0
    assert system.run_admin("doctor") == 0


def test_a_sync_completes_without_loss_although_the_node_is_killed_during_it(system: System) -> None:
    s3, sqs, path = system.aws("s3"), system.aws("sqs"), f"/api/collections/{system.stack.collection}"
    s3.put_bucket_notification_configuration(Bucket=system.stack.sample_bucket, NotificationConfiguration={})
    photos = [file.read_bytes() for file in sorted((SAMPLES / "photos").glob("*.jpg"))]

    def put(number: int) -> None:
        body = photos[number % len(photos)]
        s3.put_object(Bucket=system.stack.sample_bucket, Key=f"photos/many/{number:05}.jpg", Body=body)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(OBJECTS)))
    outputs, total = system.stack.outputs, OBJECTS + len(photos)
    sqs.set_queue_attributes(
        QueueUrl=outputs["IndexQueueUrl"], Attributes={"VisibilityTimeout": str(VISIBILITY_TIMEOUT_SECONDS)}
    )

    def searchable_files() -> int:
        return int(system.api.result("GET", f"{path}/")["collection"]["stats"]["total_files"])

    with SearchLoop(system.api) as searches:
        assert system.api("POST", f"{path}/sync/").status_code == 202
        eventually(lambda: searchable_files() > total // 5, seconds=240)
        system.node.kill()
        eventually(lambda: searches.unavailable > 2)
        system.node.start()
        successes = searches.successes
        eventually(lambda: searches.successes > successes + 2)
        eventually(lambda: system.api.result("GET", f"{path}/sync-status/")["status"] == "completed", seconds=280)
    assert searches.unexpected == []
    assert searchable_files() == total
    dead_letters = sqs.get_queue_attributes(
        QueueUrl=outputs["IndexDeadLettersUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert dead_letters["Attributes"]["ApproximateNumberOfMessages"] == "0"
    assert system.run_admin("doctor") == 0


def test_the_pages_of_a_search_reach_every_file_once_also_among_equal_distances(system: System) -> None:
    """By now there are many copies of each photograph, all at one distance: pages end in the middle of them."""
    collection = system.stack.collection
    total = system.api.result("GET", f"/api/collections/{collection}/")["collection"]["stats"]["total_files"]
    parameters = {"query": "an owl", "limit": 100, "collection": collection}
    uuids: list[str] = []
    while True:
        answer = system.api("GET", "/api/search/", params=parameters).json()
        uuids += [file["uuid"] for file in answer["result"]["files"]]
        if answer["info"]["next_cursor"] is None:
            break
        parameters["cursor"] = answer["info"]["next_cursor"]
    assert len(uuids) == len(set(uuids)) == total


def test_a_node_that_dies_is_started_again_and_searches_recover_by_themselves(system: System) -> None:
    lines: list[str] = []
    with NodeSupervisor(system.node, lines.append, give_up=lambda: None), SearchLoop(system.api) as searches:
        eventually(lambda: searches.successes > 2)
        kill_java(system.node)
        eventually(lambda: searches.unavailable > 2)
        eventually(lambda: lines[-1:] == ["OpenSearch is ready again."], seconds=120)
        successes = searches.successes
        eventually(lambda: searches.successes > successes + 2)
    assert searches.unexpected == []
    assert lines[0].startswith("OpenSearch has ended by itself and is started again.")
    assert system.run_admin("doctor") == 0


def kill_java(node: Node) -> None:
    """End the node itself, and not the process that waits for it: so it is when it runs out of memory."""
    (java,) = map(int, Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split())
    os.kill(java, signal.SIGKILL)


class SearchLoop:
    """Searches all the time in a thread; ``unexpected`` are answers that are neither right nor a well-formed 503."""

    def __init__(self, api: Caller) -> None:
        self._api = api
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._search)
        self.successes = self.unavailable = 0
        self.unexpected: list[str] = []

    def __enter__(self) -> "SearchLoop":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _search(self) -> None:
        while not self._stop.is_set():
            self._count(self._api("GET", "/api/search/", params={"query": "an owl", "limit": 100}))
            time.sleep(0.02)

    def _count(self, answer: requests.Response) -> None:
        if answer.status_code == 200:
            self.successes += 1
            names = [file["file_name"] for file in answer.json()["result"]["files"]]
            # Copies of the owl have other names and its distance.
            if not any(name == "owl.jpg" or name.startswith("0") for name in names[:1]):
                self.unexpected.append(f"found {names[:3]}")
        elif answer.status_code == 503:
            self.unavailable += 1
            body = answer.json()
            if body["info"].get("error") != "store_unavailable" or "Retry-After" not in answer.headers:
                self.unexpected.append(f"{answer.headers} {body}")
        else:
            self.unexpected.append(f"{answer.status_code} {answer.text}")
