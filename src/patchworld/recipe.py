"""What makes the same clip again: a JSON object that travels in the file of the clip.

It names the model, the verb with its arguments, and the sampling. Given clips do not travel along: they are named by
the file they were read from and by their content, and have to be there when the recipe is followed.

Whatever is dreamed has a recipe, also where none can make it again: by its recipe a file is known to be AI-generated,
marked and signed.
"""

import hashlib
import json
from collections.abc import Callable, Sized
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from patchworld.canvas import Canvas
from patchworld.denoise import Sampling
from patchworld.errors import InputError, first_problem
from patchworld.verbs import VERBS
from patchworld.video import Clip, fit, read

BY_HAND = "by hand"  # in the place of a verb: conditions that no verb placed, or actions that were still to come
CLIP = {"path", "start", "end", "fps", "max_frames", "size", "fit", "sha256"}  # what a given clip is named by
PLAIN = ("prompt", "frames", "size", "fps", "changes", "cuts")  # of a canvas without conditions


class Recipe(BaseModel):
    """The verb, sampling and model of a clip. Anyone may have written it, so nothing is taken on trust."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = ""  # Model.hash
    verb: str
    prompt: str  # of the canvas, for people to read
    arguments: dict[str, Any]
    negative: str = ""
    seed: int
    steps: int
    guidance: float
    solver: str | None
    window: int = Field(default=Sampling.window)
    history: int = Field(default=Sampling.history)
    label: bool = False  # whether the frames of the file say that they are AI-generated


def write_recipe(canvas: Canvas, sampling: Sampling, model: str) -> dict[str, Any]:
    """The recipe of a canvas. It can be followed if a verb made the canvas, and its actions are all known."""
    verb, arguments = canvas.call or ("generate", {name: getattr(canvas, name) for name in PLAIN})
    by_hand = canvas.call is None and (canvas.conditions or canvas.actions or canvas.circular)
    if by_hand or not isinstance(canvas.actions, Sized):
        verb, arguments = BY_HAND, {"clips": [condition.clip for condition in canvas.conditions]}
    written = {name: _written(value) for name, value in arguments.items()}
    recipe = Recipe(
        model=model,
        verb=verb,
        prompt=canvas.prompt,
        arguments=written,
        negative=canvas.negative,
        **vars(sampling),
    )
    return recipe.model_dump()


def follow_recipe(
    made: dict[str, Any], find: Callable[[dict[str, Any]], Clip] | None = None
) -> tuple[Canvas, Sampling]:
    """The canvas and sampling of a recipe; `find` gets the clips that it names. Raises InputError when it is none."""
    try:
        recipe = Recipe.model_validate(made)
        if recipe.verb == BY_HAND:
            raise InputError("its conditions or actions were given by hand, which no recipe can tell")
        if recipe.verb not in VERBS:
            raise InputError(f"unknown verb '{recipe.verb}': known are {', '.join(VERBS)}")
        arguments = {name: _read(value, find or find_clip) for name, value in recipe.arguments.items()}
        canvas = replace(VERBS[recipe.verb](**arguments), negative=recipe.negative)
        names = ("seed", "steps", "guidance", "solver", "window", "history")
        return canvas, Sampling(**{name: getattr(recipe, name) for name in names})
    except (ValidationError, InputError, TypeError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else error
        raise InputError(f"the recipe in this file cannot be used: {problem}; generate the clip anew") from error


def find_clip(named: dict[str, Any], check: bool = True) -> Clip:
    """The given clip that a recipe names, from where it was read; with `check`, if it is still the same."""
    wanted = {name: value for name, value in named.items() if name not in ("size", "fit", "sha256")}
    if "path" not in wanted:
        raise InputError("it was made from a clip that was no file: save that clip and name it as an input")
    clip = read(**wanted)
    if "size" in named:
        clip = fit(clip, tuple(named["size"]), named["fit"])
    if check and fingerprint(clip) != named["sha256"]:
        raise InputError(f"{wanted['path']} is not what the clip was made from any more: put the file back as it was")
    return clip


def fingerprint(clip: Clip) -> str:
    """SHA-256 of the frames of a clip, its size and rate, 64 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps([*clip.frames.shape, clip.fps]).encode())
    for frame in clip.frames:
        digest.update(frame.tobytes())
    return digest.hexdigest()


def _written(value: Any) -> Any:
    """An argument of a verb as JSON."""
    if isinstance(value, Clip):
        return {**(value.source or {}), "sha256": fingerprint(value)}
    if isinstance(value, dict):
        return {name: _written(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_written(part) for part in value]
    return value


def _read(value: Any, find: Callable[[dict[str, Any]], Clip]) -> Any:
    """The inverse of `_written`; lists come back as tuples."""
    if isinstance(value, dict):
        if "sha256" in value and value.keys() <= CLIP:
            return find(value)
        return {name: _read(part, find) for name, part in value.items()}
    return tuple(_read(part, find) for part in value) if isinstance(value, list) else value
