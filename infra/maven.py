"""Java archives by their Maven coordinates, each checked against the sha256 that the repository has locked.

    python -m infra.maven GROUP:NAME:VERSION…

prints the lock of artifacts with all their dependencies. Fetched files lie in a cache that all checkouts share.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOWNLOAD_ATTEMPTS = 3  # a download may break off
PARALLEL_DOWNLOADS = 8
DEFAULT_CACHE = Path("~/.cache/similarix")


class MavenError(Exception):
    """An artifact cannot be downloaded, or is not the locked one; the message says which.

    Starting a service reports it as its own error: ``infra.opensearch.node.NodeError``, which ``make run`` prints.
    """


@dataclass(frozen=True, slots=True)
class Locked:
    """``artifact`` is ``group:name:version``, with ``:packaging`` after it where that is not ``jar``.

    A classifier may stand after the packaging.
    """

    artifact: str
    sha256: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        group, name, version, *packaging = self.artifact.split(":")
        return group, name, version, packaging[0] if packaging else "jar"

    @property
    def classifier(self) -> str | None:
        return self.artifact.split(":")[4] if self.artifact.count(":") == 4 else None

    @property
    def file_name(self) -> str:
        _, name, version, packaging = self.parts
        return f"{'-'.join(filter(None, (name, version, self.classifier)))}.{packaging}"


Download = Callable[[Locked, Path], Path]


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of fetched archives, outside every checkout; SIMILARIX_CACHE chooses another."""
    return Path(environ.get("SIMILARIX_CACHE") or DEFAULT_CACHE).expanduser()


def read_lock(path: Path) -> dict[str, list[Locked]]:
    """The artifacts that belong into each folder, by the folder's name."""
    raw = json.loads(path.read_text())
    return {folder: [Locked(item["artifact"], item["sha256"]) for item in items] for folder, items in raw.items()}


def fetch(artifacts: Sequence[Locked], cache: Path | None = None, *, download: Download | None = None) -> list[Path]:
    """The artifacts' files, in order; those that the cache lacks are downloaded.

    Args:
        download: downloads an artifact into a folder and returns its path; by default from the registry.

    Raises:
        MavenError: one cannot be downloaded, or its bytes are not the locked ones.
    """
    folder = (cache or cache_folder()) / "maven"
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        return list(pool.map(lambda artifact: _cached(artifact, folder, download or _download), artifacts))


def lock(coordinates: Sequence[str], *, transitive: bool = True) -> list[Locked]:
    """The artifacts and all their dependencies, with the sha256 of the registry's files of now."""
    import jgo  # noqa: PLC0415  # a second to import, and only needed to download

    if not transitive:
        return [_lock_of(coordinate, _download(Locked(coordinate, ""), _scratch())) for coordinate in coordinates]
    return [
        _lock_of(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}", Path(artifact.resolve()))
        for artifact in jgo.resolve("+".join(coordinates))
    ]


def to_json(locks: Mapping[str, Iterable[Locked]]) -> str:
    """The text of a lock file."""
    items: dict[str, Any] = {
        folder: sorted(({"artifact": locked.artifact, "sha256": locked.sha256} for locked in artifacts), key=str)
        for folder, artifacts in locks.items()
    }
    return json.dumps(items, indent=1) + "\n"


def _cached(locked: Locked, folder: Path, download: Download) -> Path:
    # Named by its digest: files there have been checked, and a changed lock never finds an old file.
    cached = folder / locked.sha256[:16] / locked.file_name
    if cached.exists():
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as scratch:
        downloaded = download(locked, Path(scratch))
        if (digest := _sha256(downloaded)) != locked.sha256:
            raise MavenError(f"{locked.artifact} has the sha256 {digest}; locked is {locked.sha256}.")
        downloaded.replace(cached)
    return cached


def _download(locked: Locked, scratch: Path) -> Path:
    from jgo.maven import MavenContext  # noqa: PLC0415

    group, name, version, packaging = locked.parts
    for attempt in range(DOWNLOAD_ATTEMPTS):
        # A folder of its own for each attempt: the resolver takes the rest of a broken download for the whole file.
        context = MavenContext(repo_cache=scratch / str(attempt), local_repos=[], timeout=60)
        try:
            component = context.project(group, name).at_version(version)
            return Path(component.artifact(locked.classifier or "", packaging).resolve())
        except Exception as error:
            failure = error
    raise MavenError(f"{locked.artifact} could not be downloaded: {failure}") from failure


def _lock_of(artifact: str, file: Path) -> Locked:
    return Locked(artifact, _sha256(file))


def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="similarix-maven-"))


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Link or copy a file: a link takes no space, where the file system allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


if __name__ == "__main__":
    print(to_json({"lib": lock(sys.argv[1:])}), end="")
