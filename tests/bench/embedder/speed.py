"""Pictures and texts a second: ours, the bare model's and the peers', in turns."""

import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, sleep
from typing import Any

import numpy as np
import onnxruntime

from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.domain.embeddings import QueryVector
from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import MODELS_SHIPPED, load_description
from embedder_container.tasks import ObjectToEmbed, Timings
from embedder_container.transfer import Transfers
from embedder_container.transforms import to_pixels
from tests.bench.embedder.in_memory import InMemory
from tests.bench.embedder.peer_process import THREADS, Peer
from tests.bench.embedder.pictures import pictures
from tests.bench.figures import figure, percentile

ROUNDS = 5
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


def images(size: str, model: Model, decoders: DecoderPool, peers: dict[str, Peer]) -> float:
    """Pictures per second, ours and the others'; answers ours."""
    files = pictures(size)
    objects = {str(file): file.read_bytes() for file in files}
    embedder = Embedder(model, InMemory(objects), decoders, THREADS)
    wishes = [ObjectToEmbed(url) for url in objects]
    tensors = [to_pixels(decode(data, 224).image, model.card.image) for data in objects.values()]
    raws = raw_ways(model, tensors)

    def ours() -> None:
        results = embedder.embed_objects(wishes, Timings())
        assert all("vector" in result for result in results)

    sides: dict[str, Callable[[], float]] = {
        "own": lambda: seconds_of(ours),
        **{name: (lambda way=way: seconds_of(way)) for name, way in raws.items()},  # type: ignore[misc]
        **{
            name: (lambda peer=peer: peer.seconds(images=[str(file) for file in files])[0])  # type: ignore[misc]
            for name, peer in peers.items()
        },
    }
    taken = interleaved(sides)
    for name, spent in taken.items():
        figure(f"embed_{name}_{size}", len(files) / statistics.median(spent), "1/s")
    # The bare model at its best: whichever way of running it was faster over all rounds.
    raw = min((taken[name] for name in raws), key=statistics.median)
    figure(f"embed_ratio_{size}", ratio(raw, taken["own"]), "x")
    for name in peers:
        figure(f"embed_vs_{name}_{size}", ratio(taken[name], taken["own"]), "x")
    return len(files) / statistics.median(taken["own"])


def raw_ways(model: Model, tensors: Sequence[Any]) -> dict[str, Callable[[], object]]:
    """`session.run` on ready tensors: runs of eight on all threads, or on each, and runs of one on each."""
    graph = str(model.card.folder / "vision.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    together = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    options.intra_op_num_threads = 1
    apart = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    batches = [np.concatenate(tensors[first : first + 8]) for first in range(0, len(tensors), 8)]
    pool = ThreadPoolExecutor(THREADS)
    return {
        "raw_together": lambda: [together.run(None, {"pixel_values": batch}) for batch in batches],
        "raw_apart": lambda: list(pool.map(lambda batch: apart.run(None, {"pixel_values": batch}), batches)),
        "raw_singly": lambda: list(pool.map(lambda tensor: apart.run(None, {"pixel_values": tensor}), tensors)),
    }


def texts(model: Model, decoders: DecoderPool, peers: dict[str, Peer]) -> float:
    """One text after the other, as queries come; answers the median of ours in seconds."""
    embedder = Embedder(model, Transfers(), decoders, THREADS)

    def ours() -> list[float]:
        return [seconds_of(lambda text=text: embedder.embed_texts([text], Timings())) for text in QUERIES]

    spent: dict[str, list[float]] = {name: [] for name in ("own", *peers)}
    for turn in range(2 * ROUNDS + 1):
        for name in spent:
            taken = ours() if name == "own" else peers[name].seconds(texts=QUERIES)
            if turn:
                spent[name].extend(taken)
            sleep(0.1)
    own = statistics.median(spent["own"])
    figure("text_p50_ms", own * 1000, "ms")
    figure("text_p95_ms", percentile(spent["own"], 95) * 1000, "ms")
    figure("texts_per_s", len(spent["own"]) / sum(spent["own"]), "1/s")
    for name in peers:
        figure(f"text_{name}_p50_ms", statistics.median(spent[name]) * 1000, "ms")
        figure(f"text_vs_{name}", statistics.median(spent[name]) / own, "x")
    remembered(embedder)
    return own


def remembered(embedder: Embedder) -> None:
    """A text that was embedded before, in the function behind the API."""

    class InProcess:
        def embed_text(self, text: str) -> QueryVector:
            return QueryVector("bench", embedder.embed_texts([text], Timings())[0]["vector"].encode())

    cached = CachedEmbedder(InProcess())  # type: ignore[arg-type]
    for text in QUERIES:
        cached.embed_text(text)
    spent = [seconds_of(lambda text=text: cached.embed_text(text)) for text in QUERIES * 100]
    figure("text_remembered_us", statistics.median(spent) * 1e6, "us")


def reduced() -> None:
    """How far a vector moves when a large JPEG is decoded at a reduced size, by the model that has real weights."""
    card = load_description(MODELS_SHIPPED, "lite")
    lite, cosines = Model(card, 1), [1.0]
    for file in pictures("3000"):
        data = file.read_bytes()
        exact, small = (to_pixels(decode(data, shortest).image, card.image) for shortest in (0, card.image.size))
        cosines.append(float(lite.embed_pixels(exact) @ lite.embed_pixels(small)))
    figure("reduced_distance_max", 1 - min(cosines), "cos")


def interleaved(sides: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Seconds of each side in each round, after a round that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(ROUNDS + 1):
        for name, side in sides.items():
            spent = side()
            if turn:
                taken[name].append(spent)
            sleep(0.2)  # threads of the side before that still spin
    return taken


def ratio(theirs: Sequence[float], own: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(theirs, own, strict=True))


def seconds_of(act: Callable[[], object]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began
