"""Words to be seen in pictures."""

import numpy as np

from patchworld.video.lettering import has_chinese

WORDS = (
    "a",
    "world",
    "made",
    "of",
    "spacetime",
    "patches",
    "where",
    "light",
    "falls",
    "on",
    "moving",
    "things",
    "0123456789",
    "And",
    "EVERY",
    "Frame",
    "&",
    "Path?",
)
CHINESE_WORDS = (
    "一个",
    "世界",
    "由",
    "时空",
    "碎片",
    "组成",
    "光",
    "落在",
    "移动",
    "的",
    "东西",
    "上",
    "每一帧",
    "画面",
)


def some_words(rng: np.random.Generator, count: int) -> str:
    if rng.random() < 0.3 and has_chinese():
        return "".join(rng.choice(CHINESE_WORDS, count))
    return " ".join(rng.choice(WORDS, count))
