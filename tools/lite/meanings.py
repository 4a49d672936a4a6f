"""Where classes and texts lie in the teacher's space, drawn towards what they are kinds of."""

from collections.abc import Callable

import numpy as np

from tools.lite.corpus import TEMPLATES, Corpus
from tools.lite.imagenet import Class
from tools.lite.teacher import Array, Teacher, unit
from tools.lite.wordnet import WordNet

SYNONYMS = 0.5  # all together, against 1 for the first name
KINDS, KINDS_DECAY = 1.5, 0.7
DESCRIPTION = 0.5
TEXT_KINDS = 0.5


def prototypes(classes: list[Class], wordnet: WordNet, teacher: Teacher) -> Array:
    """A unit vector [384] for each class."""

    def named(name: str) -> Array:
        return unit(sum((teacher[template.format(name)] for template in TEMPLATES), np.zeros(1, np.float32)))

    found = []
    for each in classes:
        vector = named(each.names[0])
        for name in each.names[1:]:
            vector = vector + np.float32(SYNONYMS / max(1, len(each.names) - 1)) * named(name)
        vector = unit(vector)
        kinds = _kinds(each.offset, wordnet, named)
        if kinds is not None:
            vector = vector + np.float32(KINDS) * kinds
        found.append(unit(vector + DESCRIPTION * teacher[each.description]))
    return np.stack(found)


def targets(corpus: Corpus, wordnet: WordNet, teacher: Teacher) -> Array:
    """A vector [384] for each example: the teacher's, drawn towards what the text's meaning is a kind of."""
    kinds: dict[str, Array | None] = {}
    found = []
    for example in corpus.examples:
        vector = teacher[example.text]
        if example.offset is not None:
            if example.offset not in kinds:
                kinds[example.offset] = _kinds(example.offset, wordnet, teacher.__getitem__)
            above = kinds[example.offset]
            if above is not None:
                vector = unit(vector + TEXT_KINDS * above)
        found.append(vector)
    return np.stack(found).astype(np.float32)


def _kinds(offset: str, wordnet: WordNet, embed: Callable[[str], Array]) -> Array | None:
    """The unit sum of a meaning's ancestors, nearer ones counting more; None where all are generic."""
    vector = None
    for above, depth in wordnet.ancestors(offset).items():
        synset = wordnet.synsets[above]
        if not synset.is_generic:
            share = KINDS_DECAY ** (depth - 1) * unit(
                sum((embed(lemma) for lemma in synset.lemmas[:3]), np.zeros(1, np.float32))
            )
            vector = share if vector is None else vector + share
    return None if vector is None else unit(vector)
