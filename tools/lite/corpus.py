"""The texts that the text encoder is trained on: words, phrases as people search with, and glosses."""

import random
import re
from dataclasses import dataclass

from tools.lite.imagenet import ImageClass
from tools.lite.teacher import whole_words
from tools.lite.wordnet import PHYSICAL_FILES, PICTURED_FILES, WordNet

COLOUR_WORDS = "red green blue yellow black white brown orange purple pink gray golden silver colorful".split()
QUALITY_WORDS = (
    "big small old young wooden wild striped spotted cute tall round long shiny empty sliced flying sitting sleeping"
    " running swimming toy ripe fresh broken vintage modern baby male female"
).split()
PLACE_PHRASES = (
    "on a table/in the grass/in the water/on a white background/in the sky/on the street/in a park/in the forest"
    "/on the beach/in the snow/at night/in the garden/with a person/in a kitchen"
).split("/")
PHRASE_TEMPLATES = (
    "a photo of a {}/a {}/{}/the {}/a picture of a {}/two {}s/{}s/some {}/a close-up of a {}/photo of {}/an image of {}"
).split("/")
# The teacher embeds the name of a class in each of these.
CLASS_NAME_TEMPLATES = ("{}", "a photo of a {}", "a {}")

PHRASES_PER_CLASS_NAME, PHRASES_PER_ANCESTOR, PHRASES_OF_OTHER_WORDS = 8, 6, 12_000
OTHER_GLOSSES, MAX_GLOSS_CHARACTERS = 9_000, 90
# Weights in the loss.
KEY_WORD_WEIGHT, WORD_WEIGHT, PHRASE_WEIGHT, GLOSS_WEIGHT, PIECE_WEIGHT = 3.0, 1.0, 1.0, 0.5, 0.3
# How often a phrase has a colour, a colour or another quality, and a place.
COLOUR_SHARE, QUALITY_SHARE, PLACE_SHARE = 0.35, 0.6, 0.25


@dataclass(frozen=True)
class Example:
    """A text, its meaning (an offset of WordNet's, if known) and its weight in the loss."""

    text: str
    offset: str | None
    weight: float


@dataclass(frozen=True)
class Corpus:
    examples: list[Example]
    ancestors: list[str]  # of all the classes, sorted
    key_offsets: frozenset[str]  # the classes and their ancestors

    def teacher_texts(self, wordnet: WordNet, classes: list[ImageClass]) -> set[str]:
        """Return all texts that the teacher must embed: examples, names of classes and ancestors, descriptions."""
        names = [name for image_class in classes for name in image_class.names]
        names += [lemma for offset in self.ancestors for lemma in wordnet.synsets[offset].lemmas]
        texts = {template.format(name) for name in names for template in CLASS_NAME_TEMPLATES}
        texts |= {image_class.description for image_class in classes} | {example.text for example in self.examples}
        ancestors = {
            offset for example in self.examples if example.offset for offset in wordnet.ancestors(example.offset)
        }
        return texts | {lemma for offset in ancestors for lemma in wordnet.synsets[offset].lemmas[:3]}


def build_corpus(wordnet: WordNet, classes: list[ImageClass], seed: int = 0) -> Corpus:
    """Return the training texts; the same seed gives the same texts."""
    rng = random.Random(seed)
    ancestors = sorted({offset for image_class in classes for offset in wordnet.ancestors(image_class.offset)})
    words = _physical_words(wordnet)
    class_names = [(name, image_class.offset) for image_class in classes for name in image_class.label_names]
    ancestor_names = [(lemma, offset) for offset in ancestors for lemma in wordnet.synsets[offset].lemmas]
    key_offsets = frozenset({offset for _, offset in class_names} | set(ancestors))
    single_words = [
        (word, offset)
        for word, offset in words
        if re.fullmatch("[a-z]+", word) and wordnet.synsets[offset].file in PICTURED_FILES
    ]
    # Drawn before the phrases are made, as it was for the shipped model: the order decides the random numbers.
    phrase_words = (
        class_names * PHRASES_PER_CLASS_NAME
        + ancestor_names * PHRASES_PER_ANCESTOR
        + rng.sample(single_words, PHRASES_OF_OTHER_WORDS)
    )
    phrases = {}
    for lemma, offset in phrase_words:
        text = _make_phrase(lemma, rng)
        phrases[text] = offset
    examples = [
        Example(text, offset, KEY_WORD_WEIGHT if offset in key_offsets else WORD_WEIGHT) for text, offset in words
    ]
    examples += [Example(text, offset, PHRASE_WEIGHT) for text, offset in phrases.items()]
    examples += [Example(text, offset, GLOSS_WEIGHT) for text, offset in _glosses(wordnet, key_offsets, rng)]
    examples += [Example(word, None, PIECE_WEIGHT) for word in whole_words()]
    return Corpus(examples, ancestors, key_offsets)


def _physical_words(wordnet: WordNet) -> list[tuple[str, str]]:
    """Return each noun that can mean something physical, with its most frequent such meaning."""
    words = []
    for lemma, offsets in wordnet.senses.items():
        physical = next((offset for offset in offsets if wordnet.synsets[offset].file in PHYSICAL_FILES), None)
        if lemma[0].isalpha() and physical is not None:
            words.append((lemma, physical))
    return words


def _make_phrase(lemma: str, rng: random.Random) -> str:
    draw = rng.random()
    quality = ""
    if draw < COLOUR_SHARE:
        quality = f"{rng.choice(COLOUR_WORDS)} "
    elif draw < QUALITY_SHARE:
        quality = f"{rng.choice(QUALITY_WORDS)} "
    text = rng.choice(PHRASE_TEMPLATES).format(quality + lemma)
    return f"{text} {rng.choice(PLACE_PHRASES)}" if rng.random() < PLACE_SHARE else text


def _glosses(wordnet: WordNet, key_offsets: frozenset[str], rng: random.Random) -> list[tuple[str, str]]:
    """Return the first part of each gloss with its offset: all of the key offsets, and OTHER_GLOSSES others."""
    glosses = [
        (synset.gloss.split(";")[0][:MAX_GLOSS_CHARACTERS], offset)
        for offset, synset in wordnet.synsets.items()
        if synset.file in PICTURED_FILES and synset.lemmas[0][0].islower()
    ]
    rng.shuffle(glosses)
    others = [gloss for gloss in glosses if gloss[1] not in key_offsets]
    return [gloss for gloss in glosses if gloss[1] in key_offsets] + others[:OTHER_GLOSSES]
