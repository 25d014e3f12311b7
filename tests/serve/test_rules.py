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
