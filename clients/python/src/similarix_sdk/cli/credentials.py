"""Keeps the token and the API's URL in a file that only its owner can read."""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class Credentials:
    url: str
    token: str = field(repr=False)


class CredentialError(Exception):
    """There are no credentials, or they are not safe where they are."""


@dataclass(frozen=True)
class CredentialFile:
    path: Path

    def load(self) -> Credentials | None:
        """What was saved, or None. Raises CredentialError where others can read the file, or it is damaged."""
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return None
        # Windows keeps the files of a profile from others, and has no such bits.
        if os.name == "posix" and stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            raise CredentialError(f"Others can read your token: chmod 600 {self.path}")
        try:
            saved = json.loads(text)
            return Credentials(saved["url"], saved["token"])
        except (ValueError, KeyError, TypeError) as error:
            raise CredentialError(f"{self.path} is damaged: sign in again with 'similarix login'.") from error

    def save(self, credentials: Credentials) -> None:
        """Replace the file in one step; it is never readable by others."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_privately(self.path, json.dumps({"url": credentials.url, "token": credentials.token}) + "\n")

    def delete(self) -> bool:
        """Whether there was a file."""
        existed = self.path.exists()
        self.path.unlink(missing_ok=True)
        return existed


def write_privately(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in the place of another one."""
    with private_file(path) as file:
        file.write(text)


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A file that only its owner can read; it is at ``path`` when the block ends, and nowhere when that fails."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with the mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
