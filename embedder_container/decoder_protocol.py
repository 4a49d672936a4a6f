"""The frames that the embedder and a decoder process exchange over the process's pipes.

The decoder writes READY once it has started, `<H` and a text: the walls that it lacks. For each image follow:

    request   `<HI`: longest side of the thumbnail (0: none is needed), length of the file; the bytes of the file
    question  `?`, `<Q`: bytes of memory; only before a large image is decoded: the decoder waits for PERMISSION
    reply     `!`, `<III`: lengths of the JSON, the square (RGB) and the thumbnail (JPEG); then these three

The JSON is `{"width", "height", "format", "taken", "seconds"}`, or `{"error": {"code", "message"}}`, or
`{"defect": TRACEBACK}`.

Both sides import this module, so it imports nothing but `struct`: the embedder must not load Pillow, and the decoder
must start fast.
"""

import struct

REQUEST_HEADER = struct.Struct("<HI")
REPLY_HEADER = struct.Struct("<III")
WALLS = struct.Struct("<H")
MEMORY = struct.Struct("<Q")
READY, LARGE_IMAGE, PERMISSION, REPLY = b".", b"?", b"+", b"!"
