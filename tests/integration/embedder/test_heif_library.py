"""The embedder works without pillow-heif, which an image may leave out because of its licences."""

import subprocess
import sys
from pathlib import Path

import pillow_heif

from tests.embedder.samples import encode, two_halves

pillow_heif.register_heif_opener()


def test_without_pillow_heif_a_heif_is_refused_by_name_and_other_formats_are_decoded(tmp_path: Path) -> None:
    for name in ("HEIF", "AVIF", "JPEG"):
        (tmp_path / name).write_bytes(encode(two_halves(), name))
    script = """
import sys
sys.modules["pillow_heif"] = None  # importing it fails, as if it were not installed
from embedder_container.errors import ItemError
from embedder_container.images import decode
for file in sys.argv[1:]:
    try:
        print(decode(open(file, "rb").read()).format)
    except ItemError as error:
        print(error.code, error.message.split(" are ")[0])
"""
    files = [str(tmp_path / name) for name in ("HEIF", "AVIF", "JPEG")]
    done = subprocess.run([sys.executable, "-c", script, *files], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "unsupported_format files of the kind HEIF (left out of this installation)",
        "AVIF",
        "JPEG",
    ]
