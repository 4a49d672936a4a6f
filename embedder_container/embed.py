"""Embeds texts and files from the shell, exactly as the function does, so that anyone can check a vector.

    python -m embedder_container.embed --model NAME_OR_FOLDER [--exact] [--text TEXT]… [FILE]…

One JSON line an input, texts first: `{"input", "model", "dimension", "vector"}`, or with `error` for `vector`. The exit
status is 0 when every input was embedded, 1 when one was not or there is no such model.
"""

import argparse
import base64
import json
import os
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedder_container.embedder import Embedder
from embedder_container.errors import Code, ItemError
from embedder_container.handler import assemble
from embedder_container.limits import MAX_BYTES, TOO_LARGE
from embedder_container.models import DESCRIPTION_FILE, ModelDescription, load_bundle, load_description
from embedder_container.settings import Settings
from embedder_container.tasks import Result, Timings


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command; answers its exit status."""
    parser = argparse.ArgumentParser(prog="python -m embedder_container.embed", description="Embed texts and pictures.")
    parser.add_argument("--model", default="lite", help="a registered name, or a folder with a model.json")
    parser.add_argument("--exact", action="store_true", help="decode large JPEGs at full size")
    parser.add_argument("--text", action="append", default=[], metavar="TEXT", help="a text to embed")
    parser.add_argument("files", nargs="*", metavar="FILE", help="a picture to embed")
    options = parser.parse_args(arguments)
    settings = replace(Settings.from_environ(environ), exact=options.exact)
    try:
        embedder = assemble(_card(options.model, settings), settings)
    except ValueError as error:
        print(f"embed: {error}", file=sys.stderr)
        return 1
    failed = False
    try:
        for given, result in _results(embedder, options.text, options.files):
            failed |= "error" in result
            print(json.dumps({"input": given, **_told(embedder.model.card, result)}, ensure_ascii=False), flush=True)
    except FileNotFoundError as error:  # of the model
        print(f"embed: {error}", file=sys.stderr)
        return 1
    finally:
        embedder.close()
    return int(failed)


def _card(model: str, settings: Settings) -> ModelDescription:
    folder = Path(model)
    return (
        load_bundle(folder) if (folder / DESCRIPTION_FILE).is_file() else load_description(settings.models_dir, model)
    )


def _results(embedder: Embedder, texts: Sequence[str], files: Sequence[str]) -> Iterator[tuple[str, Result]]:
    for text in texts:
        yield text, embedder.embed_texts([text], Timings())[0]
    for file in files:
        try:
            data = _read(Path(file))
        except (OSError, ItemError) as error:
            yield file, {"error": {"code": Code.SOURCE_NOT_FOUND.value, "message": str(error)}}
        else:
            yield file, embedder.embed_image(data, Timings())


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ItemError(Code.TOO_LARGE, TOO_LARGE)
    return data


def _told(card: ModelDescription, result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {"model": card.model_version, "dimension": card.dimension}
    if "error" in result:
        return told | {"error": result["error"]}
    vector = base64.b64decode(result["vector"])
    return told | {"vector": list(struct.unpack(f"<{card.dimension}f", vector))}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
