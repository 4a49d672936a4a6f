"""``make bench-embed``: the embedder on CLIP ViT-B/32 at full size, beside the bare model and two peers, in one run.

Sides take turns, round after round, so that whatever else the machine does meets all of them; a ratio is the median of
the rounds' ratios. Pictures are JPEG bytes in memory (ours) or files in the page cache (theirs), and become vectors.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np
import onnxruntime

from chalicelib.adapters.cached_embedder import CachedEmbedder
from chalicelib.services.ports import Embedding
from embedder_container.embedder import Embedder, ObjectToEmbed, Stopwatch
from embedder_container.inference import Model
from embedder_container.isolation import DecoderPool
from embedder_container.models import ModelCard
from embedder_container.pictures import decode
from embedder_container.preprocessing import to_pixels
from embedder_container.settings import MEGABYTES_PER_CPU
from embedder_container.transfer import Transfers
from infra.emulator import Emulator
from tests.bench.embedder.full_size import fastembed_folders, full_size_model
from tests.bench.embedder.in_memory import InMemory
from tests.bench.embedder.pictures import ROOT, pictures
from tests.bench.figures import figure, percentile
from tests.e2e.ports import free_port

THREADS = os.cpu_count() or 1
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
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
# https://aws.amazon.com/lambda/pricing/ (x86, us-east-1)
GB_SECOND, REQUEST = 0.0000166667, 0.20 / 1e6
# https://aws.amazon.com/bedrock/pricing/: Titan Multimodal Embeddings, a picture, and a text of ten tokens
HOSTED_PICTURE, HOSTED_TEXT = 0.00006, 0.0008 / 1000 * 10
EMBEDDER_MEMORY_MB = 3008


class Peer:
    """A peer's process; see peers.py."""

    def __init__(self, name: str, card: ModelCard) -> None:
        command = [str(PEERS_PYTHON), str(Path(__file__).with_name("peers.py")), name, str(THREADS)]
        folders = [str(folder) for folder in fastembed_folders(card)]
        self._process = subprocess.Popen(
            [*command, *folders], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        assert self._ask() == "ready", f"{name} did not start"

    def seconds(self, **asked: Any) -> list[float]:
        assert self._process.stdin is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return list(json.loads(self._ask()))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _ask(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def main() -> None:
    card = full_size_model()
    model = Model(card, THREADS)
    decoders = DecoderPool(card.image, THREADS)
    peers = {name: Peer(name, card) for name in ("fastembed", "open_clip")}
    try:
        rate = {size: images(size, model, decoders, peers) for size in ("640", "3000")}
        text_seconds = texts(model, decoders, peers)
    finally:
        for peer in peers.values():
            peer.stop()
        decoders.close()
    reduced(card, model)
    memory()
    cold()
    handler(card, rate["640"])
    cost(rate["640"], text_seconds)


def images(size: str, model: Model, decoders: DecoderPool, peers: dict[str, Peer]) -> float:
    """Pictures per second, ours and the others'; answers ours."""
    files = pictures(size)
    objects = {str(file): file.read_bytes() for file in files}
    embedder = Embedder(model, InMemory(objects), decoders, THREADS)
    wishes = [ObjectToEmbed(url) for url in objects]
    tensors = [to_pixels(decode(data, 224).image, model.card.image) for data in objects.values()]
    raws = raw_ways(model, tensors)

    def ours() -> None:
        results = embedder.embed_objects(wishes, Stopwatch())
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
    """`session.run` on ready tensors with as many threads: one run on all of them, or as many runs on one each."""
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
        "raw_apart": lambda: list(pool.map(lambda tensor: apart.run(None, {"pixel_values": tensor}), tensors)),
    }


def texts(model: Model, decoders: DecoderPool, peers: dict[str, Peer]) -> float:
    """One text after the other, as queries come; answers the median of ours in seconds."""
    embedder = Embedder(model, Transfers(), decoders, THREADS)

    def ours() -> list[float]:
        return [seconds_of(lambda text=text: embedder.embed_texts([text], Stopwatch())) for text in QUERIES]

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
        def embed_text(self, text: str) -> Embedding:
            return Embedding("bench", embedder.embed_texts([text], Stopwatch())[0]["vector"].encode())

    cached = CachedEmbedder(InProcess())  # type: ignore[arg-type]
    for text in QUERIES:
        cached.embed_text(text)
    spent = [seconds_of(lambda text=text: cached.embed_text(text)) for text in QUERIES * 100]
    figure("text_remembered_us", statistics.median(spent) * 1e6, "us")


def reduced(card: ModelCard, model: Model) -> None:
    """How far a vector moves when a large JPEG is decoded at a reduced size, on the model that ships (real weights)."""
    from embedder_container.models import MODELS_SHIPPED, load_card

    lite = Model(load_card(MODELS_SHIPPED, "lite"), 1)
    cosines = [1.0]
    for file in pictures("3000"):
        data = file.read_bytes()
        exact, small = (to_pixels(decode(data, shortest).image, card.image) for shortest in (0, card.image.size))
        cosines.append(float(lite.embed_pixels(exact) @ lite.embed_pixels(small)))
    figure("reduced_distance_max", 1 - min(cosines), "cos")


def memory() -> None:
    """The most that the embedder's processes had in memory together, after 64 pictures of 6 megapixels and a text."""
    script = """
import sys
from pathlib import Path
import os
from tests.bench.embedder.in_memory import InMemory
from tests.bench.embedder.in_memory import InMemory
from tests.bench.embedder.full_size import full_size_model
from tests.bench.embedder.pictures import pictures
from tests.bench.embedder.resident import peak_mb
from embedder_container.embedder import Embedder, ObjectToEmbed, Stopwatch
from embedder_container.inference import Model
from embedder_container.isolation import DecoderPool

card = full_size_model()
objects = {str(file): file.read_bytes() for file in pictures("3000")}
THREADS = os.cpu_count()
pool = DecoderPool(card.image, THREADS)
embedder = Embedder(Model(card, THREADS), InMemory(objects), pool, THREADS)
embedder.embed_texts(["a dog"], Stopwatch())
embedder.embed_objects([ObjectToEmbed(url) for url in objects] * 4, Stopwatch())
print(peak_mb())
embedder.close()
"""
    figure("embed_rss_mb", float(run(script)), "MB")


def cold() -> None:
    """From the start of an interpreter to the first vector, the model's files in the page cache."""
    picture = str(pictures("640")[0])
    event = {
        "text": "{'op': 'embed_texts', 'texts': ['a dog in the snow']}",
        "image": f"{{'op': 'embed_image', 'image': base64.b64encode(open({picture!r}, 'rb').read()).decode()}}",
    }
    for half, asked in event.items():
        script = f"import base64; from embedder_container.handler import handler; handler({asked}, None)"
        spent = [seconds_of(lambda script=script: run(script)) for _ in range(5)]
        figure(f"{half}_cold_s", statistics.median(spent), "s")


def run(script: str) -> str:
    environ = {**os.environ, "MODEL": "vit-b-32-random", "MODELS_DIR": str(ROOT / "build" / "models")}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True).stdout


