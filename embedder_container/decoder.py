"""The process that opens untrusted files: `python -m embedder_container.decoder CONFIG`, started by `decoder_pool`.

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
from collections.abc import Callable, Sequence
from typing import IO, Any

from embedder_container import confinement, images, limits, transforms
from embedder_container import decoder_protocol as protocol
from embedder_container.errors import Code, ItemError
from embedder_container.models import PreprocessingConfig

# Of the whole process, far beyond what DECODES_PER_PROCESS ordinary images take.
MAX_PROCESSOR_SECONDS = 3600


def serve(
    config: PreprocessingConfig,
    requests: IO[bytes],
    replies: IO[bytes],
    *,
    missing_walls: Sequence[str] = (),
    begin: Callable[[], None] = lambda: None,
) -> None:
    """Reply to requests until the input ends; `begin` is called before each image."""

    def wait_for_permission(memory_bytes: int) -> None:
        if memory_bytes > limits.SMALL_DECODE_BYTES:
            replies.write(protocol.LARGE_IMAGE + protocol.MEMORY.pack(memory_bytes))
            replies.flush()
            if not requests.read(len(protocol.PERMISSION)):
                sys.exit(0)

    walls = "; ".join(missing_walls).encode()
    replies.write(protocol.READY + protocol.WALLS.pack(len(walls)) + walls)
    replies.flush()
    while header := requests.read(protocol.REQUEST_HEADER.size):
        thumbnail_side, length = protocol.REQUEST_HEADER.unpack(header)
        begin()
        properties, square, thumbnail = _decode(config, requests.read(length), thumbnail_side, wait_for_permission)
        body = json.dumps(properties).encode()
        replies.write(protocol.REPLY + protocol.REPLY_HEADER.pack(len(body), len(square), len(thumbnail)))
        replies.writelines((body, square, thumbnail))
        replies.flush()


def _decode(
    config: PreprocessingConfig, data: bytes, thumbnail_side: int, wait_for_permission: Callable[[int], None]
) -> tuple[dict[str, Any], bytes, bytes]:
    """Return the reply's JSON, square and thumbnail."""
    try:
        start = time.perf_counter()
        # As large for a vector without a thumbnail as for one with it: both must have the same pixels.
        longest = max(thumbnail_side, limits.THUMBNAIL_SIDE)
        decoded = images.decode(data, 0 if config.full_decode else config.size, wait_for_permission, longest)
        square = transforms.to_square(decoded.image, config).tobytes()
        square_done = time.perf_counter()
        thumbnail = images.thumbnail(decoded.image, thumbnail_side) if thumbnail_side else b""
    except ItemError as error:
        return {"error": {"code": error.code.value, "message": error.message}}, b"", b""
    except MemoryError:
        message = "decoding the picture takes more memory than a picture may"
        return {"error": {"code": Code.TOO_COSTLY.value, "message": message}}, b"", b""
    except Exception:  # the parent logs it as a defect that concerns this image alone
        return {"defect": traceback.format_exc()}, b"", b""
    seconds = {"decode": square_done - start, "thumbnail": time.perf_counter() - square_done}
    size = {"width": decoded.width, "height": decoded.height}
    properties = {**size, "format": decoded.format, "taken": decoded.taken, "seconds": seconds}
    return properties, square, thumbnail


def _limit_resources() -> None:
    """Limit memory and processor time, and forbid writing files and core dumps."""
    if sys.platform == "linux":  # macOS, where developers may run this, refuses to limit it
        resource.setrlimit(resource.RLIMIT_AS, (limits.DECODE_MEMORY_BYTES, limits.DECODE_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_PROCESSOR_SECONDS, MAX_PROCESSOR_SECONDS))


def _limit_processor_seconds() -> None:
    """Have the system end this process, by SIGXCPU, when the next image has taken its time of a processor."""
    end = int(time.process_time()) + limits.DECODE_PROCESSOR_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (min(end, MAX_PROCESSOR_SECONDS), MAX_PROCESSOR_SECONDS))


def main() -> None:
    config = PreprocessingConfig.from_json(sys.argv[1])
    # Replies get a descriptor of their own, so that a library that prints cannot break a frame.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    images.load_plugins()
    _limit_resources()
    missing = confinement.confine()
    serve(config, sys.stdin.buffer, replies, missing_walls=missing, begin=_limit_processor_seconds)


if __name__ == "__main__":
    main()
