"""Searches that the empty page offers, made of the names of the account's own pictures."""

import re
from collections.abc import Iterable

from chalicelib.dashboard.texts import text

SUGGESTIONS = 4
FROM_NAMES = 3
# Words with which cameras and programs name files say nothing about a picture.
_CAMERA_WORDS = re.compile(
    r"\b(?:img|images?|dscn?|dscf|pxl|photos?|pictures?|pics?|scan|screen(?:shot)?|shot|whatsapp|copy|final|edit(?:ed)?"
    r"|web|export|small|large|thumb(?:nail)?|untitled|file|jpe?g|png)\b",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+")


def sample_texts() -> list[str]:
    """Texts that find several of the samples before chance begins, with the model that a local system has at first.

    tests/e2e/test_pages.py searches with them.
    """
    return [text(f"search.sample_{number}") for number in range(1, SUGGESTIONS + 1)]


def suggested_texts(keys: Iterable[str]) -> list[str]:
    """Up to four texts: those that names of files are, ``red panda`` of ``red-panda.jpg``, then usual ones."""
    named = [_text_of(key) for key in keys]
    own = list(dict.fromkeys(each for each in named if each))[:FROM_NAMES]
    usual = [text(f"search.suggestion_{number}") for number in range(1, SUGGESTIONS + 1)]
    return (own + usual)[:SUGGESTIONS]


def _text_of(key: str) -> str | None:
    """What the name of a file says in one to four words, if it is made of nothing else."""
    stem = key.rpartition("/")[2].rpartition(".")[0]
    words = _WORDS.findall(stem)
    is_plain = len(words) in range(1, 5) and re.fullmatch(r"[^\W\d_]+(?:[ _-][^\W\d_]+)*", stem) is not None
    if not is_plain or len(stem) > 40 or len(max(words, key=len)) < 3:
        return None
    said = " ".join(word.lower() for word in words)
    return None if _CAMERA_WORDS.search(said) else said
