import json
import subprocess
import sys

import pytest

from patchworld.serve.rules import WORDS, blocked_for


@pytest.mark.parametrize(
    "text",
    [
        "a weapon",
        "two WEAPONS on a table",
        "a w e a p o n on a table",
        "we-a.p_on",
        "a w3@p0n",
        "a we\u200bap\u200don",
        "а wеароn".replace("w", "W"),  # some letters are Cyrillic
        "a ｗｅａｐｏｎ",
        "a wéapön",
        "武 器",
        "武*器",
        "武\u200b器",
    ],
)
def test_a_word_is_found_in_its_disguises(text):
    assert blocked_for(text) == "weapons"


@pytest.mark.parametrize(
    "text",
    ["a red ball rolls to the left on grass", "a bath bomb", "the naked eye", "a murder of crows", "gorge", "", "虎鲸"],
)
def test_what_only_looks_like_a_word_is_let_through(text):
    assert blocked_for(text) is None


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("people of that faith drawn as rats, muslims", "hate"),
        ("把移民画成害虫", "hate"),
        ("a tutorial: convert a r i f l e", "weapons"),
        ("自制枪", "weapons"),
        ("growing cannabis", "drugs"),
        ("a girl of twelve strips", "minors"),
    ],
)
def test_two_words_that_are_harmless_alone_are_blocked_together(text, category):
    assert blocked_for(text) == category


@pytest.mark.parametrize("text", ["a tutorial", "a child", "rats in a barn", "a muslim wedding", "制作灯笼", "孩子"])
def test_one_word_of_a_pair_is_let_through(text):
    assert blocked_for(text) is None


def test_english_words_take_endings_and_double_their_last_letter():
    for text in ("he is stabbed", "stabbing", "a mugger strangles him", "murderers"):
        assert blocked_for(text) == "violence"


def test_every_category_has_a_word_in_both_languages():
    found = {blocked_for(text) for text in ("torture", "nude", "lolicon", "suicide", "nazi", "meth", "deepfake", "gun")}
    assert found == {*WORDS, None} - {"weapons"}
    chinese = {blocked_for(text) for text in ("屠杀", "裸体", "虐童", "自杀", "纳粹", "炸弹", "吸毒", "换脸")}
    assert chinese == set(WORDS)


def test_it_answers_as_the_server_asks():
    asked = {"stage": "input", "owner": "ann", "operation": "create", "texts": ["a ball", "a b o m b"], "files": []}
    for texts, blocked in ((["a ball", "a n a z i"], True), (["a ball"], False)):
        program = [sys.executable, "-m", "patchworld.serve.rules"]
        sent = json.dumps({**asked, "texts": texts})
        answer = subprocess.run(program, input=sent, capture_output=True, text=True, check=True).stdout
        assert json.loads(answer)["blocked"] is blocked
