"""The embedder's memory, cold start, speed with a store, and costs."""

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
from embedder_container.handler import handle_event
from embedder_container.inference import Model
from embedder_container.models import ModelDescription
from embedder_container.settings import MEGABYTES_PER_CPU
from embedder_container.transfer import Transfers
from infra.costs import dollars
from infra.emulator import Emulator
from infra.localhost import free_port
from tests.bench.embedder.image_files import ROOT, image_files
from tests.bench.embedder.peer_process import THREADS
from tests.bench.embedder.speed import seconds_of
from tests.bench.figures import figure

GB_SECOND_USD, REQUEST_USD = dollars({"lambda_gb_seconds": 1}), dollars({"lambda_requests": 1})
# https://aws.amazon.com/bedrock/pricing/: Titan Multimodal Embeddings, an image, and a text of ten tokens
HOSTED_IMAGE_USD, HOSTED_TEXT_USD = 0.00006, 0.0008 / 1000 * 10
EMBEDDER_MEMORY_MB = 3008
COLD_STARTS = 5
HANDLER_OBJECTS = 64


def measure_memory() -> None:
    """Print the peak memory of the embedder's processes together, after 64 images of 6 megapixels and a text."""
    script = """
import os
from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.inference import Model
from embedder_container.tasks import ObjectToEmbed, Timings
from tests.bench.embedder.full_size import full_size_model
from tests.bench.embedder.image_files import image_files
from tests.bench.embedder.memory_transfers import MemoryTransfers
from tests.bench.resident import peak_mb

description = full_size_model()
contents = {str(file): file.read_bytes() for file in image_files("3000")}
threads = os.cpu_count()
decoders = DecoderPool(description.image, threads)
embedder = Embedder(Model(description, threads), MemoryTransfers(contents), decoders, threads)
embedder.embed_texts(["a dog"], Timings())
embedder.embed_objects([ObjectToEmbed(url) for url in contents] * 4, Timings())
print(peak_mb())
embedder.close()
"""
    figure("embed_rss_mb", float(run(script)), "MB")


def measure_cold_start() -> None:
    """Print the time from the start of an interpreter to the first vector, with the model's files in the page cache."""
    file = str(image_files("640")[0])
    events = {
        "text": "{'op': 'embed_texts', 'texts': ['a dog in the snow']}",
        "image": f"{{'op': 'embed_image', 'image': base64.b64encode(open({file!r}, 'rb').read()).decode()}}",
    }
    for name, event in events.items():
        script = f"import base64; from embedder_container.handler import handler; handler({event}, None)"
        seconds = [seconds_of(lambda script=script: run(script)) for _ in range(COLD_STARTS)]
        figure(f"{name}_cold_s", statistics.median(seconds), "s")


def run(script: str) -> str:
    environ = {**os.environ, "MODEL": "vit-b-32-random", "MODELS_DIR": str(ROOT / "build" / "models")}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True).stdout


def measure_handler(description: ModelDescription, rate: float) -> None:
    """Print the time of 64 presigned URLs of the emulator's S3, thumbnails stored there, through the handler."""
    files = image_files("640")
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        s3 = emulator.session().client("s3", endpoint_url=emulator.endpoint, config=Config(signature_version="s3v4"))
        s3.create_bucket(Bucket="bench")
        for number in range(HANDLER_OBJECTS):
            s3.put_object(Bucket="bench", Key=f"{number}.jpg", Body=files[number % len(files)].read_bytes())

        def presign(action: str, key: str, **parameters: str) -> str:
            return str(s3.generate_presigned_url(action, Params={"Bucket": "bench", "Key": key, **parameters}))

        objects = [
            {
                "url": presign("get_object", f"{number}.jpg"),
                "thumbnail_url": presign("put_object", f"thumbnails/{number}.jpg", ContentType="image/jpeg"),
            }
            for number in range(HANDLER_OBJECTS)
        ]
        decoders = DecoderPool(description.image, THREADS)
        embedder = Embedder(Model(description, THREADS), Transfers(emulator.endpoint), decoders, THREADS)
        event = {"op": "embed_objects", "objects": objects}
        handle_event({**event, "objects": objects[:4]}, embedder)  # loads the model
        start = perf_counter()
        response = handle_event(event, embedder)
        seconds = perf_counter() - start
        embedder.close()
    assert all("vector" in result for result in response["results"]), response["results"]
    figure("handler_64_s", seconds, "s")
    figure("handler_64_per_s", HANDLER_OBJECTS / seconds, "1/s")
    figure("handler_vs_memory", HANDLER_OBJECTS / seconds / rate, "x")


def print_costs(rate: float, text_seconds: float) -> None:
    """Print dollars by Lambda's price, for the processor time measured here, beside a hosted API's list price."""
    # Memory buys processors, so an image costs the same whatever the function's size.
    processor_second_usd = MEGABYTES_PER_CPU / 1024 * GB_SECOND_USD
    figure("cost_million_pictures_usd", 1e6 * THREADS / rate * processor_second_usd, "USD")
    search_usd = text_seconds * EMBEDDER_MEMORY_MB / 1024 * GB_SECOND_USD + REQUEST_USD
    figure("cost_million_searches_usd", 1e6 * search_usd, "USD")
    figure("cost_hosted_million_pictures_usd", 1e6 * HOSTED_IMAGE_USD, "USD")
    figure("cost_hosted_million_searches_usd", 1e6 * HOSTED_TEXT_USD, "USD")
