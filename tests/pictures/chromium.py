"""``python -m tests.pictures.chromium [FILE…]``: what Chromium shows.

Without files it writes `chromium.json`, the golden colours of every declaration. With files it compares each with our
decoding and prints the mean difference of 8×8 blocks. It needs `chromium` on the PATH.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder_container.errors import ItemError
from embedder_container.images import decode
from tests.pictures.declarations import COLOURS, GOLDEN_FILE, PATCH, declared_files

WIDTH = 1600
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--force-color-profile=srgb", "--virtual-time-budget=5000"),
)
FRAME_HEIGHT = 250  # of the window, which headless Chromium takes off the page


def show(files: dict[str, tuple[bytes, int, int]]) -> dict[str, NDArray[np.float64]]:
    """Return the RGB pixels that Chromium draws on white, of files with their width and height."""
    with tempfile.TemporaryDirectory() as name:
        folder, places, x, y, row = Path(name), {}, 0, 0, 0
        page = ['<!doctype html><body style="margin:0;background:#fff">']
        for number, (file, (data, width, height)) in enumerate(files.items()):
            (folder / str(number)).write_bytes(data)
            if x + width > WIDTH:
                x, y, row = 0, y + row, 0
            style = f"position:absolute;left:{x}px;top:{y}px;width:{width}px;height:{height}px"
            page.append(f'<img src="{number}" style="{style}">')
            places[file] = (x, y, x + width, y + height)
            x, row = x + width, max(row, height)
        (folder / "page.html").write_text("".join(page))
        shot, size = folder / "shot.png", f"--window-size={WIDTH},{y + row + FRAME_HEIGHT}"
        command = ["chromium", *FLAGS, size, f"--user-data-dir={folder / 'profile'}", f"--screenshot={shot}"]
        subprocess.run([*command, f"file://{folder / 'page.html'}"], check=True, capture_output=True, timeout=300)
        page_image = Image.open(shot).convert("RGB")
        return {file: np.asarray(page_image.crop(place)).astype(float) for file, place in places.items()}


def write_golden_file() -> None:
    files = declared_files()
    shown = show({name: (data, PATCH * len(COLOURS), PATCH) for name, data in files.items()})
    centres = [PATCH * number + PATCH // 2 for number in range(len(COLOURS))]
    rows = {name: [[round(v) for v in pixels[PATCH // 2, x]] for x in centres] for name, pixels in shown.items()}
    version = subprocess.run(["chromium", "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    body = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    GOLDEN_FILE.write_text(f'{{\n"chromium": "{version}",\n"shown": {{\n{body}\n}}\n}}\n')


def compare(paths: list[Path]) -> None:
    own, files = {}, {}
    for path in paths:
        try:
            decoded = decode(path.read_bytes())
        except ItemError as error:
            print(f"{path.name}: {error.code}: {error.message}")
            continue
        own[path.name] = np.asarray(decoded.image).astype(float)
        files[path.name] = (path.read_bytes(), decoded.width, decoded.height)
    for name, pixels in show(files).items():
        difference = np.abs(_blocks(pixels) - _blocks(own[name]))
        print(f"{name}: {difference.mean():.2f} of 255 in the mean, {difference.max():.1f} at most")


def _blocks(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = pixels.shape[0] // 8, pixels.shape[1] // 8
    means: NDArray[np.float64] = pixels[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8, 3).mean(axis=(1, 3))
    return means


if __name__ == "__main__":
    if sys.argv[1:]:
        compare([Path(name) for name in sys.argv[1:]])
    else:
        write_golden_file()
