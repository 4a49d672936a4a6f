"""What is done to a text before its tokenizer sees it; each model was trained on texts cleaned in its own way."""

import html
import re
import string

# Far beyond any context length; what a tokenizer would throw away anyway need not be cleaned and tokenized first.
MAX_CHARACTERS = 10_000

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def clean(text: str, how: str) -> str:
    """A text as the model was trained to read it; `how` is the card's `clean`, see models.toml.

    'repair' is open_clip's `basic_clean`, 'canonical' its `canonicalize_text` after that:
    https://github.com/mlfoundations/open_clip/blob/main/src/open_clip/tokenizer.py
    """
    # A lone surrogate is legal in JSON and in Python, and in no tokenizer.
    text = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    if how == "none":
        return text
    text = _repair(text)
    if how == "canonical":
        return re.sub(r"\s+", " ", text.replace("_", " ").translate(_PUNCTUATION).lower()).strip()
    return text


def _repair(text: str) -> str:
    # Most queries are plain words: there is nothing to mend, and ftfy need not be imported (20 ms of a cold start).
    if text.isascii() and text.isprintable() and "&" not in text:
        return text.strip()
    import ftfy  # noqa: PLC0415 - see above

    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()
