"""Embeds texts and images; each item gets its own result or its own error."""

import base64
import hashlib
import math
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from embedder_container.decoder_pool import Decoder, DecoderPool
from embedder_container.errors import Code, ItemError
from embedder_container.formats import refuse_start
from embedder_container.heap import keep_freed_pages
from embedder_container.inference import Model, Vector
from embedder_container.limits import MAX_FILE_BYTES, TOO_LARGE_MESSAGE
from embedder_container.prefetch import Prefetch
from embedder_container.tasks import ImageTask, ObjectToEmbed, Result, ThumbnailToMake, Timings, capture_item_error
from embedder_container.tensors import empty_tensors
from embedder_container.transfer import Transfers

# Enough to hide the store's latency behind the model; also the number of whole files in memory at a time.
CONCURRENT_TRANSFERS = 8


class Embedder:
    """Embeds with one model, on all processors.

    Each processor works by itself: it decodes an image, then others that have arrived by then, and runs them together
    through the vision graph on that processor alone. Downloads and uploads run beside it, and no processor waits for a
    batch to fill. Why this is the fastest, and what else was tried: docs/embedder.md.
    """

    def __init__(self, model: Model, transfers: Transfers, decoders: DecoderPool, processors: int) -> None:
        self.model = model
        self._transfers = transfers
        self._decoders = decoders
        self._processors = processors
        self._free_processors = threading.BoundedSemaphore(processors)
        keep_freed_pages()

    def warm(self, timings: Timings) -> None:
        """Load everything that a query by text or by image, or a batch of objects, would have to wait for."""
        self._decoders.start(self._processors)
        with timings.phase("load"):
            self.model.load_text()
            self.model.load_vision()

    def close(self) -> None:
        """End the decoder processes; a Lambda never calls this, its environment ends as a whole."""
        self._decoders.close()

    def embed_texts(self, texts: Sequence[str], timings: Timings) -> list[Result]:
        """Return one result `{"vector"}` per text, or its error EMPTY."""
        # If the model cannot be loaded, no item is at fault: the invocation fails.
        with timings.phase("load"):
            self.model.load_text()
        return [capture_item_error(partial(self._embed_text, text, timings)) for text in texts]

    def embed_image(self, data: bytes, timings: Timings, deadline: float = math.inf) -> Result:
        """Return one image's `vector` and facts, as `handler` has them, or its error.

        `deadline`, on the monotonic clock: nothing begins after it, and what is left is POSTPONED.
        """
        self._decoders.start(1)
        with timings.phase("load"):
            self.model.load_vision()
        task = ImageTask(data=data, deadline=deadline)
        with self._free_processors:
            self._run_model(self._decoded_batch(iter([task]), 1, timings), timings)
        return task.result

    def embed_objects(
        self, objects: Sequence[ObjectToEmbed], timings: Timings, deadline: float = math.inf
    ) -> list[Result]:
        """Return one result per object, in order, as `embed_image` does; thumbnails are uploaded meanwhile."""
        if not objects:
            return []
        self._decoders.start(len(objects))
        tasks = [ImageTask(source.url, source.thumbnail_url, deadline=deadline) for source in objects]
        with (
            ThreadPoolExecutor(CONCURRENT_TRANSFERS, thread_name_prefix="download") as downloads,
            ThreadPoolExecutor(CONCURRENT_TRANSFERS, thread_name_prefix="upload") as uploads,
            ThreadPoolExecutor(self._processors, thread_name_prefix="processor") as processors,
        ):
            downloaded = Prefetch(downloads, partial(self._download, timings=timings), tasks, CONCURRENT_TRANSFERS)
            with timings.phase("load"):
                self.model.load_vision()  # while the first downloads run
            workers = [processors.submit(self._process, downloaded, uploads, timings) for _ in range(self._processors)]
            for worker in workers:
                worker.result()
        return [task.result for task in tasks]

    def make_thumbnail(self, thumbnail: ThumbnailToMake, timings: Timings, deadline: float = math.inf) -> Result:
        """Return `{}` once the thumbnail is uploaded, or an error; the model is not loaded for it."""
        self._decoders.start(1)
        task = ImageTask(thumbnail.url, thumbnail.thumbnail_url, deadline=deadline)

        def decode() -> Result:
            if thumbnail.md5 not in (None, _md5(task.data)):
                raise ItemError(Code.SOURCE_NOT_FOUND, "the source has other bytes by now")
            prepared = self._decoders.decode(task.data, thumbnail=True, side=thumbnail.side, deadline=deadline)
            task.thumbnail = prepared.thumbnail
            return {}

        self._download(task, timings)
        with self._free_processors:
            task.run_step(decode)
        task.run_step(partial(self._upload, task, timings))
        return task.result

    def _process(
        self, downloaded: Prefetch[ImageTask, ImageTask], uploads: ThreadPoolExecutor, timings: Timings
    ) -> None:
        """Do the work of one processor: embed batches until no image is left."""
        while (download := downloaded.pop(wait=True)) is not None:
            # At most this processor's part of the remaining images, so that all processors end together.
            part = math.ceil((1 + downloaded.remaining()) / self._processors)
            size = min(part, self.model.max_batch_size)
            with self._free_processors:
                batch = self._decoded_batch(_arrived(download.result(), downloaded), size, timings)
                self._run_model(batch, timings)
            for task in batch.tasks:
                if task.thumbnail_url:
                    uploads.submit(task.run_step, partial(self._upload, task, timings))

    def _decoded_batch(self, tasks: Iterator[ImageTask | None], size: int, timings: Timings) -> "_Batch":
        """Return the images that have arrived by now, `size` at most, each decoded or with an error.

        While one is decoded, the next one waits in the decoder process already. `tasks` gives None when none is there.
        """
        batch, sent = _Batch(empty_tensors(size, self.model.description.image)), deque[ImageTask]()
        with self._decoders.decoder() as decoder:
            while True:
                while decoder.has_room and len(batch.tasks) < size and (task := next(tasks, None)):
                    batch.tasks.append(task)
                    self._send(task, decoder, sent)
                if not sent:
                    return batch
                task = sent.popleft()
                task.run_step(partial(self._receive, task, decoder, batch.free_row(), timings))
                if "error" not in task.result:
                    batch.decoded.append(task)

    def _send(self, task: ImageTask, decoder: Decoder, sent: deque[ImageTask]) -> None:
        """Send an image to the decoder, unless it has an error by now."""

        def send() -> Result:
            decoder.send(task.data, thumbnail=task.thumbnail_url is not None, deadline=task.deadline)
            return {}

        task.run_step(send)
        if "error" not in task.result:
            sent.append(task)

    def _embed_text(self, text: str, timings: Timings) -> Result:
        if not self.model.reads(text):
            raise ItemError(Code.EMPTY, "it has no word that the model reads")
        with timings.phase("inference"):
            return {"vector": _encode(self.model.embed_text(text))}

    def _download(self, task: ImageTask, timings: Timings) -> ImageTask:
        def download() -> Result:
            task.check_time()
            with timings.phase("download"):
                too_large = ItemError(Code.TOO_LARGE, TOO_LARGE_MESSAGE)
                try:
                    task.data = self._transfers.download(
                        task.url, MAX_FILE_BYTES, too_large, refuse_start, task.deadline
                    )
                except ItemError:
                    task.check_time()  # after the deadline it says nothing about the source
                    raise
            return {}

        task.run_step(download)
        return task

    def _receive(self, task: ImageTask, decoder: Decoder, row: NDArray[np.float32], timings: Timings) -> Result:
        data, task.data = task.data, b""  # frees the file: from here on only the tensor is needed
        prepared = decoder.receive(row)
        task.thumbnail = prepared.thumbnail
        for phase, seconds in prepared.seconds.items():
            timings.add(phase, seconds)
        size = {"width": prepared.width, "height": prepared.height}
        facts = {"format": prepared.format, "taken": prepared.taken, "perceptual_hash": prepared.perceptual_hash}
        return {"size": len(data), "md5": _md5(data), **size, **facts}

    def _run_model(self, batch: "_Batch", timings: Timings) -> None:
        """Add the vectors of the images that could be decoded."""
        if not batch.decoded:
            return
        run = capture_item_error(partial(self._run_vision, batch.pixels, timings))
        if "error" in run and len(batch.decoded) > 1:
            # One image may be the cause: run each alone, so that it gets its own result or its own error.
            for task, row in zip(batch.decoded, batch.pixels, strict=True):
                self._run_model(_Batch(row[np.newaxis], [task], [task]), timings)
            return
        for index, task in enumerate(batch.decoded):
            task.run_step((lambda: run) if "error" in run else partial(self._vector, run["outputs"][index]))

    def _run_vision(self, pixels: NDArray[np.float32], timings: Timings) -> Result:
        with timings.phase("inference"):
            return {"outputs": self.model.run_vision(pixels)}

    def _vector(self, output: NDArray[np.float32]) -> Result:
        return {"vector": _encode(self.model.unit(output))}

    def _upload(self, task: ImageTask, timings: Timings) -> Result:
        assert task.thumbnail_url is not None
        task.check_time()
        with timings.phase("upload"):
            self._transfers.upload(task.thumbnail_url, task.thumbnail)
        return {}


def _arrived(first: ImageTask, downloaded: Prefetch[ImageTask, ImageTask]) -> Iterator[ImageTask | None]:
    """Yield an image, then each time another one that has arrived by now, or None."""
    yield first
    while True:
        download = downloaded.pop(wait=False)
        yield download.result() if download else None


@dataclass
class _Batch:
    """Images that run together. Those that could be decoded have the first rows of `rows` [N, 3, S, S], in order."""

    rows: NDArray[np.float32]
    tasks: list[ImageTask] = field(default_factory=list)
    decoded: list[ImageTask] = field(default_factory=list)

    @property
    def pixels(self) -> NDArray[np.float32]:
        return self.rows[: len(self.decoded)]

    def free_row(self) -> NDArray[np.float32]:
        """Return the next row, as a tensor [1, 3, S, S]."""
        return self.rows[len(self.decoded) : len(self.decoded) + 1]


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _encode(vector: Vector) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
