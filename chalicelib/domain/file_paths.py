"""Paths of files in managed storage: folders, and the name of the file, as ``2024/summer/a.jpg``.

A picture whose path another one has is stored beside it, under a name with a number, as in Windows and in the web
interfaces of Google Drive and Dropbox: ``a (1).jpg`` (docs/decisions/0064).
"""

from collections.abc import Iterator, Sequence

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.image_files import FILE_NAME_LIMIT, stored_name
from chalicelib.domain.texts import breaks_line, is_storable, is_visible

# Bytes: S3's keys have 1,024, of which the folder of a managed collection takes 82 and a number in the name some.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
PATH_LIMIT = 900
# Names with a number of one digit, then of two, then with the picture's MD5, which needs no search: so few requests
# find a name however many pictures have asked for it.
_NUMBERS = (range(1, 10), range(10, 100))
_INSTRUCTION = "path has folders and the file's name, with '/' between them, such as '2024/summer/a.jpg'"


def parse_path(value: object) -> str:
    """A path as it is stored: with composed accents, without bidi controls and spaces around its parts.

    Raises:
        InvalidRequest: it is empty or too long, or a part of it is empty, ``.``, ``..``, too long, or has a backslash
            or a control character.
    """
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{_INSTRUCTION}.", field="path")
    parts = [stored_name(part).strip() for part in value.split("/")]
    for part in parts:
        if part in (".", "..") or (is_storable(part) and not is_visible(part)):
            raise InvalidRequest(f"{_INSTRUCTION}, without empty parts, '.' and '..'.", field="path")
        if "\\" in part or not is_storable(part) or breaks_line(part):
            raise InvalidRequest(f"{_INSTRUCTION}, without backslashes and control characters.", field="path")
        if len(part.encode()) > FILE_NAME_LIMIT:
            raise InvalidRequest(f"Each part of path has at most {FILE_NAME_LIMIT} bytes.", field="path")
    path = "/".join(parts)
    if len(path.encode()) > PATH_LIMIT:
        raise InvalidRequest(f"path has at most {PATH_LIMIT} bytes.", field="path")
    return path


def other_paths(path: str, md5: str) -> Iterator[Sequence[str]]:
    """Paths for a picture whose own path another one has, in groups: the next one if all of a group are taken."""
    for numbers in _NUMBERS:
        yield [_with_suffix(path, str(number)) for number in numbers]
    yield [_with_suffix(path, md5)]


def _with_suffix(path: str, suffix: str) -> str:
    folder, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    if not stem:  # no extension, or nothing else
        stem, dot, extension = name, "", ""
    ending = f" ({suffix}){dot}{extension}"
    room = FILE_NAME_LIMIT - len(ending.encode())
    if room > 0:
        stem = stem.encode()[:room].decode(errors="ignore")
    else:  # what follows the last dot is no extension, but most of the name
        ending = f" ({suffix})"
        stem = name.encode()[: FILE_NAME_LIMIT - len(ending)].decode(errors="ignore")
    return f"{folder}{slash}{stem}{ending}"