def handler(card: ModelCard, rate: float) -> None:
    """A batch of 64 presigned URLs of the local stack's S3, thumbnails stored there, through the handler."""
    from botocore.config import Config

    from embedder_container.handler import answer

    files = pictures("640")
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        s3 = emulator.session().client("s3", endpoint_url=emulator.endpoint, config=Config(signature_version="s3v4"))
        s3.create_bucket(Bucket="bench")
        for number in range(64):
            s3.put_object(Bucket="bench", Key=f"{number}.jpg", Body=files[number % len(files)].read_bytes())

        def sign(action: str, key: str, **more: str) -> str:
            return str(s3.generate_presigned_url(action, Params={"Bucket": "bench", "Key": key, **more}))

        objects = [
            {
                "url": sign("get_object", f"{number}.jpg"),
                "thumbnail_url": sign("put_object", f"thumbnails/{number}.jpg", ContentType="image/jpeg"),
            }
            for number in range(64)
        ]
        decoders = DecoderPool(card.image, THREADS)
        embedder = Embedder(Model(card, THREADS), Transfers(emulator.endpoint), decoders, THREADS)
        event = {"op": "embed_objects", "objects": objects}
        answer({**event, "objects": objects[:4]}, embedder)  # loads
        began = perf_counter()
        answered = answer(event, embedder)
        spent = perf_counter() - began
        embedder.close()
    assert all("vector" in result for result in answered["results"]), answered["results"]
    figure("handler_64_s", spent, "s")
    figure("handler_64_per_s", 64 / spent, "1/s")
    figure("handler_vs_memory", 64 / spent / rate, "x")


def cost(rate: float, text_seconds: float) -> None:
    """Dollars by Lambda's price, for the processors' time that was measured here, beside a hosted API's list price."""
    # Memory buys processors, so a picture costs the same whatever the function's size.
    processor_second = MEGABYTES_PER_CPU / 1024 * GB_SECOND
    figure("cost_million_pictures_usd", 1e6 * THREADS / rate * processor_second, "USD")
    search = text_seconds * EMBEDDER_MEMORY_MB / 1024 * GB_SECOND + REQUEST
    figure("cost_million_searches_usd", 1e6 * search, "USD")
    figure("cost_hosted_million_pictures_usd", 1e6 * HOSTED_PICTURE, "USD")
    figure("cost_hosted_million_searches_usd", 1e6 * HOSTED_TEXT, "USD")


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


if __name__ == "__main__":
    main()
