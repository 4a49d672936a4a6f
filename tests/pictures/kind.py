"""What a kind of odd file is: the file, and its right answer."""

from dataclasses import dataclass

from PIL import Image

from embedder_container.errors import Code
from tests.pictures.containers import drawing

WHITE = (255, 255, 255)
LOSSY, EXACT = 3.0, 0.6  # of 255, in the mean of blocks
REFUSED_CUT, REFUSED_UNSUPPORTED = Code.TRUNCATED_IMAGE, Code.UNSUPPORTED_FORMAT


@dataclass(frozen=True)
class Kind:
    """A file with its right answer: a picture, or a code and words of its message. `before` is what it was before."""

    name: str
    before: str
    data: bytes
    shows: Image.Image | None = None
    tolerance: float = EXACT
    code: Code | None = None
    words: str = ""


def over_white(image: Image.Image) -> Image.Image:
    background = Image.new("RGB", image.size, WHITE)
    background.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return background


def with_alpha() -> Image.Image:
    image = drawing("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image
