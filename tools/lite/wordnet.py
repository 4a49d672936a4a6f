"""The nouns of WordNet 3.0 and what they are kinds of. File format: wndb(5WN)."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

# lexnames(5WN): what can be photographed, and of that, what stands alone in pictures
PHYSICAL = frozenset({5, 6, 8, 13, 14, 15, 17, 18, 19, 20, 25, 27})
PICTURED = (5, 6, 13, 20, 17, 8, 19)
LIVING_AND_MADE = (5, 6, 13, 20)

# Ancestors that say nothing of a thing.
GENERIC = frozenset(
    "entity/physical entity/object/whole/living thing/organism/matter/artifact/instrumentality/chordate/solid"
    "/abstraction/placental/physical object/causal agent/thing/natural object/unit".split("/")
)


@dataclass(frozen=True)
class Synset:
    """One meaning: its words, its lexicographer file, its gloss and what it is a kind of (offsets)."""

    lemmas: tuple[str, ...]
    file: int
    gloss: str
    hypernyms: tuple[str, ...]

    @property
    def is_generic(self) -> bool:
        return self.lemmas[0] in GENERIC


class WordNet:
    """Nouns only, by offset, such as `n02121620`."""

    def __init__(self, folder: Path) -> None:
        self.synsets = dict(map(_synset, _lines(folder / "data.noun")))
        self.senses = dict(map(_senses, _lines(folder / "index.noun")))
        """Lemma to the offsets of its meanings, most frequent first."""

    def ancestors(self, offset: str) -> dict[str, int]:
        """What a meaning is a kind of, each with the least number of steps up to it, nearest first."""
        found: dict[str, int] = {}
        ahead = deque([(offset, 0)])
        while ahead:
            at, depth = ahead.popleft()
            for above in self.synsets[at].hypernyms:
                if above not in found or found[above] > depth + 1:
                    found[above] = depth + 1
                    ahead.append((above, depth + 1))
        return found


def _lines(path: Path) -> list[str]:
    # The licence at the top is indented.
    return [line for line in path.read_text("latin-1").splitlines() if not line.startswith("  ")]


def _synset(line: str) -> tuple[str, Synset]:
    data, gloss = line.split(" | ", 1)
    fields = data.split()
    words = int(fields[3], 16)
    lemmas = tuple(fields[4 + 2 * number].replace("_", " ") for number in range(words))
    first = 4 + 2 * words
    pointers = [fields[first + 1 + 4 * number : first + 5 + 4 * number] for number in range(int(fields[first]))]
    hypernyms = tuple(f"n{target}" for symbol, target, kind, _ in pointers if symbol in ("@", "@i") and kind == "n")
    return f"n{fields[0]}", Synset(lemmas, int(fields[1]), gloss.strip(), hypernyms)


def _senses(line: str) -> tuple[str, list[str]]:
    fields = line.split()
    return fields[0].replace("_", " "), [f"n{offset}" for offset in fields[-int(fields[2]) :]]
