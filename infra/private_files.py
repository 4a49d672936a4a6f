"""Files of this machine that their owner alone can read: secrets, and the data of a local system."""

import os
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700
OTHERS = 0o077  # the bits that give others something; also the umask of processes that write such files


def write_private(path: Path, text: str) -> None:
    """Write a file in one step: a reader finds the old text or the new one, and other users neither."""
    unfinished = path.with_name(f"{path.name}.tmp")
    unfinished.unlink(missing_ok=True)  # it might have another mode
    with open(unfinished, "w", encoding="utf-8", opener=private) as file:
        file.write(text)
    unfinished.replace(path)


def close_to_others(folder: Path) -> None:
    """Take from others what they may do in a folder that an earlier version left open; at once for one that is closed.

    The folder itself comes last, so that an interrupted call is done again.
    """
    if not folder.stat().st_mode & OTHERS:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~OTHERS)
    folder.chmod(FOLDER_MODE)


def private(path: str, flags: int) -> int:
    """For ``open(…, opener=private)``: a file that is created there is its owner's alone."""
    return os.open(path, flags, FILE_MODE)
