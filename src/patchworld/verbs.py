"""Every capability: a function that places conditions on a canvas.

    world = patchworld.load()
    clip = patchworld.read("ball.mp4")
    world.dream(verbs.extend(clip, "the ball rolls on", seconds=2)).save("longer.mp4")

Frames that are given whole come back as they were. Times are in seconds. Inputs of another size or frame rate are
fitted without stretching, and cropped unless `fit` says otherwise; where that was not asked for, a warning says so.
Between two clips a block of frames is dreamed whole, so lengths are rounded to BLOCK frames there.
"""

import functools
import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain, repeat
from typing import (
    Any,
    Literal,
    NotRequired,  # pydantic cannot read typing's before Python 3.12
)

import numpy as np
from pydantic import ConfigDict, SkipValidation, ValidationError, validate_call
from typing_extensions import TypedDict

from patchworld.canvas import Canvas, Condition
from patchworld.errors import InputError, first_problem
from patchworld.shapes import pixel_shape, round_up
from patchworld.video import Clip, resize, retime
from patchworld.video import fit as fit_clip

BLOCK = 4  # frames that share a latent
TOKEN = 16  # pixels that share a token
NO_ACTION = ""
STRICT = ConfigDict(arbitrary_types_allowed=True, strict=True, extra="forbid")

Fit = Literal["crop", "pad"]
Verb = Callable[..., Canvas]


class Card(TypedDict):
    """A card of a storyboard: what is to be seen from `at` seconds on.

    prompt  what happens; clip: a video or image that is shown, from there on or at that moment; cut: whether a new shot
    begins, or the scene goes over into it
    """

    __pydantic_config__ = STRICT  # type: ignore[misc]

    at: float
    prompt: NotRequired[str]
    clip: NotRequired[Clip]
    cut: NotRequired[bool]


def verb(function: Verb) -> Verb:
    """Check the arguments of a verb, and keep them with the canvas it makes, for the recipe.

    Raises InputError, which names the argument, for one of another type.
    """
    checked = validate_call(config=STRICT)(function)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*positional: Any, **named: Any) -> Canvas:
        arguments = signature.bind(*positional, **named).arguments
        try:
            canvas = checked(**arguments)
        except ValidationError as error:
            raise InputError(f"{function.__name__}: {first_problem(error)}") from error
        return replace(canvas, call=(function.__name__, arguments))

    return call


@verb
def generate(
    prompt: str,
    *,
    frames: int = 17,
    size: tuple[int, int] = (64, 64),
    fps: float = 8.0,
    changes: Sequence[tuple[int, str]] = (),
    cuts: Sequence[int] = (),
) -> Canvas:
    """A video from words, or an image: one frame. `changes` are (frame, prompt) where the prompt becomes another."""
    return Canvas(prompt, frames, size, fps, changes=tuple(changes), cuts=tuple(cuts))


@verb
def animate(
    image: Clip,
    prompt: str = "",
    *,
    frames: int = 17,
    fps: float = 8.0,
    last: Clip | None = None,
    keyframes: Sequence[tuple[float, Clip]] = (),
    size: tuple[int, int] | None = None,
    fit: Fit | None = None,
) -> Canvas:
    """A video that begins with an image, ends with `last`, and passes through `keyframes`, (seconds, image)."""
    size = size or image.size
    placed = [(0, image), *((round(seconds * fps), key) for seconds, key in keyframes)]
    if last is not None:
        placed.append((frames - 1, last))
    for frame, picture in placed:
        if not picture.is_image:
            raise InputError(f"a video of {picture.num_frames} frames is no image: extend it, or give one frame of it")
        if not 0 <= frame < frames:
            raise InputError(f"a keyframe at {frame / fps:g} s is not in a video of {frames / fps:g} s: move it")
    conditions = tuple(Condition(fitted(picture, size, fps, fit), frame) for frame, picture in placed)
    return Canvas(prompt, frames, size, fps, conditions=conditions)


