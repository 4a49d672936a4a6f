"""Embeds texts and files from the shell exactly as the function does, for example to check a vector.

    python -m embedder_container.embed --model NAME_OR_./FOLDER [--full-decode] [--text TEXT]… [FILE]…

One JSON line an input, texts first: `{"input", "model", "dimension", "vector"}`, or with `error` instead of `vector`.
The exit status is 0 if every input was embedded, 1 if one was not or the model does not exist.
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
from embedder_container.handler import create_embedder
from embedder_container.limits import MAX_FILE_BYTES, TOO_LARGE_MESSAGE
from embedder_container.models import ModelDescription, load_description
from embedder_container.settings import Settings
from embedder_container.tasks import Result, Timings


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m embedder_container.embed", description="Embed texts and pictures.")
    parser.add_argument(
        "--model",
        default="lite",
        help="a registered name, or a folder with a model.json, written with a slash: ./folder",
    )
    parser.add_argument("--full-decode", action="store_true", help="decode large JPEGs at full size")
    parser.add_argument("--text", action="append", default=[], metavar="TEXT", help="a text to embed")
    parser.add_argument("files", nargs="*", metavar="FILE", help="a picture to embed")
    options = parser.parse_args(arguments)
    settings = replace(Settings.from_environ(environ), full_decode=options.full_decode)
    try:
        embedder = create_embedder(load_description(settings.models_dir, options.model), settings)
    except ValueError as error:
        print(f"embed: {error}", file=sys.stderr)
        return 1
    failed = False
    try:
        for source, result in _results(embedder, options.text, options.files):
            failed |= "error" in result
            line = {"input": source, **_output_fields(embedder.model.description, result)}
            print(json.dumps(line, ensure_ascii=False), flush=True)
    except FileNotFoundError as error:  # of the model
        print(f"embed: {error}", file=sys.stderr)
        return 1
    finally:
        embedder.close()
    return int(failed)


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
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ItemError(Code.TOO_LARGE, TOO_LARGE_MESSAGE)
    return data


def _output_fields(description: ModelDescription, result: Result) -> dict[str, Any]:
    fields: dict[str, Any] = {"model": description.model_version, "dimension": description.dimension}
    if "error" in result:
        return fields | {"error": result["error"]}
    vector = base64.b64decode(result["vector"])
    return fields | {"vector": list(struct.unpack(f"<{description.dimension}f", vector))}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
