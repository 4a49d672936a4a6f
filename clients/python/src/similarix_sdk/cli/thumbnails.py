"""Shows thumbnails in a terminal that can show pictures: by kitty's protocol, or by sixels (iTerm2, WezTerm, foot)."""

import io
import os
import sys
from typing import Any

from rich.console import Console

ROWS = 8


class Thumbnails:
    """``shows`` is whether there is a way to show pictures in this terminal."""

    def __init__(self, renderable: Any) -> None:
        self._renderable = renderable

    @property
    def shows(self) -> bool:
        return self._renderable is not None

    def show(self, console: Console, jpeg: bytes) -> None:
        # Pillow, which textual-image brings, opens it.
        from PIL import Image  # noqa: PLC0415

        with Image.open(io.BytesIO(jpeg)) as opened:
            image = opened.convert("RGB")
        console.print(self._renderable(image, width="auto", height=ROWS))


def thumbnails(always: bool) -> Thumbnails:
    """What the terminal has said that it can do; ``always`` draws with coloured blocks where it can do nothing else."""
    if os.environ.get("TERM", "dumb") == "dumb":  # it would print what it is asked
        return Thumbnails(None)
    # A terminal without a size, as some that are not looked at, is divided by zero when it is asked.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and os.get_terminal_size().columns):
        return Thumbnails(None)
    # The import asks the terminal.
    from textual_image import renderable  # noqa: PLC0415

    if renderable.Image in (renderable.SixelImage, renderable.TGPImage) or always:
        return Thumbnails(renderable.Image)
    return Thumbnails(None)