@verb
def extend(clip: Clip, prompt: str = "", *, seconds: float = 2.0, backward: bool = False) -> Canvas:
    """A clip and what comes after it, or before it, for so many seconds."""
    _check_moves(clip)
    more = _frames(seconds, clip.fps)
    placed = Condition(clip, more if backward else 0)
    return Canvas(prompt, clip.num_frames + more, clip.size, clip.fps, conditions=(placed,))


@verb
def loop(
    prompt: str = "",
    *,
    clip: Clip | None = None,
    seconds: float = 4.0,
    size: tuple[int, int] = (64, 64),
    fps: float = 8.0,
) -> Canvas:
    """A video that begins again where it ends. Of a `clip`, its end is led back to its start in so many seconds.

    `size` and `fps` are of a video from words, `fps` also of one from an image.
    """
    if clip is None:
        return Canvas(prompt, _blocks(seconds, fps), size, fps, circular=True)
    fps = fps if clip.is_image else clip.fps
    frames = clip.num_frames + _blocks(seconds, fps)
    return Canvas(prompt, frames, clip.size, fps, conditions=(Condition(clip),), circular=True)


@verb
def connect(a: Clip, b: Clip, prompt: str = "", *, seconds: float = 2.0, fit: Fit | None = None) -> Canvas:
    """Two clips, and a way from the end of the first to the start of the second."""
    _check_moves(a)
    b = fitted(b, a.size, a.fps, fit)
    start = a.num_frames + _blocks(seconds, a.fps)
    return Canvas(prompt, start + b.num_frames, a.size, a.fps, conditions=(Condition(a), Condition(b, start)))


@verb
def blend(
    a: Clip,
    b: Clip,
    prompt: str = "",
    *,
    seconds: float | None = None,
    curve: Sequence[tuple[float, float]] = ((0.0, 0.0), (1.0, 1.0)),
    strength: float = 0.5,
    fit: Fit | None = None,
) -> Canvas:
    """The end of one clip becomes the start of another while both are seen, for so many seconds (the shorter's all).

    curve: (time, share of b), both from 0 to 1, joined by lines. strength: how freely the mixture is dreamed anew where
    both are seen alike; where only one is seen it is kept.
    """
    _check_moves(a)
    b = fitted(b, a.size, a.fps, fit)
    both = min(a.num_frames, b.num_frames)
    if seconds is not None:
        if _frames(seconds, a.fps) > both:
            raise InputError(f"seconds={seconds:g} is longer than the shorter clip, {both / a.fps:g} s: use less")
        both = _frames(seconds, a.fps)
    times, shares = (np.array(values, float) for values in zip(*curve, strict=True)) if curve else (np.empty(0),) * 2
    if not (len(times) > 1 and (np.diff(times) > 0).all() and ((shares >= 0) & (shares <= 1)).all()):
        raise InputError(f"curve={list(curve)}: give (time, share) with growing times and shares from 0 to 1")
    _check_share("strength", strength)
    share = np.interp(np.linspace(0, 1, both), times, shares)
    over, under = b.frames[:both].astype(np.float32), a.frames[a.num_frames - both :].astype(np.float32)
    mixed = Clip((under + share[:, None, None, None] * (over - under)).round().astype(np.uint8), a.fps)
    start = a.num_frames - both
    kept = 1 - strength * 4 * share * (1 - share)
    return Canvas(
        prompt,
        start + b.num_frames,
        a.size,
        a.fps,
        conditions=(Condition(a), Condition(b, start), Condition(mixed, start, kept)),
    )


@verb
def retake(clip: Clip, prompt: str = "", *, start: float, end: float) -> Canvas:
    """A clip whose span from `start` to `end` seconds is dreamed anew; the rest stays."""
    first, last = round(start * clip.fps), round(end * clip.fps)
    if not 0 <= first < last <= clip.num_frames:
        raise InputError(f"no frame lies from {start:g} to {end:g} s: give a span within 0 and {clip.duration:g} s")
    kept = [(0, clip.frames[:first]), (last, clip.frames[last:])]
    conditions = tuple(Condition(Clip(frames, clip.fps), place) for place, frames in kept if len(frames))
    return Canvas(prompt, clip.num_frames, clip.size, clip.fps, conditions=conditions)


