"""What a scene is called, in English and in Chinese, short and detailed. A caption says only what is true.

Left, right, in front and behind are as the camera sees them at the start of the clip. A camera that moves and a cut are
always mentioned, so a caption that is silent about them means a still camera and one shot.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from patchworld.playroom.scene import Prop, Scene, Thing

NUMBERS = {2: "two", 3: "three"}
LIGHT_WORDS = {"day": ("by day", "in daylight"), "sunset": ("at sunset",), "night": ("at night",)}
SKY_WORDS = {"day": "The sky is blue.", "sunset": "The sky is orange.", "night": "The sky is dark."}

COLOURS_ZH = {
    "red": "红色",
    "green": "绿色",
    "blue": "蓝色",
    "yellow": "黄色",
    "purple": "紫色",
    "orange": "橙色",
    "white": "白色",
    "black": "黑色",
}
SHAPES_ZH = {"ball": "球", "cube": "立方体", "cylinder": "圆柱"}
NUMBERS_ZH = {1: "一个", 2: "两个", 3: "三个"}
GROUNDS_ZH = {"grass": "草地上", "sand": "沙地上", "stone": "石地上", "snow": "雪地上"}
LIGHTS_ZH = {"day": "白天", "sunset": "日落时", "night": "夜晚"}
SKY_ZH = {"day": "天空是蓝色的。", "sunset": "天空是橙色的。", "night": "天空很暗。"}
RELATIONS_ZH = {
    "to the left of": "左边",
    "to the right of": "右边",
    "in front of": "前面",
    "behind": "后面",
    "on top of": "上面",
}
CAMERAS_ZH = {
    "orbits left": "镜头向左环绕",
    "orbits right": "镜头向右环绕",
    "moves in": "镜头推近",
    "moves out": "镜头拉远",
    "pans left": "镜头向左摇",
    "pans right": "镜头向右摇",
}
CUTS_ZH = {"from the left": "左侧视角", "from the right": "右侧视角", "from above": "俯视视角", "from close up": "近景"}
ACTIONS_EN = {
    "push left": "pushed to the left",
    "push right": "pushed to the right",
    "push away": "pushed away",
    "push towards": "pushed towards the camera",
}
ACTIONS_ZH = {
    "push left": "被向左推",
    "push right": "被向右推",
    "push away": "被推远",
    "push towards": "被推近",
    "jump": "跳起",
}


@dataclass(frozen=True)
class Caption:
    """A sentence about a clip: `language` is "en" or "zh", `detail` is "short", "detailed" or "setting".

    A setting says what is there and leaves what happens to the actions: "a red ball on grass".
    """

    text: str
    language: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def captions(scene: Scene) -> list[Caption]:
    """Two short and one detailed caption in English, one of each in Chinese; seed and index choose the phrasing.

    Where actions decide what happens, also two settings in English and one in Chinese.
    """
    rng = np.random.default_rng((scene.seed, scene.index, 1 << 33))
    first, second = rng.permutation(3)[:2]
    return [
        Caption(_short_en(scene, rng, int(first)), "en", "short"),
        Caption(_short_en(scene, rng, int(second)), "en", "short"),
        Caption(_detailed_en(scene, rng), "en", "detailed"),
        Caption(_short_zh(scene, rng, int(rng.integers(3))), "zh", "short"),
        Caption(_detailed_zh(scene, rng), "zh", "detailed"),
        *(_settings(scene, rng) if scene.event == "is pushed" else ()),
    ]


def _settings(scene: Scene, rng: np.random.Generator) -> list[Caption]:
    still = replace(scene, event="rests")
    first, second, third = rng.permutation(3)
    return [
        Caption(_short_en(still, rng, int(first)), "en", "setting"),
        Caption(_short_en(still, rng, int(second)), "en", "setting"),
        Caption(_short_zh(still, rng, int(third)), "zh", "setting"),
    ]


def _one(rng: np.random.Generator, *phrases: str) -> str:
    return phrases[int(rng.integers(len(phrases)))]


# --- English


def thing_en(thing: Thing | Prop, count: int = 1) -> str:
    """ "a red ball", "two red balls", "a tower of blue blocks", "a candle"."""
    if isinstance(thing, Prop):
        name = f"tower of {thing.colour} blocks" if thing.kind == "tower" else thing.kind
    else:
        name = thing.name
    if count > 1:
        return f"{NUMBERS[count]} {name}s"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _prop_state_en(prop: Prop, rng: np.random.Generator) -> str:
    if prop.kind == "pie":
        return (
            _one(rng, "a pie with a bite missing", "a bitten pie")
            if prop.state == "bitten"
            else _one(rng, "a whole pie", "a pie")
        )
    if prop.kind == "candle":
        return (
            _one(rng, "a burning candle", "a lit candle")
            if prop.state == "lit"
            else _one(rng, "an unlit candle", "a candle without a flame")
        )
    return thing_en(prop)


def _relation_en(scene: Scene, rng: np.random.Generator) -> str:
    """ " to the left of a green cube", or nothing."""
    if not scene.relation or scene.other is None:
        return ""
    other = scene.other
    if isinstance(other, Prop) and scene.event == "rests":
        return f" {scene.relation} {_prop_state_en(other, rng)}"
    return f" {scene.relation} {thing_en(other)}"


def event_en(scene: Scene, rng: np.random.Generator) -> str:
    """The clause that names the things and what happens."""
    relation = _relation_en(scene, rng)
    if not scene.things:
        prop = scene.props[0]
        if scene.event == "bites a pie":
            return _one(rng, "a mouth takes a bite from a pie", "a mouth bites a pie", "a bite is taken from a pie")
        if scene.event == "blows out a candle":
            return _one(rng, "a puff of air blows out a candle", "a candle is blown out", "a gust blows out a candle")
        return _prop_state_en(prop, rng)
    subject = thing_en(scene.things[0], scene.count)
    side = "left" if scene.things[0].velocity[0] < 0 else "right"
    if scene.event == "blows out a candle":
        return _one(
            rng,
            f"a candle next to {subject} is blown out",
            f"a puff of air blows out a candle, with {subject} {scene.relation} it",
        )
    verbs: dict[str, Callable[[], str]] = {
        "rests": lambda: _one(rng, "", "", " rests" if scene.count == 1 else " rest") if not relation else "",
        "falls and bounces": lambda: _one(rng, " falls and bounces", " drops and bounces", " falls and bounces"),
        "rolls to the left": lambda: _one(rng, " rolls to the left", " rolls to the left", " rolls left"),
        "rolls to the right": lambda: _one(rng, " rolls to the right", " rolls to the right", " rolls right"),
        "rolls behind a wall": lambda: _one(
            rng,
            " rolls behind a wall and comes out",
            " rolls behind a wall and comes out again",
            f" rolls to the {side} behind a wall and comes out",
        ),
        "hits": lambda: (
            _one(rng, " hits", " rolls into", f" rolls to the {side} and hits") + " " + thing_en(scene.things[-1])
        ),
        "rolls down a ramp": lambda: _one(rng, " rolls down a ramp", " rolls down a ramp onto the ground"),
        "knocks over a tower": lambda: _one(rng, " knocks over ", " knocks down ") + thing_en(scene.props[0]),
        "is pushed": lambda: (
            " jumps" if _deeds(scene) == ["jump"] else _one(rng, " is pushed around", " is pushed about")
        ),
    }
    return subject + verbs[scene.event]() + relation


def _camera_en(scene: Scene) -> str:
    """ ", the camera orbits left" and the cut, or nothing."""
    text = f", the camera {scene.camera}" if scene.camera != "still" else ""
    if len(scene.shots) > 1:
        text += f", then a cut to a view {scene.shots[1].view}"
    return text


def _short_en(scene: Scene, rng: np.random.Generator, kind: int) -> str:
    place = ("", f" on {scene.ground}", f" on {scene.ground} {_one(rng, *LIGHT_WORDS[scene.light])}")[kind]
    return event_en(scene, rng) + place + _camera_en(scene)


def _detailed_en(scene: Scene, rng: np.random.Generator) -> str:
    light = _one(rng, *LIGHT_WORDS[scene.light])
    event = event_en(scene, rng)
    parts = [
        _one(rng, f"{_capital(light)} on {scene.ground}, {event}.", f"{_capital(event)} on {scene.ground} {light}.")
    ]
    parts.append(_consequence_en(scene))
    parts.append(_one(rng, SKY_WORDS[scene.light], ""))
    if scene.frames > 1:
        parts.append(
            f"The camera {scene.camera}."
            if scene.camera != "still"
            else _one(rng, "The camera is still.", "The camera does not move.")
        )
    if len(scene.shots) > 1:
        parts.append(f"Then a cut to a view {scene.shots[1].view} of the same scene.")
    return " ".join(part for part in parts if part)


def _consequence_en(scene: Scene) -> str:
    """What follows from the event, or the order of the pushes."""
    if scene.event == "is pushed":
        return (
            "The ball " + ", then ".join("jumps" if d == "jump" else f"is {ACTIONS_EN[d]}" for d in _deeds(scene)) + "."
        )
    shape = scene.things[0].shape if scene.things else ""
    return {
        "bites a pie": "The bite stays in the pie.",
        "blows out a candle": "The flame goes out and stays out.",
        "knocks over a tower": "The blocks fall down.",
        "rolls behind a wall": f"The {shape} is hidden for a moment.",
        "hits": f"The {scene.things[-1].shape} moves away." if scene.things and scene.things[-1].shape != shape else "",
    }.get(scene.event, "")


def _deeds(scene: Scene) -> list[str]:
    """The actions whose effect is seen, repetitions joined."""
    seen: list[str] = []
    previous = "none"
    for action in scene.actions[:-1]:
        if action not in ("none", previous):
            seen.append(action)
        previous = action
    return seen


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


# --- Chinese


def thing_zh(thing: Thing | Prop, count: int = 1) -> str:
    """ "一个红色的球", "两个红色的球", "一座蓝色的积木塔", "一支蜡烛"."""
    if isinstance(thing, Prop):
        return {
            "wall": "一堵墙",
            "ramp": "一个斜坡",
            "pie": "一个馅饼",
            "candle": "一支蜡烛",
            "tower": f"一座{COLOURS_ZH.get(thing.colour, '')}的积木塔",
        }[thing.kind]
    return f"{NUMBERS_ZH[count]}{COLOURS_ZH[thing.colour]}的{SHAPES_ZH[thing.shape]}"


def _prop_state_zh(prop: Prop) -> str:
    if prop.kind == "pie":
        return "一个被咬了一口的馅饼" if prop.state == "bitten" else "一个完整的馅饼"
    if prop.kind == "candle":
        return "一支点燃的蜡烛" if prop.state == "lit" else "一支没有点燃的蜡烛"
    return thing_zh(prop)


def event_zh(scene: Scene, rng: np.random.Generator) -> str:
    """The clause that names the things and what happens."""
    if not scene.things:
        if scene.event == "bites a pie":
            return _one(rng, "一张嘴咬了一口馅饼", "馅饼被咬了一口")
        if scene.event == "blows out a candle":
            return _one(rng, "一阵风吹灭了蜡烛", "蜡烛被吹灭了")
        return _prop_state_zh(scene.props[0])
    subject = thing_zh(scene.things[0], scene.count)
    where = ""
    if scene.relation and scene.other is not None:
        still = isinstance(scene.other, Prop) and scene.event == "rests"
        other = _prop_state_zh(scene.other) if still and isinstance(scene.other, Prop) else thing_zh(scene.other)
        where = f"在{other}的{RELATIONS_ZH[scene.relation]}"
    side = "左" if scene.things[0].velocity[0] < 0 else "右"
    if scene.event == "blows out a candle":
        return f"{subject}{where}，蜡烛被吹灭了"
    verbs: dict[str, Callable[[], str]] = {
        "rests": lambda: "",
        "falls and bounces": lambda: _one(rng, "落下并弹起", "掉下来又弹起来"),
        "rolls to the left": lambda: _one(rng, "向左滚动", "向左滚"),
        "rolls to the right": lambda: _one(rng, "向右滚动", "向右滚"),
        "rolls behind a wall": lambda: _one(rng, "滚到墙后面又出来", f"向{side}滚到墙后面又出来"),
        "hits": lambda: _one(rng, "撞上", f"向{side}滚动并撞上") + thing_zh(scene.things[-1]),
        "rolls down a ramp": lambda: _one(rng, "从斜坡上滚下来", "滚下斜坡"),
        "knocks over a tower": lambda: "撞倒" + thing_zh(scene.props[0]),
        "is pushed": lambda: "跳起" if _deeds(scene) == ["jump"] else "被推来推去",
    }
    return subject + where + verbs[scene.event]()


def _camera_zh(scene: Scene) -> str:
    text = f"，{CAMERAS_ZH[scene.camera]}" if scene.camera != "still" else ""
    if len(scene.shots) > 1:
        text += f"，然后切换到{CUTS_ZH[scene.shots[1].view]}"
    return text


def _short_zh(scene: Scene, rng: np.random.Generator, kind: int) -> str:
    place = ("", f"{GROUNDS_ZH[scene.ground]}，", f"{LIGHTS_ZH[scene.light]}，{GROUNDS_ZH[scene.ground]}，")[kind]
    return place + event_zh(scene, rng) + _camera_zh(scene)


def _detailed_zh(scene: Scene, rng: np.random.Generator) -> str:
    text = f"{LIGHTS_ZH[scene.light]}，{GROUNDS_ZH[scene.ground]}，{event_zh(scene, rng)}。"
    if scene.event == "is pushed":
        text += "球" + "，然后".join(ACTIONS_ZH[deed] for deed in _deeds(scene)) + "。"
    text += {
        "bites a pie": "馅饼上的缺口一直留着。",
        "blows out a candle": "火焰熄灭了，不再燃起。",
        "knocks over a tower": "积木倒了下来。",
        "rolls behind a wall": "球被挡住了一会儿。",
    }.get(scene.event, "")
    text += _one(rng, SKY_ZH[scene.light], "")
    if scene.frames > 1:
        text += f"{CAMERAS_ZH[scene.camera]}。" if scene.camera != "still" else "镜头不动。"
    if len(scene.shots) > 1:
        text += f"然后切换到{CUTS_ZH[scene.shots[1].view]}。"
    return text
