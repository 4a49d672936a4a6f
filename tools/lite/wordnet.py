"""The nouns of WordNet 3.0 and their hypernyms. File format: wndb(5WN)."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

# Numbers of lexicographer files, lexnames(5WN): things that can be photographed; of these, the ones that are the main
# subject of photographs; of these, animals, artifacts, food and plants, whose words get tokens of their own.
PHYSICAL_FILES = frozenset({5, 6, 8, 13, 14, 15, 17, 18, 19, 20, 25, 27})
PICTURED_FILES = (5, 6, 13, 20, 17, 8, 19)
VOCABULARY_FILES = (5, 6, 13, 20)

# Ancestors that describe nothing.
GENERIC_LEMMAS = frozenset(
    "entity/physical entity/object/whole/living thing/organism/matter/artifact/instrumentality/chordate/solid"
    "/abstraction/placental/physical object/causal agent/thing/natural object/unit".split("/")
)


@dataclass(frozen=True)
class Synset:
    """One meaning: its words, its lexicographer file, its gloss and the offsets of its hypernyms."""

    lemmas: tuple[str, ...]
    file: int
    gloss: str
    hypernyms: tuple[str, ...]

    @property
    def is_generic(self) -> bool:
        return self.lemmas[0] in GENERIC_LEMMAS


class WordNet:
    """The nouns, by offset such as `n02121620`."""

    def __init__(self, folder: Path) -> None:
        self.synsets = dict(map(_synset, _lines(folder / "data.noun")))
        self.senses = dict(map(_senses, _lines(folder / "index.noun")))
        """Lemma to the offsets of its meanings, most frequent first."""

    def ancestors(self, offset: str) -> dict[str, int]:
        """Return all hypernyms of a meaning, each with the least number of steps up to it, nearest first."""
        depths: dict[str, int] = {}
        queue = deque([(offset, 0)])
        while queue:
            current, depth = queue.popleft()
            for hypernym in self.synsets[current].hypernyms:
                if hypernym not in depths or depths[hypernym] > depth + 1:
                    depths[hypernym] = depth + 1
                    queue.append((hypernym, depth + 1))
        return depths


def _lines(path: Path) -> list[str]:
    # The licence at the top is indented.
    return [line for line in path.read_text("latin-1").splitlines() if not line.startswith("  ")]


def _synset(line: str) -> tuple[str, Synset]:
    data, gloss = line.split(" | ", 1)
    fields = data.split()
    word_count = int(fields[3], 16)
    lemmas = tuple(fields[4 + 2 * number].replace("_", " ") for number in range(word_count))
    first = 4 + 2 * word_count
    pointers = [fields[first + 1 + 4 * number : first + 5 + 4 * number] for number in range(int(fields[first]))]
    hypernyms = tuple(f"n{target}" for symbol, target, kind, _ in pointers if symbol in ("@", "@i") and kind == "n")
    return f"n{fields[0]}", Synset(lemmas, int(fields[1]), gloss.strip(), hypernyms)


def _senses(line: str) -> tuple[str, list[str]]:
    fields = line.split()
    return fields[0].replace("_", " "), [f"n{offset}" for offset in fields[-int(fields[2]) :]]
