"""Makes sure that a model's folder is complete, at the build of the image or by hand.

    python -m embedder_container.fetch NAME…           fetch what is missing, check every file
    python -m embedder_container.fetch verify NAME…    only check

Each file is pinned by size and SHA-256 in the model's `model.json`; one without a `url` ships with this package.
"""

import hashlib
import http.client
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedder_container.models import ModelFile, load_card
from embedder_container.settings import Settings

CHUNK = 1024 * 1024
SILENCE_SECONDS = 60.0


class FetchError(Exception):
    """A model's file is missing, differs from its pin or could not be fetched."""


def ensure(models_dir: Path, name: str) -> None:
    """Complete and check the folder of a model; raises FetchError, or ValueError when there is no such model."""
    card = load_card(models_dir, name)
    for file in card.files:
        path = card.folder / file.name
        if file.url is not None and _fault(path, file) is not None:
            _download(file.url, file, path)
    verify(models_dir, name)


def verify(models_dir: Path, name: str) -> None:
    """Check every file of a model against its pin; raises FetchError naming all that differ."""
    card = load_card(models_dir, name)
    faults = [fault for file in card.files if (fault := _fault(card.folder / file.name, file))]
    if faults:
        raise FetchError(f"model {name}: " + "; ".join(faults))


def _fault(path: Path, file: ModelFile) -> str | None:
    if not path.is_file():
        return f"{file.name} is missing"
    size = path.stat().st_size
    if size != file.size:
        return f"{file.name} has {size} bytes instead of {file.size}"
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return None if found == file.sha256 else f"{file.name} has the sha256 {found} instead of {file.sha256}"


def _download(url: str, file: ModelFile, path: Path) -> None:
    """Fetch one file beside its place, and move it there only once it is whole and the one that was pinned."""
    if not url.startswith(("https://", "http://")):
        raise FetchError(f"{file.name}: only http and https are fetched")
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target:
            digest = hashlib.sha256()
            received = 0
            with urllib.request.urlopen(url, timeout=SILENCE_SECONDS) as response:  # noqa: S310 - see above
                while chunk := response.read(CHUNK):
                    received += len(chunk)
                    if received > file.size:
                        raise FetchError(f"{file.name}: more than the {file.size} bytes that are pinned")
                    digest.update(chunk)
                    target.write(chunk)
        if received != file.size or digest.hexdigest() != file.sha256:
            raise FetchError(f"{file.name}: {received} bytes of sha256 {digest.hexdigest()} are not what is pinned")
        partial.chmod(0o644)  # a Lambda runs as another user than the build
        partial.replace(path)
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        raise FetchError(f"{file.name} could not be fetched from {url}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command; the exit status is 0 when every named model is complete, 1 when not, 2 for wrong usage."""
    only_verify = bool(arguments) and arguments[0] == "verify"
    names = arguments[1:] if only_verify else arguments
    if not names:
        print(__doc__, file=sys.stderr)
        return 2
    models_dir = Settings.from_environ(environ).models_dir
    for name in names:
        try:
            (verify if only_verify else ensure)(models_dir, name)
        except (FetchError, ValueError) as error:
            print(f"fetch: {error}", file=sys.stderr)
            return 1
        print(f"model {name} is complete")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
