"""Archives of code that are the same bytes whenever and wherever they are made from the same files."""

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

# The first moment that the format knows; an entry's own time would differ with each checkout.
TIME = (1980, 1, 1, 0, 0, 0)
MODE = 0o644  # Lambda needs every file readable by all
UNIX = 3  # the system by whose rules the mode is read
COMPRESSION_LEVEL = 9


def write_archive(path: Path, files: Mapping[str, bytes], *, compressed: bool = True) -> None:
    """Write the files by name, in the order of their names; a reader of the path never finds half an archive.

    Compressed bytes depend on the version of zlib, too, which comes with Python.
    """
    unfinished = path.with_name(f"{path.name}.part")
    with ZipFile(unfinished, "w") as archive:
        for name in sorted(files):
            entry = ZipInfo(name, TIME)
            entry.create_system = UNIX
            entry.external_attr = MODE << 16
            entry.compress_type = ZIP_DEFLATED if compressed else ZIP_STORED
            archive.writestr(entry, files[name], compresslevel=COMPRESSION_LEVEL if compressed else None)
    unfinished.replace(path)


def read_archive(path: Path) -> dict[str, bytes]:
    """An archive's files by name."""
    with ZipFile(path) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
