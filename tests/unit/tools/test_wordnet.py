"""WordNet's files are parsed as wndb(5WN) describes them."""

from pathlib import Path

import pytest

from tools.lite.wordnet import WordNet

DATA = """\
  1 This software and database is being provided to you
00001740 03 n 01 entity 0 000 | that which is perceived to exist
00002000 03 n 02 living_thing 0 animate_thing 0 001 @ 00001740 n 0000 | a living entity
00003000 05 n 01 animal 0 001 @ 00002000 n 0000 | a living organism
00004000 05 n 02 pet 0 favourite 1 002 @ 00003000 n 0000 ~ 00005000 n 0000 | a tame animal; "my pet"
00005000 05 n 01 house_cat 0 003 @ 00004000 n 0000 @ 00003000 n 0000 + 00001000 v 0101 | a cat that lives in a house
"""
INDEX = """\
  1 This software and database is being provided to you
house_cat n 1 1 @ 1 0 00005000
pet n 2 2 @ ~ 2 1 00004000 00002000
"""


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    (tmp_path / "data.noun").write_text(DATA, "latin-1")
    (tmp_path / "index.noun").write_text(INDEX, "latin-1")
    return WordNet(tmp_path)


def test_a_synset_has_its_lemmas_file_gloss_and_hypernyms(wordnet: WordNet) -> None:
    cat = wordnet.synsets["n00005000"]
    assert (cat.lemmas, cat.file, cat.gloss) == (("house cat",), 5, "a cat that lives in a house")
    assert cat.hypernyms == ("n00004000", "n00003000")
    assert wordnet.synsets["n00004000"].lemmas == ("pet", "favourite")


def test_ancestors_have_their_least_number_of_steps(wordnet: WordNet) -> None:
    assert wordnet.ancestors("n00005000") == {"n00004000": 1, "n00003000": 1, "n00002000": 2, "n00001740": 3}
    assert wordnet.ancestors("n00001740") == {}


def test_a_word_has_its_meanings_by_frequency(wordnet: WordNet) -> None:
    assert wordnet.senses == {"house cat": ["n00005000"], "pet": ["n00004000", "n00002000"]}


def test_synsets_that_describe_nothing_are_generic(wordnet: WordNet) -> None:
    generic = [offset for offset, synset in wordnet.synsets.items() if synset.is_generic]
    assert generic == ["n00001740", "n00002000"]
