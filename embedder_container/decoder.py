"""The process that opens strangers' pictures: `python -m embedder_container.decoder RULE`, started by `isolation`.

It has no credentials, cannot open another file for writing or start a process, and dies when its time, memory or parent
ends. It says `.` when it is ready, then reads requests and writes replies, both framed:

    request   `<?I`: is a thumbnail wanted, how many bytes; the bytes of the file
    question  `?`: a large picture is about to be decoded; the answer is any one byte, when it may be
    reply     `!`, `<III`: lengths of the JSON, the square (RGB) and the thumbnail (JPEG); these three

The JSON is `{"width", "height", "format"}`, or `{"error": {"code", "message"}}`, or `{"defect": TRACEBACK}`.
"""

import json
import os
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import IO, Any

from embedder_container import images, limits, transforms
from embedder_container.errors import Code, ItemError
from embedder_container.models import PreprocessingConfig

REQUEST = struct.Struct("<?I")
REPLY = struct.Struct("<III")
READY, QUESTION, ANSWER = b".", b"?", b"!"


def serve(rule: PreprocessingConfig, requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer requests until there are no more."""

    def permit(pixels: int) -> None:
        if pixels > limits.LARGE_PIXELS:
            replies.write(QUESTION)
            replies.flush()
            if not requests.read(1):
                sys.exit(0)

    replies.write(READY)
    replies.flush()
    while header := requests.read(REQUEST.size):
        wants_thumbnail, length = REQUEST.unpack(header)
        found, square, jpeg = _answer(rule, requests.read(length), wants_thumbnail, permit)
        body = json.dumps(found).encode()
        replies.write(ANSWER + REPLY.pack(len(body), len(square), len(jpeg)))
        replies.writelines((body, square, jpeg))
        replies.flush()


def _answer(
    rule: PreprocessingConfig, data: bytes, wants_thumbnail: bool, permit: Callable[[int], None]
) -> tuple[dict[str, Any], bytes, bytes]:
    try:
        began = time.perf_counter()
        picture = images.decode(data, 0 if rule.exact else rule.size, permit)
        square = transforms.to_square(picture.image, rule).tobytes()
        decoded = time.perf_counter()
        jpeg = images.thumbnail(picture.image) if wants_thumbnail else b""
    except ItemError as error:
        return {"error": {"code": error.code.value, "message": error.message}}, b"", b""
    except MemoryError:
        message = "decoding the picture takes more memory than a picture may"
        return {"error": {"code": Code.TOO_COSTLY.value, "message": message}}, b"", b""
    except Exception:  # the parent logs it, and keeps it this one picture's
        return {"defect": traceback.format_exc()}, b"", b""
    spent = {"decode": decoded - began, "thumbnail": time.perf_counter() - decoded}
    facts = {"width": picture.width, "height": picture.height, "format": picture.format, "seconds": spent}
    return facts, square, jpeg


def _confine() -> None:
    """Give up what decoding does not need."""
    if sys.platform == "linux":  # macOS, where somebody may develop, refuses to limit it
        resource.setrlimit(resource.RLIMIT_AS, (limits.DECODE_MEMORY_BYTES, limits.DECODE_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Seconds of processor, far beyond what DECODES_PER_PROCESS honest pictures take: the parent has the clock, and this
    # holds only where the parent is stopped.
    resource.setrlimit(resource.RLIMIT_CPU, (3600, 3600))


def main() -> None:
    rule = PreprocessingConfig.from_json(sys.argv[1])
    # A library that prints must not speak in between.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _confine()
    serve(rule, sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
