"""Finding files without comparing pictures: sorted by what is known of them, or by how well their names match words."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.domain.file_facts import FileFacts
from chalicelib.domain.filters import Filter
from chalicelib.domain.name_words import file_words
from chalicelib.domain.vectors import NO_FILTER, FileSummary

# Of one word: in the name itself, in a folder's name, at the beginning of a word of the name, or of a folder's name.
NAME_SCORES = (4, 3, 2, 1)
MIN_PREFIX = 2  # characters; one character is found as a word by itself alone
MAX_WORDS = 16  # of a query; further ones are left out

# Where a file stands: its value, None where that is not known, and its uuid.
FilePosition = tuple[int | str | None, str]


class MatchBy(StrEnum):
    """What a text is compared with: pictures, names of files, or both."""

    CONTENT = "content"
    NAME = "name"
    BOTH = "both"


class Order(StrEnum):
    """By what files are sorted; ``MATCH`` is how well their names match."""

    PATH = "path"
    SIZE = "size"
    MODIFIED = "modified"
    TAKEN = "taken"
    MATCH = "match"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileQuery:
    """Asks for files of one account that have a vector of one model version.

    Files of unknown value come last in either direction; files of equal value are ordered by uuid.

    Args:
        collections: only files of these collections; None means all of the account.
        words: as ``name_words.query_words`` has them; a file must match each. Empty unless ``order`` is ``MATCH``.
        after: the position of the last file of the previous page.
    """

    account: str
    model: str
    limit: int
    order: Order
    descending: bool = False
    collections: tuple[str, ...] | None = None
    filter: Filter = NO_FILTER
    words: tuple[str, ...] = ()
    after: FilePosition | None = None

    def position(self, uuid: str, facts: FileFacts) -> FilePosition:
        """Where a file stands that the query finds."""
        if self.order is Order.MATCH:
            return name_score(facts.path, self.words), uuid
        return getattr(facts, self.order.value), uuid

    def follows(self, position: FilePosition) -> bool:
        """Whether a position is behind the previous page."""
        if self.after is None:
            return True
        (value, uuid), (last, last_uuid) = position, self.after
        if value == last:
            return uuid > last_uuid
        if value is None or last is None:
            return value is None
        return (value < last) is self.descending  # type: ignore[operator]  # of one kind

    def in_order(self, files: Iterable["FoundFile"]) -> list["FoundFile"]:
        """Files of the query in its order."""
        by_uuid = sorted(files, key=lambda file: file.uuid)
        known = [file for file in by_uuid if file.position[0] is not None]
        known.sort(key=lambda file: file.position[0], reverse=self.descending)  # type: ignore[arg-type,return-value]
        return known + [file for file in by_uuid if file.position[0] is None]


@dataclass(frozen=True, slots=True)
class FoundFile:
    uuid: str
    file: FileSummary
    position: FilePosition


def name_score(path: str, words: tuple[str, ...]) -> int:
    """Returns how well a path matches words; 0 if it does not match each of them."""
    folder, _, name = path.rpartition("/")
    of_name, of_folder = file_words(name), file_words(folder)
    scores = [_word_score(word, of_name, of_folder) for word in words]
    return sum(scores) if all(scores) else 0


def _word_score(word: str, of_name: tuple[str, ...], of_folder: tuple[str, ...]) -> int:
    in_name, in_folder, begins_name, begins_folder = NAME_SCORES
    if word in of_name:
        return in_name
    if word in of_folder:
        return in_folder
    if len(word) < MIN_PREFIX:
        return 0
    if any(each.startswith(word) for each in of_name):
        return begins_name
    return begins_folder if any(each.startswith(word) for each in of_folder) else 0
