"""The frames that the embedder and a decoder process exchange over the process's pipes.

The pictures themselves are in the memory that both share (`slots`). The decoder writes READY once it has started, `<H`
and a text: the walls that it lacks. For each image follow:

    request   `>`, `<BHI`: slot, longest side of the thumbnail (0: none is needed), length of the file in the slot
    question  `?`, `<Q`: bytes of memory; only before a large image is decoded: the decoder waits for PERMISSION
    reply     `!`, `<II`: lengths of the JSON and of the thumbnail (JPEG) in the slot; then the JSON

The next request may come before the reply, also between a question and its permission. Replies have the requests'
order. The JSON is `{"width", "height", "format", "taken", "seconds"}`, or `{"error": {"code", "message"}}`, or
`{"defect": TRACEBACK}`.

Both sides import this module, so it imports nothing but `struct`: the embedder must not load Pillow, and the decoder
must start fast.
"""

import struct

REQUEST_HEADER = struct.Struct("<BHI")
REPLY_HEADER = struct.Struct("<II")
WALLS = struct.Struct("<H")
MEMORY = struct.Struct("<Q")
READY, REQUEST, LARGE_IMAGE, PERMISSION, REPLY = b".", b">", b"?", b"+", b"!"
# The decoder process may be an attacker's by now: the embedder reads no more than this of its JSON.
MAX_JSON_BYTES = 64 * 1024