@verb
def inpaint(clip: Clip, mask: Clip, prompt: str = "") -> Canvas:
    """A clip that is dreamed anew where the mask, a picture or a video, is white; the rest stays."""
    mask = resize(mask, clip.size)
    if not mask.is_image:
        mask = retime(mask, clip.fps)
    white = mask.frames.mean(-1) > 127
    white = white[np.minimum(np.arange(clip.num_frames), len(white) - 1)]  # a picture, or the last frame, lasts
    if not white.any():
        raise InputError("the mask has no white pixel, so nothing would change: paint what is to be dreamed white")
    return Canvas(prompt, clip.num_frames, clip.size, clip.fps, conditions=(Condition(clip, mask=~white),))


@verb
def outpaint(clip: Clip, prompt: str = "", *, size: tuple[int, int], place: tuple[float, float] = (0.5, 0.5)) -> Canvas:
    """A clip within a larger picture. `place` is where it lies, from (0, 0), top left, to (1, 1).

    A clip that is larger than the size is made smaller first. The place is rounded to tokens of TOKEN pixels.
    """
    _, height, width = pixel_shape(clip.num_frames, size)
    for share in place:
        _check_share("place", share)
    scale = min(1.0, width / clip.size[0], height / clip.size[1])
    if scale < 1:
        clip = resize(clip, (max(1, round(clip.size[0] * scale)), max(1, round(clip.size[1] * scale))))
    left, top = (
        min(round(share * (full - have) / TOKEN) * TOKEN, full - have)
        for share, full, have in zip(place, (width, height), clip.size, strict=True)
    )
    inner = slice(top, top + clip.size[1]), slice(left, left + clip.size[0])
    frames = np.zeros((clip.num_frames, height, width, 3), np.uint8)
    mask = np.zeros((height, width), bool)
    frames[:, *inner], mask[inner] = clip.frames, True
    if mask.all():
        raise InputError(f"size {width}x{height} has the shape of the clip: nothing is left to dream; use another size")
    return Canvas(prompt, clip.num_frames, size, clip.fps, conditions=(Condition(Clip(frames, clip.fps), mask=mask),))


@verb
def restyle(
    clip: Clip,
    prompt: str,
    *,
    strength: float = 0.9,
    size: tuple[int, int] | None = None,
    fit: Fit | None = None,
) -> Canvas:
    """A clip dreamed again by another prompt: at a strength near 0 hardly anything changes, at 1 all does.

    The strength is the last part of the steps, which dream it.
    """
    _check_share("strength", strength)
    size = size or clip.size
    clip = fitted(clip, size, clip.fps, fit)
    return Canvas(prompt, clip.num_frames, size, clip.fps, conditions=(Condition(clip, strength=1 - strength),))


@verb
def refine(
    clip: Clip, prompt: str = "", *, size: tuple[int, int], strength: float = 0.4, fit: Fit | None = None
) -> Canvas:
    """A draft made larger: the same video, with the detail of its new size dreamed."""
    return restyle(clip, prompt, strength=strength, size=size, fit=fit)


