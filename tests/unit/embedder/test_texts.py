"""A text reaches its tokenizer in the form that the model was trained on."""

import html

import ftfy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder_container.inference import Model
from embedder_container.texts import MAX_TEXT_CHARACTERS, clean

START_TOKEN, END_TOKEN = 49406, 49407


@given(st.text(max_size=60) | st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_repair_equals_ftfy_even_where_plain_words_skip_it(text: str) -> None:
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    assert clean(text, "repair") == html.unescape(html.unescape(ftfy.fix_text(encodable))).strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Dog, in the_snow!", "a dog in the snow"),
        ("  “Curly”   quotes ", "curly quotes"),
        ("don't", "dont"),
        ("&lt;b&gt; STRASSE", "b strasse"),
    ],
)
def test_a_canonical_text_has_no_punctuation_and_no_capitals(text: str, expected: str) -> None:
    assert clean(text, "canonical") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Dog, in the_snow!", "A Dog in the snow"),
        ("“Curly” 'quotes' 🐶", "Curly quotes"),
        ("a dog’s well-known bone - two", "a dog's well-known bone two"),
        ("IMG_1234 3 dogs", "IMG 3 dogs"),
        ("1984", "1984"),
        ("#1984!", "1984"),
        ("ｄｏｇ", "dog"),
        ("?! 🐶", ""),
    ],
)
def test_words_are_what_is_left_of_a_text(text: str, expected: str) -> None:
    assert clean(text, "words") == expected


@given(st.text(max_size=60))
def test_cleaning_to_words_changes_nothing_the_second_time(text: str) -> None:
    words = clean(text, "words")
    assert clean(words, "words") == words


def test_the_cleaning_none_leaves_a_text_unchanged() -> None:
    assert clean(" “A” &amp; B ", "none") == " “A” &amp; B "


def test_a_text_of_ten_million_characters_is_truncated_before_it_is_cleaned() -> None:
    assert len(clean("a" * 10**7, "repair")) == MAX_TEXT_CHARACTERS


@pytest.mark.parametrize("text", ["<|endoftext|>", "a dog <|endoftext|> a cat", "<|startoftext|>"])
def test_special_tokens_in_a_users_text_are_tokenized_as_text(tiny_clip: Model, text: str) -> None:
    start, *typed, end = tiny_clip.token_ids(text)
    assert (start, end) == (START_TOKEN, END_TOKEN)
    assert not {START_TOKEN, END_TOKEN} & set(typed)


def test_a_text_is_truncated_to_77_tokens_and_keeps_its_end_token(tiny_clip: Model) -> None:
    ids = tiny_clip.token_ids("dog " * 500)
    assert (len(ids), ids[0], ids[-1]) == (77, START_TOKEN, END_TOKEN)


def test_an_unpadded_text_has_the_vector_of_the_padded_one(tiny_clip: Model) -> None:
    ids = tiny_clip.token_ids("a dog in the snow")
    assert len(ids) == 7
    session, _ = tiny_clip.load_text()
    padding = [0] * (77 - len(ids))
    feed = {"input_ids": np.array([ids + padding]), "attention_mask": np.array([[1] * len(ids) + padding])}
    (embedding,) = session.run(["text_embeds"], feed)[0]
    unit = embedding / np.linalg.norm(embedding)
    np.testing.assert_allclose(tiny_clip.embed_text("a dog in the snow"), unit, atol=1e-5)
