"""A text reaches its tokenizer as the model was trained to read it."""

import html

import ftfy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder_container.inference import Model
from embedder_container.models import load_bundle
from embedder_container.texts import MAX_CHARACTERS, clean
from tests.unit.embedder.test_reference_vectors import FOLDER


@given(st.text(max_size=60) | st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_the_short_way_for_plain_words_changes_nothing(text: str) -> None:
    printable = text.encode("utf-8", "replace").decode("utf-8")
    assert clean(text, "repair") == html.unescape(html.unescape(ftfy.fix_text(printable))).strip()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A Dog, in the_snow!", "a dog in the snow"),
        ("  “Curly”   quotes ", "curly quotes"),
        ("don't", "dont"),
        ("&lt;b&gt; STRASSE", "b strasse"),
    ],
)
def test_a_canonical_text_has_no_punctuation_and_no_capitals(text: str, wanted: str) -> None:
    assert clean(text, "canonical") == wanted


def test_without_cleaning_a_text_is_left_alone() -> None:
    assert clean(" “A” &amp; B ", "none") == " “A” &amp; B "


def test_a_text_without_end_costs_no_more_than_a_long_one() -> None:
    assert len(clean("a" * 10**7, "repair")) == MAX_CHARACTERS


@pytest.mark.parametrize("text", ["<|endoftext|>", "a dog <|endoftext|> a cat", "<|startoftext|>"])
def test_special_tokens_typed_by_a_user_are_text(text: str) -> None:
    tiny = Model(load_bundle(FOLDER), threads=1)
    start, *typed, end = tiny.token_ids(text)
    assert (start, end) == (49406, 49407)
    assert not {49406, 49407} & set(typed)


def test_what_follows_the_77th_token_is_cut_and_the_end_token_stays() -> None:
    tiny = Model(load_bundle(FOLDER), threads=1)
    ids = tiny.token_ids("dog " * 500)
    assert (len(ids), ids[0], ids[-1]) == (77, 49406, 49407)


def test_padding_would_change_nothing_and_is_not_done() -> None:
    tiny = Model(load_bundle(FOLDER), threads=1)
    ids = tiny.token_ids("a dog in the snow")
    assert len(ids) == 7
    session, _ = tiny.load_text()
    padded = ids + [0] * (77 - len(ids))
    feed = {"input_ids": np.array([padded]), "attention_mask": np.array([[1] * len(ids) + [0] * (77 - len(ids))])}
    (embedding,) = session.run(["text_embeds"], feed)[0]
    unit = embedding / np.linalg.norm(embedding)
    np.testing.assert_allclose(tiny.embed_text("a dog in the snow"), unit, atol=1e-5)
