"""Uploads the pictures below a folder."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from similarix_sdk.errors import SimilarixError
from similarix_sdk.models import UploadedPicture
from similarix_sdk.pictures import SUFFIXES, Picture, picture_of
from similarix_sdk.steps import Steps

Store = Callable[[Picture, str], Steps[UploadedPicture]]
# The JSON of the stored file of a path, or None.
Stored = Callable[[str], Steps[Any]]


@dataclass(frozen=True)
class FolderOutcome:
    """What became of a picture: ``uploaded``, or ``error``, or neither where the collection had it already.

    ``file`` is where it is here, ``path`` its place in the collection.
    """

    file: Path
    path: str
    uploaded: UploadedPicture | None = None
    error: Exception | None = None

    @property
    def skipped(self) -> bool:
        return self.uploaded is None and self.error is None


@dataclass(frozen=True)
class FolderUpload:
    """Makes the operations that upload a folder's pictures, or ``only`` some of them."""

    folder: str | os.PathLike[str]
    prefix: str
    skip_stored: bool
    only: Sequence[Path] | None = None

    def operations(self, store: Store, stored: Stored) -> Iterator[Steps[FolderOutcome]]:
        """An operation for each picture, in the order of their paths. Raises NotADirectoryError."""
        folder = Path(self.folder)
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder.")
        files = pictures_below(folder) if self.only is None else self.only
        return (self._operation(file, folder, store, stored) for file in files)

    def _operation(self, file: Path, folder: Path, store: Store, stored: Stored) -> Steps[FolderOutcome]:
        parts = [part for part in self.prefix.split("/") if part]
        target = "/".join([*parts, *file.relative_to(folder).parts])
        try:
            if self.skip_stored:
                there = yield from stored(target)
                if there is not None and is_same(file, there):
                    return FolderOutcome(file, target)
            return FolderOutcome(file, target, uploaded=(yield from store(picture_of(file), target)))
        except (SimilarixError, OSError, ValueError) as error:  # a name that is not UTF-8 is a ValueError
            return FolderOutcome(file, target, error=error)


def pictures_below(folder: Path) -> Iterator[Path]:
    """The files with the suffix of a picture, without hidden files and folders; links to folders are not followed."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if is_picture(name):
                yield Path(root, name)


def is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def is_same(file: Path, there: Any) -> bool:
    """Whether the stored file has the bytes of this one."""
    if there.get("state") != "indexed" or there.get("file_size") != file.stat().st_size:
        return False
    with file.open("rb") as opened:
        # The API's own mark of a file's bytes; it protects nothing here.
        digest = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return bool(digest == there.get("md5"))
