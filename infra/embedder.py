"""The embedder's handler as an archive, for the emulator, where a container would need Docker."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from infra.package import ROOT

PACKAGE = "embedder_container"


def fetched_models(root: Path = ROOT) -> Path:
    """The folder of models that `make run MODEL=…` fetches; too large to archive, they are read from there."""
    return root / "build" / "models"


def zip_embedder(model: str, root: Path = ROOT, out: Path | None = None) -> Path:
    """Archive the embedder's package, with the model if the package has it; at once if nothing has changed.

    Raises:
        FileNotFoundError: the model is neither in the package nor fetched. ``make run`` prints it.
    """
    files = sorted(_files(root / PACKAGE, model))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"\0{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes())
    archive = (out or root / "build" / "embedder") / f"{digest.hexdigest()[:16]}.zip"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        for older in archive.parent.glob("*.zip"):
            older.unlink()
        unfinished = archive.with_suffix(".part")
        # Uncompressed: a model's weights do not compress, and the archive is unpacked on the same disk.
        with ZipFile(unfinished, "w", ZIP_STORED) as zipped:
            for file in files:
                entry = ZipInfo(str(file.relative_to(root)))
                entry.external_attr = 0o644 << 16
                zipped.writestr(entry, file.read_bytes())
        unfinished.rename(archive)
    return archive


def _files(package: Path, model: str) -> Iterator[Path]:
    weights = package / "models" / model
    if not weights.is_dir() and not (fetched_models(package.parent) / model).is_dir():
        raise FileNotFoundError(f"There is no model {model!r}: neither in {package.name}/models nor fetched.")
    yield from (*package.glob("*.py"), *package.glob("readers/*.py"))
    yield package / "models.toml"
    for folder in (package / "tokenizers", weights):
        yield from (file for file in folder.rglob("*") if file.is_file())
