"""Embeds texts and pictures, each with its own result or its own error."""

import base64
import hashlib
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from embedder_container.decoder_pool import DecoderPool
from embedder_container.errors import Code, ItemError
from embedder_container.inference import Model, Vector
from embedder_container.limits import MAX_BYTES, TOO_LARGE
from embedder_container.prefetch import Prefetch
from embedder_container.tasks import ImageTask, ObjectToEmbed, Result, Timings, capture_item_error
from embedder_container.transfer import Transfers

# Enough to hide the store's latency behind the model; also the number of whole files in memory at a time.
TRANSFERS = 8


class Embedder:
    """A model with the ways to feed it.

    Each processor works by itself: it decodes a picture, and further ones that have arrived meanwhile, then runs them
    together through the vision graph on that processor alone. Downloads and uploads go on beside it; nobody waits for a
    batch to fill. Why this is the fastest, and what else was tried: docs/embedder.md.
    """

    def __init__(self, model: Model, transfers: Transfers, decoders: DecoderPool, processors: int) -> None:
        self.model = model
        self._transfers = transfers
        self._decoders = decoders
        self._processors = processors
        self._processor = threading.BoundedSemaphore(processors)

    def warm(self, watch: Timings) -> None:
        """Load everything that a query by text or by picture, or a batch of objects, would have to wait for."""
        self._decoders.start(self._processors)
        with watch.phase("load"):
            self.model.load_text()
            self.model.load_vision()

    def close(self) -> None:
        """End the processes that decode; a Lambda never calls this, its environment ends as a whole."""
        self._decoders.close()

    def embed_texts(self, texts: Sequence[str], watch: Timings) -> list[Result]:
        """One result `{"vector"}` per text."""
        # A model that cannot be loaded is nobody's fault among the items: that fails the invocation.
        with watch.phase("load"):
            self.model.load_text()
        return [capture_item_error(partial(self._text, text, watch)) for text in texts]

    def embed_image(self, data: bytes, watch: Timings) -> Result:
        """The result of one picture: `vector`, `size` (bytes), `md5`, `width`, `height`, `format`; or its error."""
        self._decoders.start(1)
        with watch.phase("load"):
            self.model.load_vision()
        job = ImageTask(data=data)
        with self._processor:
            job.attempt(partial(self._decode, job, watch))
            self._run([job], watch)
        return job.result

    def embed_objects(self, objects: Sequence[ObjectToEmbed], watch: Timings) -> list[Result]:
        """One result per object, in order, as `embed_image` gives it; thumbnails are stored on the way."""
        if not objects:
            return []
        self._decoders.start(len(objects))
        jobs = [ImageTask(each.url, each.thumbnail_url) for each in objects]
        with (
            ThreadPoolExecutor(TRANSFERS, thread_name_prefix="download") as downloads,
            ThreadPoolExecutor(TRANSFERS, thread_name_prefix="upload") as uploads,
            ThreadPoolExecutor(self._processors, thread_name_prefix="processor") as processors,
        ):
            files = Prefetch(downloads, partial(self._download, watch=watch), jobs, TRANSFERS)
            with watch.phase("load"):
                self.model.load_vision()  # while the first downloads run
            working = [processors.submit(self._work, files, uploads, watch) for _ in range(self._processors)]
            for each in working:
                each.result()
        return [job.result for job in jobs]

    def _work(self, files: Prefetch[ImageTask, ImageTask], uploads: ThreadPoolExecutor, watch: Timings) -> None:
        """What one processor does until no file is left."""
        while (file := files.take(wait=True)) is not None:
            batch = [file.result()]
            # Its share of what is left, so that all processors end together.
            share = math.ceil((1 + files.left()) / self._processors)
            with self._processor:
                batch[0].attempt(partial(self._decode, batch[0], watch))
                while len(batch) < min(share, self.model.largest_batch) and (file := files.take(wait=False)):
                    batch.append(file.result())
                    batch[-1].attempt(partial(self._decode, batch[-1], watch))
                self._run(batch, watch)
            for job in batch:
                if job.thumbnail_url:
                    uploads.submit(job.attempt, partial(self._upload, job, watch))

    def _text(self, text: str, watch: Timings) -> Result:
        with watch.phase("inference"):
            return {"vector": _encode(self.model.embed_text(text))}

    def _download(self, job: ImageTask, watch: Timings) -> ImageTask:
        def fetch() -> Result:
            with watch.phase("download"):
                job.data = self._transfers.download(job.url, MAX_BYTES, ItemError(Code.TOO_LARGE, TOO_LARGE))
            return {}

        job.attempt(fetch)
        return job

    def _decode(self, job: ImageTask, watch: Timings) -> Result:
        data, job.data = job.data, b""  # the tensor is all that is needed of it from here on
        decoded = self._decoders.decode(data, thumbnail=job.thumbnail_url is not None)
        job.pixels, job.jpeg = decoded.pixels, decoded.jpeg
        for phase, seconds in decoded.seconds.items():
            watch.add(phase, seconds)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        size = {"width": decoded.width, "height": decoded.height}
        return {"size": len(data), "md5": digest, **size, "format": decoded.format}

    def _run(self, batch: Sequence[ImageTask], watch: Timings) -> None:
        """Give the pictures that could be decoded their vectors."""
        ready = [(job, job.pixels) for job in batch if job.pixels is not None]
        if not ready:
            return
        ran = capture_item_error(partial(self._outputs, [pixels for _, pixels in ready], watch))
        if "error" in ran and len(ready) > 1:
            # Perhaps one picture's doing: alone, each has its own result or its own error.
            for job, _ in ready:
                self._run([job], watch)
            return
        for place, (job, _) in enumerate(ready):
            job.pixels = None
            job.attempt((lambda: ran) if "error" in ran else partial(self._vector, ran["outputs"][place]))

    def _outputs(self, tensors: Sequence[NDArray[np.float32]], watch: Timings) -> Result:
        with watch.phase("inference"):
            return {"outputs": self.model.run_vision(tensors)}

    def _vector(self, output: NDArray[np.float32]) -> Result:
        return {"vector": _encode(self.model.unit(output))}

    def _upload(self, job: ImageTask, watch: Timings) -> Result:
        assert job.thumbnail_url is not None
        with watch.phase("upload"):
            self._transfers.upload(job.thumbnail_url, job.jpeg)
        return {}


def _encode(vector: Vector) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
