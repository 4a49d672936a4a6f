"""Cleans a text before it is tokenized; each model was trained on texts that were cleaned in its own way."""

import html
import re
import string
import unicodedata

# Far beyond any context length: a longer text would be cleaned and tokenized only to be truncated.
MAX_TEXT_CHARACTERS = 10_000

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NO_WORD = re.compile(r"[^\w\s'-]|_|(?<!\w)['-]+|['-]+(?!\w)")
_LONG_NUMBER = re.compile(r"\d{3,}")


def clean(text: str, cleaning: str) -> str:
    """Return a text as the model was trained to read it; `cleaning` is the description's, see models.toml.

    'words' keeps words, hyphens and apostrophes within them, and short numbers: a small model takes what is left, such
    as quotes, emoji and the number of a file, for a meaning. Longer numbers stay where there is nothing else.
    'repair' is open_clip's `basic_clean`, 'canonical' its `canonicalize_text` after that:
    https://github.com/mlfoundations/open_clip/blob/main/src/open_clip/tokenizer.py
    """
    # A lone surrogate is legal in JSON and in Python, but no tokenizer accepts it.
    text = text[:MAX_TEXT_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    if cleaning == "none":
        return text
    if cleaning == "words":
        words = _NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).replace("’", "'")).split()
        return " ".join([word for word in words if not _LONG_NUMBER.fullmatch(word)] or words)
    text = _repair(text)
    if cleaning == "canonical":
        return re.sub(r"\s+", " ", text.replace("_", " ").translate(_PUNCTUATION).lower()).strip()
    return text


def _repair(text: str) -> str:
    # Most queries are plain words that need no repair, and importing ftfy takes 20 ms of a cold start.
    if text.isascii() and text.isprintable() and "&" not in text:
        return text.strip()
    import ftfy  # noqa: PLC0415 - see above

    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()
