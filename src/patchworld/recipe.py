"""What makes the same clip again: a JSON object that travels in the file of the clip."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from patchworld.canvas import Canvas
from patchworld.errors import InputError, first_problem
from patchworld.generate import Sampling


class Recipe(BaseModel):
    """The canvas, sampling and model of a clip. Anyone may have written it, so nothing is taken on trust."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = ""  # Model.hash
    prompt: str
    frames: int
    size: list[int] = Field(min_length=2, max_length=2)
    fps: float
    negative: str
    seed: int
    steps: int
    guidance: float
    solver: str | None


def write_recipe(canvas: Canvas, sampling: Sampling, model: str) -> dict[str, Any] | None:
    """The recipe of a canvas without conditions; None with them, since the given clips would have to travel along."""
    if canvas.conditions:
        return None
    wanted = {name: value for name, value in vars(canvas).items() if name != "conditions"}
    return Recipe(**{**wanted, **vars(sampling), "size": list(canvas.size), "model": model}).model_dump()


def follow_recipe(made: dict[str, Any]) -> tuple[Canvas, Sampling]:
    """The canvas and sampling of a recipe. Raises InputError when it is none."""
    try:
        r = Recipe.model_validate(made)
        canvas = Canvas(r.prompt, r.frames, (r.size[0], r.size[1]), r.fps, r.negative)
        return canvas, Sampling(r.seed, r.steps, r.guidance, r.solver)
    except (ValidationError, InputError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else error
        raise InputError(f"the recipe in this file cannot be used: {problem}; generate the clip anew") from error
