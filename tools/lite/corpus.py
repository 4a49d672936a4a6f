"""The texts that the text half is trained on: words, phrases as people search with, and glosses."""

import random
import re
from dataclasses import dataclass

from tools.lite.imagenet import Class
from tools.lite.teacher import plain_words
from tools.lite.wordnet import PHYSICAL, PICTURED, WordNet

COLOURS = "red green blue yellow black white brown orange purple pink gray golden silver colorful".split()
QUALITIES = (
    "big small old young wooden wild striped spotted cute tall round long shiny empty sliced flying sitting sleeping"
    " running swimming toy ripe fresh broken vintage modern baby male female"
).split()
PLACES = (
    "on a table/in the grass/in the water/on a white background/in the sky/on the street/in a park/in the forest"
    "/on the beach/in the snow/at night/in the garden/with a person/in a kitchen"
).split("/")
PHRASES = (
    "a photo of a {}/a {}/{}/the {}/a picture of a {}/two {}s/{}s/some {}/a close-up of a {}/photo of {}/an image of {}"
).split("/")
# How the names of classes are put to the teacher.
TEMPLATES = ("{}", "a photo of a {}", "a {}")

CLASS_PHRASES, ANCESTOR_PHRASES, WORD_PHRASES = 8, 6, 12_000
GLOSSES, GLOSS_CHARACTERS = 9_000, 90
# Weights in the loss.
KEY_WORD, WORD, PHRASE, GLOSS, PIECE = 3.0, 1.0, 1.0, 0.5, 0.3


@dataclass(frozen=True)
class Example:
    """A text, what it means (an offset of WordNet's, where that is known) and how much it counts."""

    text: str
    offset: str | None
    weight: float


@dataclass(frozen=True)
class Corpus:
    examples: list[Example]
    ancestors: list[str]  # of all the classes, sorted
    key_offsets: frozenset[str]  # the classes and their ancestors

    def texts(self, wordnet: WordNet, classes: list[Class]) -> set[str]:
        """All that the teacher must have embedded: the examples, the classes' names, their ancestors, descriptions."""
        named = [name for each in classes for name in each.names]
        named += [lemma for offset in self.ancestors for lemma in wordnet.synsets[offset].lemmas]
        needed = {template.format(name) for name in named for template in TEMPLATES}
        needed |= {each.description for each in classes} | {example.text for example in self.examples}
        above = {offset for each in self.examples if each.offset for offset in wordnet.ancestors(each.offset)}
        return needed | {lemma for offset in above for lemma in wordnet.synsets[offset].lemmas[:3]}


def corpus(wordnet: WordNet, classes: list[Class], seed: int = 0) -> Corpus:
    """The same texts for the same seed."""
    chance = random.Random(seed)
    ancestors = sorted({offset for each in classes for offset in wordnet.ancestors(each.offset)})
    words = _physical_words(wordnet)
    labels = [(name, each.offset) for each in classes for name in each.label_names]
    above = [(lemma, offset) for offset in ancestors for lemma in wordnet.synsets[offset].lemmas]
    key_offsets = frozenset({offset for _, offset in labels} | set(ancestors))
    single = [pair for pair in words if re.fullmatch("[a-z]+", pair[0]) and wordnet.synsets[pair[1]].file in PICTURED]
    # Drawn before the phrases are made, as the shipped model's were.
    drawn = labels * CLASS_PHRASES + above * ANCESTOR_PHRASES + chance.sample(single, WORD_PHRASES)
    phrases = {}
    for lemma, offset in drawn:
        text = _phrase(lemma, chance)
        phrases[text] = offset
    examples = [Example(text, at, KEY_WORD if at in key_offsets else WORD) for text, at in words]
    examples += [Example(text, at, PHRASE) for text, at in phrases.items()]
    examples += [Example(text, at, GLOSS) for text, at in _glosses(wordnet, key_offsets, chance)]
    examples += [Example(word, None, PIECE) for word in plain_words()]
    return Corpus(examples, ancestors, key_offsets)


def _physical_words(wordnet: WordNet) -> list[tuple[str, str]]:
    """Each noun that can mean something physical, with its most frequent such meaning."""
    found = []
    for lemma, offsets in wordnet.senses.items():
        physical = next((offset for offset in offsets if wordnet.synsets[offset].file in PHYSICAL), None)
        if lemma[0].isalpha() and physical is not None:
            found.append((lemma, physical))
    return found


def _phrase(lemma: str, chance: random.Random) -> str:
    share = chance.random()
    quality = f"{chance.choice(COLOURS)} " if share < 0.35 else f"{chance.choice(QUALITIES)} " if share < 0.6 else ""
    text = chance.choice(PHRASES).format(quality + lemma)
    return f"{text} {chance.choice(PLACES)}" if chance.random() < 0.25 else text


def _glosses(wordnet: WordNet, key_offsets: frozenset[str], chance: random.Random) -> list[tuple[str, str]]:
    found = [
        (synset.gloss.split(";")[0][:GLOSS_CHARACTERS], offset)
        for offset, synset in wordnet.synsets.items()
        if synset.file in PICTURED and synset.lemmas[0][0].islower()
    ]
    chance.shuffle(found)
    others = [gloss for gloss in found if gloss[1] not in key_offsets]
    return [gloss for gloss in found if gloss[1] in key_offsets] + others[:GLOSSES]
