"""``python -m infra.calibration MODEL FOLDER``: writes the calibration that a model ships with, beside its files.

Pictures of many subjects make it: the ones of ``lite`` are the samples. A deployment replaces it by statistics of its
own pictures, with ``infra.admin calibrate``.
"""

import argparse
import sys
from base64 import b64decode
from pathlib import Path

from chalicelib.domain.calibration_statistics import compute_calibration
from chalicelib.domain.unrelated_texts import UNRELATED_TEXTS
from chalicelib.domain.vectors import unit_vector
from embedder_container.handler import create_embedder
from embedder_container.models import CALIBRATION_FILE, load_description
from embedder_container.settings import Settings
from embedder_container.tasks import Result, Timings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.calibration", description="Calibrate a model.")
    parser.add_argument("model", help="its name in the registry, or its folder, written with a slash")
    parser.add_argument("pictures", type=Path, help="a folder of pictures of many subjects")
    options = parser.parse_args(arguments)
    settings = Settings.from_environ({"MODEL": options.model})
    description = load_description(settings.models_dir, options.model)
    embedder = create_embedder(description, settings)
    try:
        files = sorted(path for path in options.pictures.iterdir() if path.is_file())
        results = [embedder.embed_image(path.read_bytes(), Timings()) for path in files]
        pictures = [_vector(result) for result in results if "vector" in result]
        read = embedder.embed_texts(UNRELATED_TEXTS, Timings())
        texts = [_vector(result) for result in read if "vector" in result]
    finally:
        embedder.close()
    calibration = compute_calibration(description.model_version, pictures, texts)
    path = description.folder / CALIBRATION_FILE
    path.write_text(calibration.to_json() + "\n", "utf-8")
    print(f"{path}: {len(pictures)} pictures, {len(texts)} texts")
    return 0


def _vector(result: Result) -> tuple[float, ...]:
    return unit_vector(b64decode(result["vector"]))


if __name__ == "__main__":
    sys.exit(main())
