"""The process that opens untrusted files: `python -m embedder_container.decoder CONFIG DESCRIPTOR`.

`decoder_process` starts it; the descriptor is of the memory that both share (`slots`).

It has no credentials. `confinement` keeps it from opening a file or a socket, from starting a process and from looking
into another one, and says where the system lacks a wall. It ends when its time, its memory or its parent ends.
It reads requests from its input and writes replies to its output; `decoder_protocol` describes the frames.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Any

from embedder_container import confinement, images, limits, transforms
from embedder_container import decoder_protocol as protocol
from embedder_container.errors import Code, ItemError
from embedder_container.models import PreprocessingConfig
from embedder_container.slots import Slots

# Of a defect's trace: its JSON stays within MAX_JSON_BYTES.
MAX_TRACE_CHARACTERS = 8_000
# Of the whole process, far beyond what DECODES_PER_PROCESS ordinary images take.
MAX_PROCESSOR_SECONDS = 3600


class Server:
    """Replies to the embedder's requests, in their order.

    Args:
        begin: called before each image.
    """

    def __init__(
        self,
        config: PreprocessingConfig,
        slots: Slots,
        requests: IO[bytes],
        replies: IO[bytes],
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._slots = slots
        self._requests = requests
        self._replies = replies
        self._begin = begin
        # Those that came while an image waited for permission.
        self._waiting: deque[tuple[int, int, int]] = deque()

    def serve(self, missing_walls: Sequence[str] = ()) -> None:
        """Reply to requests until the input ends."""
        walls = "; ".join(missing_walls).encode()
        self._send(protocol.READY + protocol.WALLS.pack(len(walls)) + walls)
        while self._waiting or self._read_message():
            slot, thumbnail_side, length = self._waiting.popleft()
            self._begin()
            properties, square, thumbnail = self._decode(bytes(self._slots.file(slot)[:length]), thumbnail_side)
            self._slots.square(slot)[: len(square)] = square
            self._slots.file(slot)[: len(thumbnail)] = thumbnail
            body = json.dumps(properties).encode()
            self._send(protocol.REPLY + protocol.REPLY_HEADER.pack(len(body), len(thumbnail)) + body)

    def _decode(self, data: bytes, thumbnail_side: int) -> tuple[dict[str, Any], bytes, bytes]:
        """Return the reply's JSON, square and thumbnail."""
        try:
            start = time.perf_counter()
            config = self._config
            # As large for a vector without a thumbnail as for one with it: both must have the same pixels.
            longest = max(thumbnail_side, limits.THUMBNAIL_SIDE)
            decoded = images.decode(data, 0 if config.full_decode else config.size, self._wait_for_permission, longest)
            square = transforms.to_square(decoded.image, config).tobytes()
            square_done = time.perf_counter()
            thumbnail = images.thumbnail(decoded.image, thumbnail_side) if thumbnail_side else b""
        except ItemError as error:
            return {"error": {"code": error.code.value, "message": error.message}}, b"", b""
        except MemoryError:
            message = "decoding the picture takes more memory than a picture may"
            return {"error": {"code": Code.TOO_COSTLY.value, "message": message}}, b"", b""
        except Exception:  # the parent logs it as a defect that concerns this image alone
            return {"defect": traceback.format_exc()[-MAX_TRACE_CHARACTERS:]}, b"", b""
        seconds = {"decode": square_done - start, "thumbnail": time.perf_counter() - square_done}
        size = {"width": decoded.width, "height": decoded.height}
        properties = {**size, "format": decoded.format, "taken": decoded.taken, "seconds": seconds}
        return properties, square, thumbnail

    def _wait_for_permission(self, memory_bytes: int) -> None:
        if memory_bytes > limits.SMALL_DECODE_BYTES:
            self._send(protocol.LARGE_IMAGE + protocol.MEMORY.pack(memory_bytes))
            while (message := self._read_message()) != protocol.PERMISSION:
                if not message:
                    sys.exit(0)

    def _read_message(self) -> bytes:
        """Return the next message's first byte, or nothing at the input's end; a request joins those that wait."""
        message = self._requests.read(1)
        if message == protocol.REQUEST:
            header = self._requests.read(protocol.REQUEST_HEADER.size)
            self._waiting.append(protocol.REQUEST_HEADER.unpack(header))
        return message

    def _send(self, message: bytes) -> None:
        self._replies.write(message)
        self._replies.flush()


def _limit_resources(shared_bytes: int) -> None:
    """Limit memory and processor time, and forbid writing files and core dumps."""
    if sys.platform == "linux":  # macOS, where developers may run this, refuses to limit it
        memory = limits.DECODE_MEMORY_BYTES + shared_bytes
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_PROCESSOR_SECONDS, MAX_PROCESSOR_SECONDS))


def _limit_processor_seconds() -> None:
    """Have the system end this process, by SIGXCPU, when the next image has taken its time of a processor."""
    end = int(time.process_time()) + limits.DECODE_PROCESSOR_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (min(end, MAX_PROCESSOR_SECONDS), MAX_PROCESSOR_SECONDS))


def main() -> None:
    config = PreprocessingConfig.from_json(sys.argv[1])
    descriptor = int(sys.argv[2])
    slots = Slots(descriptor, config.square_bytes)
    os.close(descriptor)
    # Replies get a descriptor of their own, so that a library that prints cannot break a frame.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    images.load_plugins()
    _limit_resources(slots.size)
    missing = confinement.confine()
    Server(config, slots, sys.stdin.buffer, replies, begin=_limit_processor_seconds).serve(missing)


if __name__ == "__main__":
    main()