@verb
def storyboard(
    cards: Sequence[Card],
    *,
    seconds: float,
    size: tuple[int, int] = (64, 64),
    fps: float = 8.0,
    things: str = "",
    fit: Fit | None = None,
) -> Canvas:
    """A video of timed cards. `things` stay the same throughout: they are added to the prompt of every card.

    A card without a prompt keeps that of the card before it; a card begins a new shot unless its `cut` is false.
    """
    frames = _frames(seconds, fps)
    places = [round(card["at"] * fps) for card in cards]
    if not places or places[0] != 0 or places != sorted(set(places)) or places[-1] >= frames:
        times = ", ".join(f"{card['at']:g}" for card in cards)
        raise InputError(
            f"cards at {times} s: the first one is at 0, each later than the one before, all before {seconds:g}"
        )
    prompts, prompt = [], ""
    for card in cards:
        prompt = card.get("prompt", prompt)
        prompts.append(", ".join(part for part in (prompt, things) if part))
    conditions = []
    for place, end, card in zip(places, [*places[1:], frames], cards, strict=True):
        if shown := card.get("clip"):
            shown = fitted(shown, size, fps, fit)
            conditions.append(Condition(Clip(shown.frames[: end - place], fps), place))
    return Canvas(
        prompts[0],
        frames,
        size,
        fps,
        conditions=tuple(conditions),
        changes=tuple(zip(places[1:], prompts[1:], strict=True)),
        cuts=tuple(place for place, card in zip(places[1:], cards[1:], strict=True) if card.get("cut", True)),
    )


@verb
def simulate(
    prompt: str = "",
    *,
    actions: SkipValidation[Iterable[str]],
    past: Clip | None = None,
    size: tuple[int, int] = (64, 64),
    fps: float = 8.0,
    seconds: float = 60.0,
) -> Canvas:
    """A world that answers: what is done in each frame after the past, by name, and the frames that follow.

    The past is an image or a clip, or a first frame dreamed from the prompt. A list of actions ends the video; an
    iterator is asked as late as possible and ends it too, or `seconds` do.
    """
    size, fps = (past.size, past.fps if not past.is_image else fps) if past else (size, fps)
    before = past.num_frames if past else 1
    conditions = (Condition(Clip(past.frames, fps)),) if past else ()
    if isinstance(actions, Sequence):
        if not actions:
            raise InputError("no actions: give at least one, such as 'none'")
        done: Iterable[str] = (*[NO_ACTION] * before, *actions)
        return Canvas(prompt, before + len(actions), size, fps, conditions=conditions, actions=done)
    done = chain(repeat(NO_ACTION, before), actions)
    return Canvas(prompt, before + _frames(seconds, fps), size, fps, conditions=conditions, actions=done)


VERBS: dict[str, Verb] = {
    function.__name__: function
    for function in (
        generate,
        animate,
        extend,
        loop,
        connect,
        blend,
        retake,
        inpaint,
        outpaint,
        restyle,
        refine,
        storyboard,
        simulate,
    )
}
"""By the names that recipes know them by."""


def fitted(clip: Clip, size: tuple[int, int], fps: float, fit: Fit | None) -> Clip:
    """The clip in this size and, if it moves, at this rate; says what was done to it where nobody asked."""
    if not clip.is_image and clip.fps != fps:
        warnings.warn(f"a clip of {clip.fps:g} frames a second is shown at {fps:g}", stacklevel=2)
        clip = retime(clip, fps)
    if clip.size == size:
        return clip
    same_shape = math.isclose(clip.size[0] * size[1], clip.size[1] * size[0], rel_tol=0.01)
    if fit is None and not same_shape:
        width, height = clip.size
        warnings.warn(
            f"{width}x{height} is cropped to the shape of {size[0]}x{size[1]}; fit pad keeps all", stacklevel=2
        )
    return fit_clip(clip, size, fit or "crop")


def _check_moves(clip: Clip) -> None:
    if clip.is_image:
        raise InputError("an image has no frame rate: animate it, or give a video")


def _frames(seconds: float, fps: float) -> int:
    """Seconds as a number of frames, at least one."""
    if not (math.isfinite(seconds) and seconds * fps >= 0.5):
        raise InputError(f"seconds={seconds:g} is too short: use at least one frame, {1 / fps:g} s")
    return round(seconds * fps)


def _blocks(seconds: float, fps: float) -> int:
    """Seconds as frames of whole blocks."""
    return round_up(_frames(seconds, fps), BLOCK)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name}={value:g} is out of range: use 0 to 1")
