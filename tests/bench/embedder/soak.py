"""``make soak-embed``: 10,000 pictures of all kinds and sizes through the embedder; its memory must stay flat.

The model is the one that ships: what could grow is in the decoding, the transfer between processes and the sessions'
arenas, and all of that is the same for every model.
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
from embedder_container.models import MODELS_SHIPPED, load_description
from embedder_container.settings import Settings
from embedder_container.tasks import ObjectToEmbed, Timings
from tests.bench.embedder.in_memory import InMemory
from tests.bench.figures import figure
from tests.bench.resident import resident_mb

PICTURES = 10_000
BATCH = 50
# The allocators' caches fill during the first tenth.
WARM = 1_000
SHAPES = [(640, 427), (333, 500), (1200, 900), (64, 48), (1999, 300), (800, 801), (97, 640)]
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")


def main() -> int:
    settings = Settings.from_environ(os.environ)
    card = load_description(MODELS_SHIPPED, "lite")
    objects = assortment()
    decoders = DecoderPool(card.image, settings.threads)
    embedder = Embedder(Model(card, settings.threads), InMemory(objects), decoders, settings.threads)
    urls = cycle(objects)
    seen, held = 0, []
    for _ in range(PICTURES // BATCH):
        results = embedder.embed_objects([ObjectToEmbed(url) for url in islice(urls, BATCH)], Timings())
        seen += len(results)
        if seen % WARM == 0:
            held.append(resident_mb())
            print(f"{seen:,} pictures, {held[-1]:.0f} MB", flush=True)
    embedder.close()
    figure("soak_pictures", seen, "1")
    figure("soak_rss_mb", max(held), "MB")
    figure("soak_growth_mb", held[-1] - held[0], "MB")
    return 0


def assortment() -> dict[str, bytes]:
    """63 files: each kind at several shapes, no two alike, some broken."""
    pillow_heif.register_heif_opener()
    rng = np.random.default_rng(0)
    files = {}
    for kind in KINDS:
        for number, (width, height) in enumerate(SHAPES):
            small = rng.integers(0, 256, (1 + height // 40, 1 + width // 40, 3), dtype=np.uint8)
            target = BytesIO()
            Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(target, kind)
            files[f"{number}.{kind}"] = target.getvalue()
    for number, (name, data) in enumerate(list(files.items())[:7]):
        files[f"cut-{number}-{name}"] = data[: len(data) // 2]
    return files


if __name__ == "__main__":
    sys.exit(main())
