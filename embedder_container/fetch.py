"""Completes and checks a model's folder, at the build of the image or by hand.

    python -m embedder_container.fetch NAME…              fetch what is missing, check every file
    python -m embedder_container.fetch --verify NAME…     only check
    python -m embedder_container.fetch --accept-unpinned NAME…

Folders are in MODELS_DIR, by default in this package; a model's own folder may be given in place of a name, written
with a slash. Each file to download is pinned by its SHA-256 in `models.toml`. A file without a pin is refused; with the
last form it is fetched, and its digest is printed and pinned in the folder's own `model.json`.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from embedder_container.download import Download, FetchError, Report, sha256_of
from embedder_container.models import DESCRIPTION_FILE, ModelDescription, ModelFile, load_description, registry
from embedder_container.settings import Settings


def fetch(
    models_dir: Path,
    name: str,
    *,
    accept_unpinned: bool = False,
    download: Download | None = None,
    report: Report = print,
) -> None:
    """Complete and check a model's folder.

    Raises:
        FetchError: a file could not be fetched, is not pinned or differs from its pin.
        ValueError: there is no such model.
    """
    description = load_description(models_dir, name)
    download = download or Download(report)
    fetched_files: dict[str, ModelFile] = {}
    for file in description.files:
        if file.url is None or not find_problem(description.path(file.name), file):
            continue
        if file.sha256 is None and not accept_unpinned:
            raise FetchError(
                f"{file.name} of {name} is not pinned: nothing says what it should be. --accept-unpinned takes what"
                f" {file.url} gives, and prints the digest to pin"
            )
        description.folder.mkdir(parents=True, exist_ok=True)
        fetched = fetched_files[file.name] = download(file, description.folder / file.name)
        if file.sha256 is None:
            report(f'to be pinned in models.toml: {file.name} size = {fetched.size} sha256 = "{fetched.sha256}"')
    if any(file.url is not None and file.sha256 is None for file in description.files):
        _write_description(description, fetched_files)
    verify(models_dir, name)


def verify(models_dir: Path, name: str) -> None:
    """Check every file of a model against its pin; raises FetchError naming all that differ."""
    description = load_description(models_dir, name)
    problems = [problem for file in description.files if (problem := find_problem(description.path(file.name), file))]
    if problems:
        raise FetchError(f"model {name}: " + "; ".join(problems))


def find_problem(path: Path, file: ModelFile) -> str | None:
    """Return why the file at `path` is not the model's file, or None if it is."""
    if not path.is_file():
        return f"{file.name} is missing"
    if file.sha256 is None and file.url is not None:
        return f"{file.name} is not pinned"
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"{file.name} has {size} bytes instead of {file.size}"
    digest = sha256_of(path) if file.sha256 is not None else None
    return None if digest == file.sha256 else f"{file.name} has the sha256 {digest} instead of {file.sha256}"


def _write_description(description: ModelDescription, fetched_files: Mapping[str, ModelFile]) -> None:
    """Pin accepted files in the folder's own `model.json`: from then on they must not change."""
    files = {}
    for file in description.files:
        values = asdict(fetched_files.get(file.name, file)).items()
        files[file.name] = {key: value for key, value in values if value is not None and key != "name"}
    own = description.folder / DESCRIPTION_FILE
    fields = json.loads(own.read_text("utf-8")) if own.exists() else registry()[description.name]
    content = {"name": description.name, **fields, "files": files}
    own.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command; the exit status is 0 if every named model is complete, 1 if not, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m embedder_container.fetch", description="Fetch models.")
    parser.add_argument("--verify", action="store_true", help="only check, fetch nothing")
    parser.add_argument("--accept-unpinned", action="store_true", help="take files whose digest is not known yet")
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help=f"one of {', '.join(registry())}, the name of a folder in MODELS_DIR, or a folder: ./folder",
    )
    options = parser.parse_args(arguments)
    models_dir = Settings.from_environ(environ).models_dir
    for name in options.names:
        try:
            if options.verify:
                verify(models_dir, name)
            else:
                fetch(models_dir, name, accept_unpinned=options.accept_unpinned)
        except (FetchError, ValueError) as error:
            print(f"fetch: {error}", file=sys.stderr)
            return 1
        print(f"model {name} is complete")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
