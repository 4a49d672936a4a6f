"""Images and texts a second: ours, the bare model's and the peers', in turns."""

import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np
import onnxruntime

from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.domain.embeddings import QueryVector, ReadFailure
from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.tasks import ObjectToEmbed, Timings
from embedder_container.transfer import Transfers
from embedder_container.transforms import to_pixels
from tests.bench.embedder.image_files import image_files
from tests.bench.embedder.memory_transfers import MemoryTransfers
from tests.bench.embedder.peer_process import THREADS, Peer
from tests.bench.figures import figure, percentile

ROUNDS = 5
# Threads of the previous side may still spin.
PAUSE_SECONDS = {"images": 0.2, "texts": 0.1}
QUERIES = [
    "a dog in the snow",
    "two owls on a branch at night",
    "red car",
    "a plate of food on a wooden table",
    "children playing football in a park",
    "the eiffel tower",
    "a close-up photo of a flower",
    "mountains behind a lake",
]


def measure_images(size: str, model: Model, decoders: DecoderPool, peers: dict[str, Peer]) -> float:
    """Print the images per second of all sides, and return ours."""
    files = image_files(size)
    contents = {str(file): file.read_bytes() for file in files}
    embedder = Embedder(model, MemoryTransfers(contents), decoders, THREADS)
    objects = [ObjectToEmbed(url) for url in contents]
    tensors = [to_pixels(decode(data, 224).image, model.description.image) for data in contents.values()]
    raw_runs = raw_model_runs(model.description.path("vision.onnx"), tensors)

    def embed_all() -> None:
        results = embedder.embed_objects(objects, Timings())
        assert all("vector" in result for result in results)

    sides: dict[str, Callable[[], float]] = {
        "own": lambda: seconds_of(embed_all),
        **{name: (lambda run=run: seconds_of(run)) for name, run in raw_runs.items()},  # type: ignore[misc]
        **{
            name: (lambda peer=peer: peer.seconds(images=[str(file) for file in files])[0])  # type: ignore[misc]
            for name, peer in peers.items()
        },
    }
    seconds = interleaved_seconds(sides)
    for name, rounds in seconds.items():
        figure(f"embed_{name}_{size}", len(files) / statistics.median(rounds), "1/s")
    # The bare model at its best: the way of running it that was fastest over all rounds.
    fastest_raw = min((seconds[name] for name in raw_runs), key=statistics.median)
    figure(f"embed_ratio_{size}", ratio(fastest_raw, seconds["own"]), "x")
    for name in peers:
        figure(f"embed_vs_{name}_{size}", ratio(seconds[name], seconds["own"]), "x")
    return len(files) / statistics.median(seconds["own"])


def raw_model_runs(graph: Path, tensors: Sequence[Any]) -> dict[str, Callable[[], object]]:
    """Return ways to call `session.run` on ready tensors: in eights on all threads, in eights or singly on each."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    all_threads = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    options.intra_op_num_threads = 1
    one_thread = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    batches = [np.concatenate(tensors[first : first + 8]) for first in range(0, len(tensors), 8)]
    pool = ThreadPoolExecutor(THREADS)
    return {
        "raw_together": lambda: [all_threads.run(None, {"pixel_values": batch}) for batch in batches],
        "raw_apart": lambda: list(pool.map(lambda batch: one_thread.run(None, {"pixel_values": batch}), batches)),
        "raw_singly": lambda: list(pool.map(lambda tensor: one_thread.run(None, {"pixel_values": tensor}), tensors)),
    }


def measure_texts(model: Model, decoders: DecoderPool, peers: dict[str, Peer]) -> float:
    """Print the times of one text after the other, as queries come; returns our median in seconds."""
    embedder = Embedder(model, Transfers(), decoders, THREADS)

    def embed_each() -> list[float]:
        return [seconds_of(lambda text=text: embedder.embed_texts([text], Timings())) for text in QUERIES]

    seconds: dict[str, list[float]] = {name: [] for name in ("own", *peers)}
    for turn in range(2 * ROUNDS + 1):
        for name in seconds:
            turn_seconds = embed_each() if name == "own" else peers[name].seconds(texts=QUERIES)
            if turn:
                seconds[name].extend(turn_seconds)
            sleep(PAUSE_SECONDS["texts"])
    own = statistics.median(seconds["own"])
    figure("text_p50_ms", own * 1000, "ms")
    figure("text_p95_ms", percentile(seconds["own"], 95) * 1000, "ms")
    figure("texts_per_s", len(seconds["own"]) / sum(seconds["own"]), "1/s")
    for name in peers:
        figure(f"text_{name}_p50_ms", statistics.median(seconds[name]) * 1000, "ms")
        figure(f"text_vs_{name}", statistics.median(seconds[name]) / own, "x")
    measure_cached_texts(embedder)
    return own


def measure_cached_texts(embedder: Embedder) -> None:
    """Print the time of a text that was embedded before, in the function behind the API."""

    class InProcessEmbedder:
        def embed_texts(self, texts: Sequence[str]) -> list[QueryVector | ReadFailure]:
            return [QueryVector("bench", each["vector"].encode()) for each in embedder.embed_texts(texts, Timings())]

    cached = CachedEmbedder(InProcessEmbedder())  # type: ignore[arg-type]
    for text in QUERIES:
        cached.embed_texts("account", [text])
    seconds = [seconds_of(lambda text=text: cached.embed_texts("account", [text])) for text in QUERIES * 100]
    figure("text_remembered_us", statistics.median(seconds) * 1e6, "us")


def measure_reduced_decode() -> None:
    """Print how far reduced decoding of a large JPEG moves its vector, with the lite model's real weights."""
    description = load_description(SHIPPED_MODELS, "lite")
    lite, config, cosines = Model(description, 1), description.image, [1.0]
    for file in image_files("3000"):
        data = file.read_bytes()
        full, reduced = (to_pixels(decode(data, shortest).image, config) for shortest in (0, config.size))
        cosines.append(float(lite.embed_pixels(full) @ lite.embed_pixels(reduced)))
    figure("reduced_distance_max", 1 - min(cosines), "cos")


def interleaved_seconds(sides: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Return the seconds of each side in each round; the sides take turns, and the first round does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(ROUNDS + 1):
        for name, side in sides.items():
            spent = side()
            if turn:
                seconds[name].append(spent)
            sleep(PAUSE_SECONDS["images"])
    return seconds


def ratio(theirs: Sequence[float], own: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(theirs, own, strict=True))


def spent_by(action: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the clock and of this process's processors that an action takes."""
    processors = process_time()
    clock = seconds_of(action)
    return clock, process_time() - processors


def seconds_of(action: Callable[[], object]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start
