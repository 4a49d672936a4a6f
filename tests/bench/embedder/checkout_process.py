"""Embeds with the embedder of a checkout, in a process of its own: two versions are measured in turns in one run."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.embedder.image_files import ROOT

# Runs in the checkout; what it imports is there before and after.
SCRIPT = """
import json, os, sys, time
from pathlib import Path
from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.inference import Model
from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.tasks import ObjectToEmbed, Timings
from embedder_container.transfer import Transfers

class MemoryTransfers(Transfers):
    def download(self, url, *_):
        return contents[url]
    def upload(self, url, thumbnail):
        pass

def processor_seconds():
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")

if sys.argv[1] == "full":
    from tests.bench.embedder.full_size import full_size_model
    description = full_size_model()
else:
    description = load_description(SHIPPED_MODELS, sys.argv[1])
threads = int(sys.argv[2])
decoders = DecoderPool(description.image, threads)
embedder = Embedder(Model(description, threads), MemoryTransfers(), decoders, threads)
contents = {}
print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    for file in request["files"]:
        if file not in contents:
            contents[file] = Path(file).read_bytes()
    thumbnail = "https://thumbnail" if request["thumbnails"] else None
    objects = [ObjectToEmbed(file, thumbnail) for file in request["files"]] * request["times"]
    start, processors = time.perf_counter(), processor_seconds()
    results = embedder.embed_objects(objects, Timings())
    seconds = time.perf_counter() - start
    assert all("vector" in result for result in results), results
    print(json.dumps([seconds, processor_seconds() - processors]), flush=True)
embedder.close()
"""


@dataclass(frozen=True)
class Spent:
    """Seconds of the clock, and of all processors together, to a hundredth of a second for each decoder process."""

    clock: float
    processors: float


class CheckoutProcess:
    """A process with the embedder of a checkout of this repository.

    Args:
        model: the name of a model that ships, or `full`: CLIP at full size, its graphs optimised by that checkout.
    """

    def __init__(self, checkout: Path, model: str, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, model, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
        )
        assert self._read_line() == "ready", f"the embedder of {checkout} did not start"

    def embed(self, files: list[Path], *, thumbnails: bool = False, times: int = 1) -> Spent:
        """Embed files, each `times` times in one call, and return what it took."""
        assert self._process.stdin is not None
        request = {"files": [str(file) for file in files], "thumbnails": thumbnails, "times": times}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return Spent(*json.loads(self._read_line()))

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


HERE = ROOT
