"""The deployed template on a genuine OpenSearch node: searched, rebuilt, and with the node killed in the middle."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from infra.admin.__main__ import main as administer
from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from infra.opensearch.node import Node, NodeError
from tests.conftest import SAMPLES
from tests.e2e.conftest import Caller, eventually, picture

OBJECTS = int(os.environ.get("SIMILARIX_OBJECTS", "500"))  # `make faults` has 2,000
HIDDEN_SECONDS = 20  # of a message that failed; as deployed it is minutes, which is long for a test


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

    def administer(self, *command: str) -> int:
        return administer(["--local", "--folder", str(self.emulator.folder), *command])


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("opensearch-stack")
    node = Node(folder / "opensearch", free_port())
    try:
        node.start()
    except NodeError as error:
        pytest.skip(str(error))
    try:
        with Emulator(folder / "local", free_port()) as emulator:
            yield System(emulator, node, bring_up(emulator, print, opensearch=node.endpoint))
    finally:
        node.stop()


def test_a_text_finds_its_picture(system: System) -> None:
    assert system.api.names_found("an owl", limit=1) == ["owl.jpg"]


def test_a_picture_finds_itself_at_distance_zero(system: System) -> None:
    found = system.api.result("POST", "/api/search/", files={"file": picture("koala.jpg")})["files"]
    assert (found[0]["file_name"], found[0]["distance"]) == ("koala.jpg", 0.0)


def test_an_upload_is_found_when_it_is_answered(system: System) -> None:
    path = f"/api/collections/{system.stack.managed_collection}/upload/"
    for turn in range(5):
        answer = system.api("POST", path, files={"file": (f"turn-{turn}.jpg", picture("hammer.jpg"))})
        assert answer.status_code == 201, answer.text
        found = system.api.result("POST", "/api/search/", files={"file": picture("hammer.jpg")})["files"]
        assert f"turn-{turn}.jpg" in [file["file_name"] for file in found if file["distance"] == 0.0]


def test_the_store_says_what_the_catalogue_says(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert system.administer("doctor") == 0
    assert "All is well." in capsys.readouterr().out


def test_the_store_is_rebuilt_while_searches_go_on(system: System) -> None:
    with Searching(system.api) as searching:
        eventually(lambda: searching.answers > 2)
        assert system.administer("reindex", "--writer-timeout", "1") == 0
        reached = searching.answers
        eventually(lambda: searching.answers > reached + 2)
    assert searching.strange == []
    assert searching.unavailable == 0
    assert system.administer("doctor") == 1, "the old index is told of until it is dropped"
    assert system.administer("reindex", "--drop-old") == 0
    assert system.administer("doctor") == 0


def test_another_model_is_filled_beside_the_one_that_answers(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    with Searching(system.api) as searching:
        assert system.administer("migrate", "--model", "lite", "--full-decode", "--writer-timeout", "1") == 0
        reached = searching.answers
        eventually(lambda: searching.answers > reached)
    assert (searching.strange, searching.unavailable) == ([], 0)
    told = capsys.readouterr().out
    assert "find everything from now on" in told
    # No embedder has it: it is given up again, and nobody has noticed.
    assert system.administer("migrate", "--finish") == 0
    assert "0 vectors imported; 0 left" in capsys.readouterr().out
    assert system.administer("reindex", "--drop-old") == 0
    assert system.administer("doctor") == 0


def test_a_node_that_is_killed_in_the_middle_of_a_sync_loses_nothing(system: System) -> None:
    s3, queues, path = system.aws("s3"), system.aws("sqs"), f"/api/collections/{system.stack.collection}"
    s3.put_bucket_notification_configuration(Bucket=system.stack.sample_bucket, NotificationConfiguration={})
    photos = [file.read_bytes() for file in sorted((SAMPLES / "photos").glob("*.jpg"))]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: put(s3, system.stack.sample_bucket, n, photos), range(OBJECTS)))
    outputs, total = system.stack.outputs, OBJECTS + len(photos)
    queues.set_queue_attributes(
        QueueUrl=outputs["IndexQueueUrl"], Attributes={"VisibilityTimeout": str(HIDDEN_SECONDS)}
    )

    def searchable() -> int:
        return int(system.api.result("GET", f"{path}/")["collection"]["stats"]["total_files"])

    with Searching(system.api) as searching:
        assert system.api("POST", f"{path}/sync/").status_code == 202
        eventually(lambda: searchable() > total // 5, seconds=240)
        system.node.kill()
        eventually(lambda: searching.unavailable > 2)
        system.node.start()
        came_back = searching.answers
        eventually(lambda: searching.answers > came_back + 2)
        eventually(lambda: system.api.result("GET", f"{path}/sync-status/")["status"] == "completed", seconds=280)
    assert searching.strange == []
    assert searchable() == total
    dead = queues.get_queue_attributes(
        QueueUrl=outputs["IndexDeadLettersUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert dead["Attributes"]["ApproximateNumberOfMessages"] == "0"
    assert system.administer("doctor") == 0


def test_everything_is_reached_page_by_page_and_once(system: System) -> None:
    """By now there are many copies of each photograph, all at one distance: pages end in the middle of them."""
    asked = {"query": "an owl", "limit": 100, "collection": system.stack.collection}
    path = f"/api/collections/{system.stack.collection}/"
    total = system.api.result("GET", path)["collection"]["stats"]["total_files"]
    found: list[str] = []
    while True:
        answer = system.api("GET", "/api/search/", params=asked).json()
        found += [file["uuid"] for file in answer["result"]["files"]]
        if answer["info"]["next_cursor"] is None:
            break
        asked["cursor"] = answer["info"]["next_cursor"]
    assert len(found) == len(set(found)) == total


def put(s3: Any, bucket: str, number: int, photos: list[bytes]) -> None:
    s3.put_object(Bucket=bucket, Key=f"photos/many/{number:05}.jpg", Body=photos[number % len(photos)])


class Searching:
    """Somebody who searches all the time; ``strange`` are answers that are neither right nor a 503 in the envelope."""

    def __init__(self, api: Caller) -> None:
        self._api = api
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._search)
        self.answers = self.unavailable = 0
        self.strange: list[str] = []

    def __enter__(self) -> "Searching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _search(self) -> None:
        while not self._stop.is_set():
            self._look(self._api("GET", "/api/search/", params={"query": "an owl", "limit": 100}))
            time.sleep(0.02)

    def _look(self, answer: requests.Response) -> None:
        if answer.status_code == 200:
            self.answers += 1
            names = [file["file_name"] for file in answer.json()["result"]["files"]]
            # Copies of the owl have other names and its distance.
            if not any(name == "owl.jpg" or name.startswith("0") for name in names[:1]):
                self.strange.append(f"found {names[:3]}")
        elif answer.status_code == 503:
            self.unavailable += 1
            body = answer.json()
            if body["info"].get("error") != "store_unavailable" or "Retry-After" not in answer.headers:
                self.strange.append(f"{answer.headers} {body}")
        else:
            self.strange.append(f"{answer.status_code} {answer.text}")
