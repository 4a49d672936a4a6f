"""The embedder's handler as an archive, for the emulator, where a container would need Docker."""

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from embedder_container.models import ModelDescription, is_folder, load_description
from infra.archive import write_archive
from infra.bytecode import compiled
from infra.package import ROOT
from infra.process_lock import process_lock

PACKAGE = "embedder_container"
UNUSED_SECONDS = 3600  # before an archive is deleted: another process may be about to read it


class ModelError(Exception):
    """A model cannot run here; the message says why. ``make run`` prints it."""


def fetched_models(root: Path = ROOT) -> Path:
    """The folder of models that `make run MODEL=…` fetches; too large to archive, they are read from there."""
    return root / "build" / "models"


def describe_model(model: str, root: Path = ROOT) -> ModelDescription:
    """The description of a model that can run here.

    Args:
        model: its name, or its folder, written with a slash.

    Raises:
        ModelError: there is no such model, its description is incomplete, or a file of it is missing.
    """
    fetched = fetched_models(root)
    shipped = root / PACKAGE / "models"
    try:
        description = load_description(fetched if (fetched / model).is_dir() else shipped, model)
    except ValueError as error:
        raise ModelError(str(error)) from error
    missing = [file.name for file in description.files if not _has_graph(description, file.name)]
    if missing and not is_folder(model):
        raise ModelError(f"The model {model!r} has not been fetched. Fetch it: make run MODEL={model}")
    if missing:
        raise ModelError(f"The model's folder {description.folder} lacks {', '.join(missing)}.")
    return description


def model_variables(model: ModelDescription, root: Path = ROOT) -> dict[str, str]:
    """The variables of the embedder's environment that say where a model is; none for one in the package."""
    folder, fetched = model.folder.resolve(), fetched_models(root)
    if folder == fetched / model.name:
        return {"MODELS_DIR": str(fetched)}
    return {} if folder.is_relative_to(root / PACKAGE) else {"MODEL": str(folder)}


def zip_embedder(model: str, root: Path = ROOT, out: Path | None = None) -> Path:
    """Archive the embedder's package, with the model of this name if the package has it; at once if nothing changed."""
    files = sorted(_files(root / PACKAGE, model))
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(f"\0{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes())
    archive = (out or root / "build" / "embedder") / f"{digest.hexdigest()[:16]}.zip"
    with process_lock(archive.with_name("lock")):
        if archive.exists():
            archive.touch()
        else:
            # Uncompressed: a model's weights do not compress, and the archive is unpacked on the same disk.
            contents = {str(file.relative_to(root)): file.read_bytes() for file in files}
            write_archive(archive, contents | compiled(contents, Path(sys.executable)), compressed=False)
        for other in archive.parent.glob("*.zip"):
            if time.time() - other.stat().st_mtime > UNUSED_SECONDS:
                other.unlink()
    return archive


def _has_graph(description: ModelDescription, name: str) -> bool:
    # `optimise --replace` leaves an optimised graph in the place of the original.
    path = description.path(name)
    return path.exists() or path.with_name(f"{path.stem}.optimised{path.suffix}").exists()


def _files(package: Path, model: str) -> Iterator[Path]:
    weights = package / "models" / model
    yield from package.rglob("*.py")
    yield package / "models.toml"
    for folder in (package / "tokenizers", weights):
        yield from (file for file in folder.rglob("*") if file.is_file())
