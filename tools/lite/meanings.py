"""Vectors of classes and texts in the teacher's space, moved towards their WordNet ancestors."""

from collections.abc import Callable

import numpy as np

from tools.lite.corpus import CLASS_NAME_TEMPLATES, Corpus
from tools.lite.imagenet import ImageClass
from tools.lite.teacher import Array, Teacher, unit
from tools.lite.wordnet import WordNet

SYNONYMS_WEIGHT = 0.5  # of all synonyms together, against 1 for the first name
CLASS_ANCESTORS_WEIGHT, TEXT_ANCESTORS_WEIGHT = 1.5, 0.5
ANCESTOR_DECAY = 0.7  # of an ancestor's weight, for each step up
DESCRIPTION_WEIGHT = 0.5


def embed_classes(classes: list[ImageClass], wordnet: WordNet, teacher: Teacher) -> Array:
    """Return a unit vector [384] for each class."""

    def embed_name(name: str) -> Array:
        return unit(sum((teacher[template.format(name)] for template in CLASS_NAME_TEMPLATES), np.zeros(1, np.float32)))

    vectors = []
    for image_class in classes:
        first_name, *synonyms = image_class.names
        vector = embed_name(first_name)
        for name in synonyms:
            vector = vector + np.float32(SYNONYMS_WEIGHT / max(1, len(synonyms))) * embed_name(name)
        vector = unit(vector)
        ancestors = _embed_ancestors(image_class.offset, wordnet, embed_name)
        if ancestors is not None:
            vector = vector + np.float32(CLASS_ANCESTORS_WEIGHT) * ancestors
        vectors.append(unit(vector + DESCRIPTION_WEIGHT * teacher[image_class.description]))
    return np.stack(vectors)


def embed_examples(corpus: Corpus, wordnet: WordNet, teacher: Teacher) -> Array:
    """Return a vector [384] for each example: the teacher's, moved towards the ancestors of the text's meaning."""
    ancestors: dict[str, Array | None] = {}
    vectors = []
    for example in corpus.examples:
        vector = teacher[example.text]
        if example.offset is not None:
            if example.offset not in ancestors:
                ancestors[example.offset] = _embed_ancestors(example.offset, wordnet, teacher.__getitem__)
            ancestor_vector = ancestors[example.offset]
            if ancestor_vector is not None:
                vector = unit(vector + TEXT_ANCESTORS_WEIGHT * ancestor_vector)
        vectors.append(vector)
    return np.stack(vectors).astype(np.float32)


def _embed_ancestors(offset: str, wordnet: WordNet, embed: Callable[[str], Array]) -> Array | None:
    """Return the unit sum of a meaning's ancestors, nearer ones weighted more; None if all are generic."""
    vector = None
    for ancestor, depth in wordnet.ancestors(offset).items():
        synset = wordnet.synsets[ancestor]
        if not synset.is_generic:
            weighted = ANCESTOR_DECAY ** (depth - 1) * unit(
                sum((embed(lemma) for lemma in synset.lemmas[:3]), np.zeros(1, np.float32))
            )
            vector = weighted if vector is None else vector + weighted
    return None if vector is None else unit(vector)
