"""The words of file names and folders, by which searches find a file by its name.

A word is a run of letters or a run of digits, without accents and without regard to case; a character of Chinese or
Japanese is a word by itself, because nothing separates words there. So ``IMG_0012 Ölberg.jpg`` has the words ``img``,
``0012``, ``olberg`` and ``jpg``. A file is also found by ``12``, and ``HolidayPhotos`` by ``photos``: files have their
numbers without leading zeros and the parts of such words, too.
"""

import re
import unicodedata

WORD_LIMIT = 64  # characters of a word; the rest of a longer one is left out
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|\d+")
_CAPITALISED = re.compile(r"(?<=[a-z])(?=[A-Z])")


def query_words(text: str) -> tuple[str, ...]:
    """Returns the words of what somebody searches for, each once, in their order."""
    return tuple(dict.fromkeys(_words(text)))


def file_words(path: str) -> tuple[str, ...]:
    """Returns the words by which a file name, or the name of a folder, is found."""
    words = _words(path)
    parts = _words(_CAPITALISED.sub(" ", path))
    numbers = [word.lstrip("0") or "0" for word in words if word.isdecimal()]
    return tuple(dict.fromkeys([*words, *parts, *numbers]))


def _words(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()
    return [word[:WORD_LIMIT] for word in _WORD.findall(plain)]
