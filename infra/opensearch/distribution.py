"""OpenSearch with k-NN, assembled from its published parts into the layout that it starts from.

The parts and their checksums are locked in ``lock.json``. k-NN's native library, which its faiss engine needs, is not
published: an index of that engine ends the node. The local system uses Lucene's engine, which needs none.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path
from zipfile import ZipFile

from infra.maven import Locked, cache_folder, fetch, link_or_copy, read_lock
from infra.process_lock import process_lock

VERSION = "3.6.0"  # the newest whose k-NN plugin is published
LOCK = Path(__file__).with_name("lock.json")
# Their descriptors are not published; k-NN builds on the first and the third.
MODULES = {
    "lang-painless": "org.opensearch.painless.PainlessModulePlugin",
    "reindex": "org.opensearch.index.reindex.ReindexModulePlugin",
    "transport-grpc": "org.opensearch.transport.grpc.GrpcPlugin",
    "transport-netty4": "org.opensearch.transport.Netty4ModulePlugin",
}
DESCRIPTOR = """name={name}
description={name}
version={version}
opensearch.version={version}
java.version=21
classname={plugin}
extended.plugins=
has.native.controller=false
"""


def distribution(cache: Path | None = None) -> Path:
    """The assembled folder; at once if any checkout has assembled it before.

    Raises:
        MavenError: a part cannot be downloaded.
    """
    folder = (cache or cache_folder()) / "opensearch"
    home = folder / f"{VERSION}-{_digest()}"
    if home.exists():
        return home
    folder.mkdir(parents=True, exist_ok=True)
    with process_lock(folder / "assembling.lock"):
        if not home.exists():  # another process may have assembled it meanwhile
            unfinished = Path(tempfile.mkdtemp(dir=folder, prefix="assembling-"))
            try:
                _assemble(unfinished, cache)
                unfinished.chmod(0o755)
                unfinished.rename(home)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return home


def _assemble(home: Path, cache: Path | None) -> None:
    parts = [(folder, locked) for folder, artifacts in read_lock(LOCK).items() for locked in artifacts]
    files = fetch([locked for _, locked in parts], cache)
    for (folder, locked), file in zip(parts, files, strict=True):
        _place(home / folder, locked, file)
    for name, plugin in MODULES.items():
        descriptor = DESCRIPTOR.format(name=name, version=VERSION, plugin=plugin)
        (home / "modules" / name / "plugin-descriptor.properties").write_text(descriptor)


def _place(folder: Path, locked: Locked, file: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if locked.parts[-1] == "zip":
        with ZipFile(file) as archive:
            archive.extractall(folder)
    else:
        link_or_copy(file, folder / locked.file_name)


def _digest() -> str:
    return hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]
