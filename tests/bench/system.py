"""The system as a newcomer meets it: the time from a fresh clone to the first answer, and of searches after that."""

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
EVENT_TIMEOUT_SECONDS = 60


class RunningSystem:
    """``make run`` in a clone, as at a shell."""

    def __init__(self, clone: Path, port: int) -> None:
        # The clone makes its own virtual environment, whatever the shell of this one has.
        environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS")}
        self.process = subprocess.Popen(
            ["make", "run", f"PORT={port}"], cwd=clone, env=environment, stdout=subprocess.PIPE, text=True
        )
        self.folder = clone / ".local"
        self.sync_seconds = 0.0

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.match(r"Synced in ([\d.]+) s", line):
                self.sync_seconds = float(match.group(1))
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
        started = perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        system = RunningSystem(clone, port)
        system.wait_until_ready()
        figure("fresh_to_first_result_s", perf_counter() - started, "s")
        system.stop()
        measure_indexing(system)
        started = perf_counter()
        system = RunningSystem(clone, port)
        try:
            system.wait_until_ready()
            figure("second_run_s", perf_counter() - started, "s")
            stack = json.loads((system.folder / "stack.json").read_text())
            measure_searches(stack, clone / "samples")
            measure_quality(Api(stack["api_url"], stack["token"]), clone / "samples")
            measure_events(stack, clone / "samples", system.folder)
        finally:
            system.stop()


def measure_events(stack: dict[str, str], samples: Path, folder: Path) -> None:
    """From S3's answer to a put, or a delete, until a search through HTTP shows it, one object after the other."""
    api = Api(stack["api_url"], stack["token"])
    emulator = Emulator(folder, int(stack["aws_endpoint"].rpartition(":")[2]))
    s3 = emulator.session().client("s3", endpoint_url=emulator.endpoint)
    body, durations = (samples / "photos" / "owl.jpg").read_bytes(), []

    def is_found(name: str) -> bool:
        files = api.call("POST", "/search/", files={"file": body})["files"]
        return name in [file["file_name"] for file in files]

    for number in range(EVENTS):
        name = f"event-{number}.jpg"
        address = {"Bucket": stack["sample_bucket"], "Key": f"{FOLDER}/{name}"}
        s3.put_object(**address, Body=body + bytes([number]))  # bytes of its own, so that it is decoded and embedded
        durations.append(_seconds_until(lambda name=name: is_found(name)))
        s3.delete_object(**address)
        durations.append(_seconds_until(lambda name=name: not is_found(name)))
    figure("event_seconds_p50", statistics.median(durations), "s")
    figure("event_seconds_p95", percentile(durations, 95), "s")


def _seconds_until(probe: Callable[[], bool]) -> float:
    started = perf_counter()
    while not probe():
        if perf_counter() - started > EVENT_TIMEOUT_SECONDS:
            raise TimeoutError(f"No search has shown the event within {EVENT_TIMEOUT_SECONDS} s.")
    return perf_counter() - started


def measure_searches(stack: dict[str, str], samples: Path) -> None:
    """Through HTTP, warm, one after the other; the emulator's own time is in them."""
    session, url = requests.Session(), f"{stack['api_url']}/api/search/"
    session.headers["Authorization"] = f"Token {stack['token']}"
    owl = (samples / "photos" / "owl.jpg").read_bytes()
    searches = {
        "text_search": lambda: session.get(url, params={"query": "an owl"}, timeout=30).raise_for_status(),
        "image_search": lambda: session.post(url, files={"file": owl}, timeout=30).raise_for_status(),
    }
    for name, search in searches.items():
        durations = milliseconds(search, SEARCHES)
        figure(f"{name}_p50_ms", statistics.median(durations), "ms")
        figure(f"{name}_p95_ms", percentile(durations, 95), "ms")


def measure_quality(api: Api, samples: Path) -> None:
    """Captions as queries: how often the picture itself comes first, and among the first five."""
    ranks = []
    for sample in json.loads((samples / "samples.json").read_text()):
        files = api.call("GET", "/search/", params={"query": sample["title"], "limit": 100})["files"]
        names = [file["file_name"] for file in files]
        ranks.append(names.index(sample["file"].rpartition("/")[2]))
    figure("sample_r1", 100 * sum(rank < 1 for rank in ranks) / len(ranks), "%")
    figure("sample_r5", 100 * sum(rank < 5 for rank in ranks) / len(ranks), "%")


def measure_indexing(system: RunningSystem) -> None:
    """The first sync: 50 pictures from the call to searchable, every function started for it."""
    figure("index_50_s", system.sync_seconds, "s")
    log = (system.folder / "emulator.log").read_text(errors="replace")
    inference = sum(float(ms) for ms in re.findall(r'"embed_objects".*?"inference_ms": ([\d.]+)', log)) / 1000
    # Several embedders work at once: their sum is set against what all processors could do in that time.
    figure("index_50_model_share", 100 * inference / (system.sync_seconds * (os.cpu_count() or 1)), "%")


if __name__ == "__main__":
    main()
