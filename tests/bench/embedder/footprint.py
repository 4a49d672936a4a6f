"""What the embedder needs beside time: memory, a cold start, the store's latency, money."""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from botocore.config import Config

from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.handler import answer
from embedder_container.inference import Model
from embedder_container.models import ModelDescription
from embedder_container.settings import MEGABYTES_PER_CPU
from embedder_container.transfer import Transfers
from infra.emulator import Emulator
from infra.localhost import free_port
from tests.bench.embedder.peer_process import THREADS
from tests.bench.embedder.pictures import ROOT, pictures
from tests.bench.embedder.speed import seconds_of
from tests.bench.figures import figure

# https://aws.amazon.com/lambda/pricing/ (x86, us-east-1)
GB_SECOND, REQUEST = 0.0000166667, 0.20 / 1e6
# https://aws.amazon.com/bedrock/pricing/: Titan Multimodal Embeddings, a picture, and a text of ten tokens
HOSTED_PICTURE, HOSTED_TEXT = 0.00006, 0.0008 / 1000 * 10
EMBEDDER_MEMORY_MB = 3008


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
from tests.bench.resident import peak_mb
from embedder_container.embedder import Embedder
from embedder_container.tasks import ObjectToEmbed, Stopwatch
from embedder_container.inference import Model
from embedder_container.decoder_pool import DecoderPool

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


def handler(card: ModelDescription, rate: float) -> None:
    """A batch of 64 presigned URLs of the local stack's S3, thumbnails stored there, through the handler."""
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
