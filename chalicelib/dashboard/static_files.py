"""The files of ``static/``, and the paths by which pages name them.

A path has a digest of all files together: scripts import one another by their names.
"""

import hashlib
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".webp": "image/webp",
}


@cache
def assets() -> dict[str, bytes]:
    """The content of each file by its name."""
    return {path.name: path.read_bytes() for path in sorted(STATIC.iterdir()) if path.suffix in TYPES}


@cache
def digest() -> str:
    whole = hashlib.sha256()
    for name, content in assets().items():
        whole.update(name.encode() + b"\0" + content + b"\0")
    return whole.hexdigest()[:16]


def asset_path(name: str) -> str:
    """The path of a file, without the stage or base path; raises KeyError if there is none."""
    if name not in assets():
        raise KeyError(name)
    return f"/assets/{digest()}/{name}"
