"""Makes sure that a model's folder is complete, at the build of the image or by hand.

    python -m embedder_container.fetch NAME…              fetch what is missing, check every file
    python -m embedder_container.fetch --verify NAME…     only check
    python -m embedder_container.fetch --accept-unpinned NAME…

Folders are in MODELS_DIR, or else beside this package. Each file is pinned by its SHA-256 in `models.toml`. One that is
not is refused, or with the last form fetched, and its digest is printed and pinned in the folder's own `model.json`.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from embedder_container.download import Download, FetchError, Say
from embedder_container.models import DESCRIPTION_FILE, ModelDescription, ModelFile, load_description, registry
from embedder_container.settings import Settings


def ensure(
    models_dir: Path, name: str, *, accept_unpinned: bool = False, download: Download | None = None, say: Say = print
) -> None:
    """Complete and check the folder of a model; raises FetchError, or ValueError when there is no such model."""
    card = load_description(models_dir, name)
    download = download or Download(say)
    got_files: dict[str, ModelFile] = {}
    for file in card.files:
        if file.url is None or not fault(card.path(file.name), file):
            continue
        if file.sha256 is None and not accept_unpinned:
            raise FetchError(
                f"{file.name} of {name} is not pinned: nothing says what it should be. --accept-unpinned takes what"
                f" {file.url} gives, and prints the digest to pin"
            )
        card.folder.mkdir(parents=True, exist_ok=True)
        got = got_files[file.name] = download(file, card.folder / file.name)
        if file.sha256 is None:
            say(f'to be pinned in models.toml: {file.name} size = {got.size} sha256 = "{got.sha256}"')
    if any(file.sha256 is None for file in card.files):
        _write_card(card, got_files)
    verify(models_dir, name)


def verify(models_dir: Path, name: str) -> None:
    """Check every file of a model against its pin; raises FetchError naming all that differ."""
    card = load_description(models_dir, name)
    faults = [found for file in card.files if (found := fault(card.path(file.name), file))]
    if faults:
        raise FetchError(f"model {name}: " + "; ".join(faults))


def fault(path: Path, file: ModelFile) -> str | None:
    """What is wrong with a file that should be a model's, if anything."""
    if not path.is_file():
        return f"{file.name} is missing"
    if file.sha256 is None:
        return f"{file.name} is not pinned"
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"{file.name} has {size} bytes instead of {file.size}"
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return None if found == file.sha256 else f"{file.name} has the sha256 {found} instead of {file.sha256}"


def _write_card(card: ModelDescription, got: Mapping[str, ModelFile]) -> None:
    """Pin, in the folder itself, what was accepted without a pin: from then on it must stay what it is."""
    files = {}
    for file in card.files:
        fields = asdict(got.get(file.name, file)).items()
        files[file.name] = {name: value for name, value in fields if value is not None and name != "name"}
    described = {"name": card.name, **registry()[card.name], "files": files}
    (card.folder / DESCRIPTION_FILE).write_text(json.dumps(described, indent=2) + "\n", "utf-8")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command; the exit status is 0 when every named model is complete, 1 when not, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m embedder_container.fetch", description="Fetch models.")
    parser.add_argument("--verify", action="store_true", help="only check, fetch nothing")
    parser.add_argument("--accept-unpinned", action="store_true", help="take files whose digest is not known yet")
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"one of {', '.join(registry())}, or a folder's name")
    options = parser.parse_args(arguments)
    models_dir = Settings.from_environ(environ).models_dir
    for name in options.names:
        try:
            if options.verify:
                verify(models_dir, name)
            else:
                ensure(models_dir, name, accept_unpinned=options.accept_unpinned)
        except (FetchError, ValueError) as error:
            print(f"fetch: {error}", file=sys.stderr)
            return 1
        print(f"model {name} is complete")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
