"""The system as a newcomer meets it: from a fresh clone to the first answer, and how fast it answers then."""

import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import requests

from infra.emulator import Emulator
from infra.localhost import free_port
from infra.seed import FOLDER, Api
from tests.bench.figures import figure, milliseconds, percentile

ROOT = Path(__file__).parents[2]
SEARCHES = 100
EVENTS = 50  # objects that are put, and deleted


class Running:
    """``make run`` in a clone, as a person types it."""

    def __init__(self, clone: Path, port: int) -> None:
        # The clone makes its own virtual environment, whatever the shell of this one has.
        environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS")}
        self.process = subprocess.Popen(
            ["make", "run", f"PORT={port}"], cwd=clone, env=environment, stdout=subprocess.PIPE, text=True
        )
        self.folder = clone / ".local"
        self.synced_seconds = 0.0

    def until_first_answer(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if synced := re.match(r"Synced in ([\d.]+) s", line):
                self.synced_seconds = float(synced.group(1))
            if "is running" in line:
                return
        raise RuntimeError("make run ended before its first answer")

    def stop(self) -> None:
        # make passes this on to what it runs; Ctrl-C at a terminal would reach both by itself.
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone, port = Path(folder) / "similarix", free_port()
        began = perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        running = Running(clone, port)
        running.until_first_answer()
        figure("fresh_to_first_result_s", perf_counter() - began, "s")
        running.stop()
        indexing(running)
        began = perf_counter()
        running = Running(clone, port)
        try:
            running.until_first_answer()
            figure("second_run_s", perf_counter() - began, "s")
            stack = json.loads((running.folder / "stack.json").read_text())
            searches(stack, clone / "samples")
            quality(Api(stack["api_url"], stack["token"]), clone / "samples")
            events(stack, clone / "samples", running.folder)
        finally:
            running.stop()


def events(stack: dict[str, str], samples: Path, folder: Path) -> None:
    """From S3's answer to a put, or a delete, until a search through HTTP shows it, one object after the other."""
    api = Api(stack["api_url"], stack["token"])
    emulator = Emulator(folder, int(stack["aws_endpoint"].rpartition(":")[2]))
    s3 = emulator.session().client("s3", endpoint_url=emulator.endpoint)
    body, taken = (samples / "photos" / "owl.jpg").read_bytes(), []
    for number in range(EVENTS):
        name = f"event-{number}.jpg"
        put = {"Bucket": stack["sample_bucket"], "Key": f"{FOLDER}/{name}"}
        s3.put_object(**put, Body=body + bytes([number]))  # bytes of its own, so that it is decoded and embedded
        taken.append(_until(lambda name=name: name in _found(api, body)))
        s3.delete_object(**put)
        taken.append(_until(lambda name=name: name not in _found(api, body)))
    figure("event_seconds_p50", statistics.median(taken), "s")
    figure("event_seconds_p95", percentile(taken, 95), "s")


def _found(api: Api, body: bytes) -> list[str]:
    return [file["file_name"] for file in api.call("POST", "/search/", files={"file": body})["files"]]


def _until(look: Callable[[], bool]) -> float:
    began = perf_counter()
    while not look():
        if perf_counter() - began > 60:
            raise TimeoutError("the event did not arrive")
    return perf_counter() - began


def searches(stack: dict[str, str], samples: Path) -> None:
    """Through HTTP, warm, one after the other; the emulator's own time is in them."""
    session, url = requests.Session(), f"{stack['api_url']}/api/search/"
    session.headers["Authorization"] = f"Token {stack['token']}"
    owl = (samples / "photos" / "owl.jpg").read_bytes()
    ways = {
        "text_search": lambda: session.get(url, params={"query": "an owl"}, timeout=30).raise_for_status(),
        "image_search": lambda: session.post(url, files={"file": owl}, timeout=30).raise_for_status(),
    }
    for name, search in ways.items():
        taken = milliseconds(search, SEARCHES)
        figure(f"{name}_p50_ms", statistics.median(taken), "ms")
        figure(f"{name}_p95_ms", percentile(taken, 95), "ms")


def quality(api: Api, samples: Path) -> None:
    """Captions as queries: how often the picture itself comes first, and among the first five."""
    described, ranks = json.loads((samples / "samples.json").read_text()), []
    for sample in described:
        found = api.call("GET", "/search/", params={"query": sample["title"], "limit": 100})["files"]
        names = [file["file_name"] for file in found]
        ranks.append(names.index(sample["file"].rpartition("/")[2]))
    figure("sample_r1", 100 * sum(rank < 1 for rank in ranks) / len(ranks), "%")
    figure("sample_r5", 100 * sum(rank < 5 for rank in ranks) / len(ranks), "%")


def indexing(running: Running) -> None:
    """The first sync: 50 pictures from the call to searchable, every function started for it."""
    figure("index_50_s", running.synced_seconds, "s")
    log = (running.folder / "emulator.log").read_text(errors="replace")
    inference = sum(float(ms) for ms in re.findall(r'"embed_objects".*?"inference_ms": ([\d.]+)', log)) / 1000
    # Several embedders work at once: their sum is set against what all processors could do in that time.
    figure("index_50_model_share", 100 * inference / (running.synced_seconds * (os.cpu_count() or 1)), "%")


if __name__ == "__main__":
    main()
