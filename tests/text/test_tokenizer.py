"""The tokenizer takes any text, gives it back, and keeps words apart that mean things on their own."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchworld.errors import InputError, ModelError
from patchworld.text import Tokenizer, train_tokenizer

CAPTIONS = [
    "A red ball rolls behind a wall and comes out, 3 times.",
    "Two blue cubes fall to the left of the purple cylinder; the camera orbits right.",
    "红色的球滚到墙后面,又出来。",
    "蓝色的立方体在紫色的圆柱左边。红色的球。红色的立方体。",
] * 5

TOKENIZER = train_tokenizer(CAPTIONS)

ODD_TEXTS = [
    "",
    " ",
    "  two  spaces\tand\r\nlines\n",
    "\U0001f600\U0001f468‍\U0001f469‍\U0001f467 emoji",
    "كرة حمراء تتدحرج",
    "красный мяч",
    "赤いボールが転がる 빨간 공",
    " 红",
    "红 ball红",
    "<pad><begin></s> <end>",
    "café ℌ ﬁ İI",
    "\x00\x7f￿",
    "x" * 3000,
]


@pytest.mark.parametrize("text", ODD_TEXTS + CAPTIONS[:4])
def test_any_text_comes_back_from_its_tokens(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == TOKENIZER.normalise(text)


@given(st.text())
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_whatever_text_hypothesis_thinks_of_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == TOKENIZER.normalise(text)


def test_text_is_read_in_lower_case_and_composed() -> None:
    assert TOKENIZER.normalise("A Cafe\u0301") == "a café"
    assert TOKENIZER.encode("RED Ball") == TOKENIZER.encode("red ball")
    assert TOKENIZER.encode("cafe\u0301") == TOKENIZER.encode("café")


def test_halves_of_characters_are_read_as_question_marks() -> None:
    assert TOKENIZER.encode("a \ud800 ball") == TOKENIZER.encode("a ? ball")


def test_an_english_word_of_the_captions_is_one_token() -> None:
    assert TOKENIZER.pieces("red cylinder behind camera") == ["red", "cylinder", "behind", "camera"]


def test_a_word_is_the_same_token_first_and_later() -> None:
    first, later = TOKENIZER.encode("red ball, red cube"), TOKENIZER.encode("red")
    assert first[1] == first[4] == later[1]


def test_chinese_colours_are_not_fused_with_nouns() -> None:
    """红色 is in every caption together, and still its characters are tokens of their own."""
    assert TOKENIZER.pieces("红色的球") == ["红", "色", "的", "球"]
    assert TOKENIZER.pieces("赤いボール") != ["赤いボール"]
    assert TOKENIZER.encode("蓝色的球") == TOKENIZER.encode("蓝")[:2] + TOKENIZER.encode("红色的球")[2:]


def test_digits_are_split() -> None:
    assert "".join(TOKENIZER.pieces("333")) == "333"
    assert TOKENIZER.encode("333")[-3:] == TOKENIZER.encode("3")[-1:] * 3


def test_the_empty_prompt_is_the_begin_token() -> None:
    assert TOKENIZER.encode("") == [TOKENIZER.begin_id]
    assert TOKENIZER.encode("ball")[0] == TOKENIZER.begin_id


def test_special_tokens_cannot_be_typed() -> None:
    typed = TOKENIZER.encode("<pad><begin><end>")[1:]
    assert not {TOKENIZER.pad_id, TOKENIZER.begin_id, TOKENIZER.end_id} & set(typed)


def test_long_prompts_are_cut_with_a_warning_that_says_what_is_lost() -> None:
    with pytest.warns(UserWarning, match=r"of 11 tokens is cut to 4: its last 7 are not read, from 'falls and"):
        ids = TOKENIZER.encode("the red ball falls and comes to the left", max_tokens=4)
    assert ids == TOKENIZER.encode("the red ball")


def test_a_saved_tokenizer_comes_back_the_same(tmp_path) -> None:
    TOKENIZER.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.to_json() == TOKENIZER.to_json()
    for text in ODD_TEXTS + CAPTIONS:
        assert loaded.encode(text) == TOKENIZER.encode(text)


def test_a_tokenizer_can_be_copied_and_sent_to_workers() -> None:
    for other in (copy.deepcopy(TOKENIZER), pickle.loads(pickle.dumps(TOKENIZER))):
        assert other.encode("<pad> red 球") == TOKENIZER.encode("<pad> red 球")


def test_training_is_repeatable_in_any_order_of_captions() -> None:
    assert train_tokenizer(CAPTIONS[::-1]).to_json() == TOKENIZER.to_json()


def test_the_vocabulary_keeps_to_its_size() -> None:
    assert train_tokenizer(CAPTIONS, vocab_size=300).vocab_size == 300
    assert TOKENIZER.vocab_size < 1000  # the captions need no more
    assert max(TOKENIZER.encode(" ".join(CAPTIONS))) < TOKENIZER.vocab_size
    assert train_tokenizer([], vocab_size=259).decode(train_tokenizer([]).encode("ball")) == "ball"
    with pytest.raises(InputError, match="vocab_size=100 is too small: at least 259"):
        train_tokenizer(CAPTIONS, vocab_size=100)


def test_a_tokenizer_that_is_none_is_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match="cannot read the tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer.json")
    for text in ("", "{}", "not json", '{"model": 3}'):
        with pytest.raises(ModelError, match="not a tokenizer"):
            Tokenizer.from_json(text)
