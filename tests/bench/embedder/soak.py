"""``make stress SUITE=embed``: 10,000 images of all kinds and sizes through the embedder; its memory must stay flat.

The model is the shipped one: what may grow is memory of the decoders, of the transfer between processes and of the
sessions' arenas, and these are the same for every model.
"""

import os
import sys
from io import BytesIO
from itertools import cycle, islice

import numpy as np
import pillow_heif
from PIL import Image

from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.inference import Model
from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.settings import Settings
from embedder_container.tasks import ObjectToEmbed, Timings
from tests.bench.embedder.memory_transfers import MemoryTransfers
from tests.bench.figures import figure
from tests.bench.resident import resident_mb

SOAK_IMAGES = 10_000
SOAK_BATCH = 50
# Memory is measured each time after this many images; the allocators' caches fill before the first measurement.
MEASURE_EVERY = 1_000
SHAPES = [(640, 427), (333, 500), (1200, 900), (64, 48), (1999, 300), (800, 801), (97, 640)]
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
BROKEN_FILES = 7


def main() -> int:
    settings = Settings.from_environ(os.environ)
    description = load_description(SHIPPED_MODELS, "lite")
    files = make_files()
    decoders = DecoderPool(description.image, settings.threads)
    model = Model(description, settings.threads)
    embedder = Embedder(model, MemoryTransfers(files), decoders, settings.threads)
    urls = cycle(files)
    embedded, measured_mb = 0, []
    for _ in range(SOAK_IMAGES // SOAK_BATCH):
        results = embedder.embed_objects([ObjectToEmbed(url) for url in islice(urls, SOAK_BATCH)], Timings())
        embedded += len(results)
        if embedded % MEASURE_EVERY == 0:
            measured_mb.append(resident_mb())
            print(f"{embedded:,} pictures, {measured_mb[-1]:.0f} MB", flush=True)
    embedder.close()
    figure("soak_pictures", embedded, "1")
    figure("soak_rss_mb", max(measured_mb), "MB")
    figure("soak_growth_mb", measured_mb[-1] - measured_mb[0], "MB")
    return 0


def make_files() -> dict[str, bytes]:
    """Return 63 different files by name: each format at several shapes, and some that are cut short."""
    pillow_heif.register_heif_opener()
    rng = np.random.default_rng(0)
    files = {}
    for format_name in FORMATS:
        for number, (width, height) in enumerate(SHAPES):
            small = rng.integers(0, 256, (1 + height // 40, 1 + width // 40, 3), dtype=np.uint8)
            target = BytesIO()
            Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(target, format_name)
            files[f"{number}.{format_name}"] = target.getvalue()
    for number, (name, data) in enumerate(list(files.items())[:BROKEN_FILES]):
        files[f"cut-{number}-{name}"] = data[: len(data) // 2]
    return files


if __name__ == "__main__":
    sys.exit(main())
