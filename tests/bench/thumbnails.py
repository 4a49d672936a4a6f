"""``make bench SUITE=thumbnails``: what further sizes of thumbnails cost when a picture is embedded, and when not.

The two ways take turns: ``one`` decodes for the vector and a thumbnail of 512 pixels, ``three`` for 256 and 1024 as
well. ``later`` is what a size costs that is made at its first request: 1024 of the original, 256 of the stored 512.
"""

import statistics
from collections.abc import Callable
from io import BytesIO
from time import perf_counter

from PIL import Image

from embedder_container import images
from tests.bench.embedder.image_files import image_files
from tests.bench.figures import figure

ROUNDS = 5
MODEL_SIDE = 224
SMALL, MEDIUM, LARGE = 256, 512, 1024


def main() -> None:
    for size in ("640", "3000"):
        _measure(size, [file.read_bytes() for file in image_files(size)])


def _measure(size: str, pictures: list[bytes]) -> None:
    stored = [_thumbnails(data, MEDIUM)[0] for data in pictures]
    sides: dict[str, Callable[[], list[list[bytes]]]] = {
        "one": lambda: [_thumbnails(data, MEDIUM) for data in pictures],
        "three": lambda: [_thumbnails(data, SMALL, MEDIUM, LARGE) for data in pictures],
        "later_1024": lambda: [_thumbnails(data, LARGE) for data in pictures],
        "later_256": lambda: [[images.thumbnail(Image.open(BytesIO(jpeg)), SMALL)] for jpeg in stored],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(ROUNDS + 1):
        for name, side in sides.items():
            start = perf_counter()
            side()
            if turn:
                seconds[name].append(perf_counter() - start)
    for name, rounds in seconds.items():
        figure(f"thumbnails_{name}_{size}", statistics.median(rounds) * 1000 / len(pictures), "ms")
    ratio = statistics.median(b / a for a, b in zip(seconds["one"], seconds["three"], strict=True))
    figure(f"thumbnails_three_to_one_{size}", ratio, "x")
    for index, side_length in enumerate((SMALL, MEDIUM, LARGE)):
        kilobytes = statistics.mean(len(made[index]) for made in sides["three"]()) / 1000
        figure(f"thumbnail_{side_length}_{size}", kilobytes, "kB")


def _thumbnails(data: bytes, *sides: int) -> list[bytes]:
    """The thumbnails of a picture in these sizes, of one decode that is large enough for the vector and for them."""
    image = images.decode(data, MODEL_SIDE, longest=max(sides)).image
    return [images.thumbnail(image, side) for side in sides]


if __name__ == "__main__":
    main()
