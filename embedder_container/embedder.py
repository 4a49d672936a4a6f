"""Embeds texts and pictures one by one, each with its own result or its own error."""

import base64
import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from embedder_container.errors import Code, ItemError
from embedder_container.inference import Model, Vector
from embedder_container.isolation import DecoderPool
from embedder_container.limits import MAX_BYTES, TOO_LARGE
from embedder_container.transfer import Transfers

Result = dict[str, Any]

# Enough to hide the store's latency behind the model; also the number of whole files in memory at a time.
WORKERS = 8

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ObjectToEmbed:
    """One object: where its bytes are (presigned GET) and where its thumbnail goes (presigned PUT), if anywhere."""

    url: str
    thumbnail_url: str | None = None


class Stopwatch:
    """Milliseconds per phase, summed over threads: phases overlap, so their sum may exceed the total."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent: Counter[str] = Counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the phase."""
        start = time.perf_counter_ns()
        try:
            yield
        finally:
            self.add(name, (time.perf_counter_ns() - start) / 1e9)

    def add(self, name: str, seconds: float) -> None:
        """Add time that was spent elsewhere."""
        with self._lock:
            self._spent[name] += round(seconds * 1e9)

    def milliseconds(self) -> dict[str, float]:
        """`{"inference_ms": 9.5, …}` for the phases that took place."""
        with self._lock:
            return {f"{name}_ms": round(spent / 1e6, 3) for name, spent in self._spent.items()}


class Embedder:
    """A model with the ways to feed it.

    Each processor takes one picture at a time from bytes to vector: decode, then a run of the vision graph on that
    processor alone. While one picture is in the model, others are decoded and downloaded; nothing waits for the slowest
    of a batch, and there are never more pictures at work than processors. That is faster than all processors on one
    picture after the other, and than decoding ahead (docs/embedder.md).
    """

    def __init__(self, model: Model, transfers: Transfers, decoders: DecoderPool, processors: int) -> None:
        self.model = model
        self._transfers = transfers
        self._decoders = decoders
        self._processors = processors
        self._processor = threading.BoundedSemaphore(processors)

    def warm(self, watch: Stopwatch) -> None:
        """Load everything that a query by text or by picture, or a batch of objects, would have to wait for."""
        self._decoders.start(self._processors)
        with watch.phase("load"):
            self.model.load_text()
            self.model.load_vision()

    def close(self) -> None:
        """End the processes that decode; a Lambda never calls this, its environment ends as a whole."""
        self._decoders.close()

    def embed_texts(self, texts: Sequence[str], watch: Stopwatch) -> list[Result]:
        """One result `{"vector"}` per text."""
        # A model that cannot be loaded is nobody's fault among the items: that fails the invocation.
        with watch.phase("load"):
            self.model.load_text()
        return [self._guarded(partial(self._text, text, watch)) for text in texts]

    def embed_image(self, data: bytes, watch: Stopwatch) -> Result:
        """The result of one picture: `vector`, `size` (bytes), `md5`, `width`, `height`, `format`; or its error."""
        self._decoders.start(1)
        with watch.phase("load"):
            self.model.load_vision()
        return self._guarded(partial(self._picture, data, None, watch))

    def embed_objects(self, objects: Sequence[ObjectToEmbed], watch: Stopwatch) -> list[Result]:
        """One result per object, in order, as `embed_image` gives it; thumbnails are stored on the way."""
        if not objects:
            return []
        self._decoders.start(len(objects))
        with ThreadPoolExecutor(min(WORKERS, len(objects)), thread_name_prefix="object") as pool:
            results = pool.map(lambda each: self._guarded(partial(self._object, each, watch)), objects)
            with watch.phase("load"):
                self.model.load_vision()  # while the first downloads run
            return list(results)

    def _text(self, text: str, watch: Stopwatch) -> Result:
        with watch.phase("inference"):
            return {"vector": _encode(self.model.embed_text(text))}

    def _object(self, each: ObjectToEmbed, watch: Stopwatch) -> Result:
        return self._picture(self._download(each.url, watch), each.thumbnail_url, watch)

    def _download(self, url: str, watch: Stopwatch) -> bytes:
        with watch.phase("download"):
            return self._transfers.download(url, MAX_BYTES, ItemError(Code.TOO_LARGE, TOO_LARGE))

    def _picture(self, data: bytes, thumbnail_url: str | None, watch: Stopwatch) -> Result:
        facts = {"size": len(data), "md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}
        with self._processor:
            decoded = self._decoders.decode(data, thumbnail=thumbnail_url is not None)
            del data  # the tensor is all that is needed of it now
            for phase, seconds in decoded.seconds.items():
                watch.add(phase, seconds)
            with watch.phase("load"):
                self.model.load_vision()
            with watch.phase("inference"):
                vector = self.model.embed_pixels(decoded.pixels)
        if thumbnail_url:
            with watch.phase("upload"):
                self._transfers.upload(thumbnail_url, decoded.jpeg)
        size = {"width": decoded.width, "height": decoded.height}
        return {"vector": _encode(vector), **facts, **size, "format": decoded.format}

    def _guarded(self, embed: Callable[[], Result]) -> Result:
        """Keep one item's failure its own."""
        try:
            return embed()
        except ItemError as error:
            failure = error
        except Exception:  # a defect met by one item must not take its neighbours along; the log has the trace
            logger.exception("an item failed unexpectedly")
            failure = ItemError(Code.INTERNAL, "the embedder failed on this item; its log says why")
        return {
            "error": {"code": failure.code.value, "message": failure.message, "transient": failure.transient},
        }


def _encode(vector: Vector) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
