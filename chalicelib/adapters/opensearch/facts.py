"""How documents keep what filters compare of a file, and its words: their fields and mappings, pure functions.

Paths and metadata have their account before them, so that patterns and ranges look through the terms of one account and
not through those of all.
"""

from typing import Any

from chalicelib.domain.file_facts import folders_of
from chalicelib.domain.filters import metadata_terms
from chalicelib.domain.name_words import file_words
from chalicelib.domain.vectors import VectorDocument

Json = dict[str, Any]

# From this layout on documents have these fields; an index with an older one takes documents without them.
FACTS_LAYOUT = 3
# Beginnings of words that are kept as terms: a search by a beginning is then as fast as by a word.
# https://docs.opensearch.org/latest/mappings/mapping-parameters/index-prefixes/
PREFIX_CHARACTERS = {"min_chars": 2, "max_chars": 12}
_KEYWORD: Json = {"type": "keyword"}
# Milliseconds, and no date: ranges of OpenSearch's dates go wrong before 1970, where scanned photographs are.
_TIME: Json = {"type": "long"}
_WORDS: Json = {
    "type": "text",
    "analyzer": "whitespace",
    "index_options": "docs",
    "norms": False,
    "index_prefixes": PREFIX_CHARACTERS,
}
MAPPINGS: Json = {
    "path": _KEYWORD,
    "folders": _KEYWORD,
    "format": _KEYWORD,
    "orientation": _KEYWORD,
    "size": {"type": "long"},
    "width": {"type": "long"},
    "height": {"type": "long"},
    "modified": _TIME,
    "taken": _TIME,
    "metadata": _KEYWORD,
    "name_words": _WORDS,
    "folder_words": _WORDS,
}


def path_term(account: str, path: str) -> str:
    """Returns how a path, or the beginning of one, is written in a document's ``path``."""
    return f"{account}/{path}"


def metadata_term(account: str, term: str) -> str:
    """Returns how a term of metadata is written in a document's ``metadata``."""
    return f"{account}/{term}"


def fields(document: VectorDocument) -> Json:
    """Returns the fields of a document that searches filter and sort by; None stands for what is not known."""
    facts = document.file.facts
    folder, _, name = facts.path.rpartition("/")
    return {
        "path": path_term(document.account, facts.path),
        "folders": folders_of(facts.path),
        "format": facts.format,
        "orientation": facts.orientation.value,
        "size": facts.size,
        "width": facts.width,
        "height": facts.height,
        "modified": facts.modified,
        "taken": facts.taken,
        "metadata": [metadata_term(document.account, term) for term in metadata_terms(facts.metadata)],
        "name_words": " ".join(file_words(name)),
        "folder_words": " ".join(file_words(folder)),
    }
