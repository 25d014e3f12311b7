"""What can be asked for: the body of each request, and the verb with its arguments that it means.

The Videos API knows create, remix, edits and extensions; the others are additions. Bodies come as JSON or as forms.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema
from starlette.datastructures import UploadFile

from patchworld.canvas import Canvas, Condition
from patchworld.errors import InputError
from patchworld.serve.settings import Limits
from patchworld.shapes import MAX_PIXELS
from patchworld.verbs import VERBS
from patchworld.video import Clip

LIVE: dict[str, Any] = {"steps": 8, "guidance": 1.0, "window": 4, "history": 16}  # how worlds are dreamed
GRID = 16  # sizes are fitted to multiples of it
MOST_SECONDS = 3600.0  # of any time in a request; the limits of the server are lower


def _number(value: Any) -> Any:
    """The official client sends seconds as a string, such as "4"."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"\d{1,4}(\.\d{1,6})?", value) else value


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 8.0 is whole too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("has a zero byte: leave it out")
    return value


Text = Annotated[str, AfterValidator(_no_nul), Field(max_length=32_000)]
Prompt = Annotated[Text, Field(min_length=1, examples=["a red ball rolls to the left on grass"])]
Id = Annotated[str, Field(pattern=r"^(video|char)_[0-9a-f]{32}$")]
Seconds = Annotated[
    float,
    BeforeValidator(_number),
    Field(gt=0, le=MOST_SECONDS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_SECONDS},
                {"type": "string", "pattern": r"^([1-9]\d{0,2}(\.\d{1,6})?|0?\.0{0,5}[1-9])$"},
            ]
        }
    ),
]
Moment = Annotated[float, BeforeValidator(_number), Field(ge=0, le=MOST_SECONDS)]
Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[str, Field(pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$", examples=["1280x720"])]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


class Media(Strict):
    """A video or image: one that was made here, by `id`, an image as a data: URL, or an uploaded file."""

    id: Id | None = None
    image_url: str | None = Field(None, description="A data: URL. Addresses on the network are not fetched.")
    file_id: str | None = Field(None, description="Not supported: there is no Files API here.")
    file: SkipJsonSchema[UploadFile | None] = None

    @model_validator(mode="before")
    @classmethod
    def _of_form(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, UploadFile) else value

    @model_validator(mode="after")
    def _one_of_them(self) -> "Media":
        if sum(value is not None for value in (self.id, self.image_url, self.file_id, self.file)) != 1:
            raise ValueError("give one of id, image_url or a file")
        return self


class Character(Strict):
    id: Id


class Body(Strict):
    """What every request may say. model: any name; the server has one model."""

    model: Annotated[Text, Field(max_length=200)] = "sora-2"
    prompt: Text = ""
    negative: Text = ""
    seed: Annotated[int, BeforeValidator(_whole), Field(ge=0, lt=2**63)] | None = None
    steps: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=1000)] | None = None
    guidance: Annotated[float, Field(ge=0, le=100)] = 3.0


class CreateBody(Body):
    prompt: Prompt
    seconds: Seconds = 4.0
    size: Size = "720x1280"
    input_reference: Media | None = None
    characters: Annotated[list[Character], Field(max_length=1)] = []


class RemixBody(Body):
    prompt: Prompt
    strength: Share = 0.9


class EditBody(RemixBody):
    video: Media


class ExtendBody(Body):
    video: Media
    seconds: Seconds = 4.0
    backward: bool = False


class LoopBody(Body):
    video: Media | None = None
    seconds: Seconds = 4.0
    size: Size = "720x1280"


class ConnectBody(Body):
    first: Media
    second: Media
    seconds: Seconds = 2.0


class BlendBody(Body):
    first: Media
    second: Media
    seconds: Seconds | None = None
    curve: Annotated[list[tuple[Share, Share]], Field(min_length=2, max_length=64)] = [(0.0, 0.0), (1.0, 1.0)]
    strength: Share = 0.5


class RetakeBody(Body):
    video: Media
    start: Moment
    end: Moment


class InpaintBody(Body):
    video: Media
    mask: Media


class OutpaintBody(Body):
    video: Media
    size: Size
    place: tuple[Share, Share] = (0.5, 0.5)


class RestyleBody(EditBody):
    size: Size | None = None


class CardBody(Strict):
    at: Moment
    prompt: Text | None = None
    clip: Media | None = None
    cut: bool = True


class StoryboardBody(Body):
    cards: Annotated[list[CardBody], Field(min_length=1, max_length=64)]
    seconds: Seconds
    size: Size = "720x1280"
    things: Text = ""


class SimulateBody(Body):
    actions: Annotated[list[Annotated[Text, Field(max_length=100)]], Field(min_length=1, max_length=4096)]
    size: Size = "64x64"
    guidance: Annotated[float, Field(ge=0, le=100)] = LIVE["guidance"]


class UploadBody(Body):
    video: Media


@dataclass(frozen=True)
class Desk:
    """What an operation asks the server for. clip: the video or image that a body names, decoded.

    character: the video of a character. fps: of videos that are made from words. actions: that the model knows.
    """

    limits: Limits
    fps: float
    actions: tuple[str, ...]
    clip: Callable[[Media], Clip]
    character: Callable[[str], Clip]

    def size(self, text: str) -> tuple[int, int]:
        width, height = map(int, text.split("x"))
        return fitted_size((width, height), self.limits.pixels)

    def frames(self, seconds: float) -> int:
        if seconds > self.limits.seconds:
            raise InputError(f"seconds={seconds:g} is more than this server makes: use at most {self.limits.seconds:g}")
        return max(1, round(seconds * self.fps))


Plan = tuple[str, dict[str, Any]]
"""The name of a verb and its arguments."""


def create(body: CreateBody, desk: Desk) -> Plan:
    frames, size = desk.frames(body.seconds), desk.size(body.size)
    shown = desk.clip(body.input_reference) if body.input_reference else None
    if body.characters:
        if shown is not None:
            raise InputError("a video begins with input_reference or with a character: give one of them")
        shown = desk.character(body.characters[0].id)
    if shown is None:
        return "generate", {"prompt": body.prompt, "frames": frames, "size": size, "fps": desk.fps}
    return "animate", {"image": shown, "prompt": body.prompt, "frames": frames, "size": size, "fps": desk.fps}


def edit(body: EditBody, desk: Desk) -> Plan:
    return "restyle", {"clip": desk.clip(body.video), "prompt": body.prompt, "strength": body.strength}


def extend(body: ExtendBody, desk: Desk) -> Plan:
    clip = desk.clip(body.video)
    if clip.is_image and not body.backward:
        frames = 1 + desk.frames(body.seconds)
        return "animate", {"image": clip, "prompt": body.prompt, "frames": frames, "size": clip.size, "fps": desk.fps}
    return "extend", {"clip": clip, "prompt": body.prompt, "seconds": body.seconds, "backward": body.backward}


def loop(body: LoopBody, desk: Desk) -> Plan:
    if body.video is not None:
        return "loop", {"prompt": body.prompt, "clip": desk.clip(body.video), "seconds": body.seconds}
    return "loop", {"prompt": body.prompt, "seconds": body.seconds, "size": desk.size(body.size), "fps": desk.fps}


def connect(body: ConnectBody, desk: Desk) -> Plan:
    first, second = desk.clip(body.first), desk.clip(body.second)
    return "connect", {"a": first, "b": second, "prompt": body.prompt, "seconds": body.seconds}


def blend(body: BlendBody, desk: Desk) -> Plan:
    first, second = desk.clip(body.first), desk.clip(body.second)
    more = {"seconds": body.seconds, "curve": tuple(body.curve), "strength": body.strength}
    return "blend", {"a": first, "b": second, "prompt": body.prompt, **more}


def retake(body: RetakeBody, desk: Desk) -> Plan:
    return "retake", {"clip": desk.clip(body.video), "prompt": body.prompt, "start": body.start, "end": body.end}


def inpaint(body: InpaintBody, desk: Desk) -> Plan:
    return "inpaint", {"clip": desk.clip(body.video), "mask": desk.clip(body.mask), "prompt": body.prompt}


def outpaint(body: OutpaintBody, desk: Desk) -> Plan:
    size = desk.size(body.size)
    return "outpaint", {"clip": desk.clip(body.video), "prompt": body.prompt, "size": size, "place": body.place}


def restyle(body: RestyleBody, desk: Desk) -> Plan:
    verb, arguments = edit(body, desk)
    return verb, {**arguments, "size": desk.size(body.size) if body.size else None}


def storyboard(body: StoryboardBody, desk: Desk) -> Plan:
    desk.frames(body.seconds)
    cards: Sequence[dict[str, Any]] = [
        card.model_dump(include={"at", "prompt", "cut"}, exclude_none=True) for card in body.cards
    ]
    for card, asked in zip(cards, body.cards, strict=True):
        if asked.clip is not None:
            card["clip"] = desk.clip(asked.clip)
    size = desk.size(body.size)
    return "storyboard", {"cards": cards, "seconds": body.seconds, "size": size, "fps": desk.fps, "things": body.things}


def simulate(body: SimulateBody, desk: Desk) -> Plan:
    if unknown := sorted(set(body.actions) - set(desk.actions)):
        known = ", ".join(desk.actions) or "none at all"
        raise InputError(f"actions: '{unknown[0]}' is unknown, this model knows {known}")
    size = desk.size(body.size)
    return "simulate", {"prompt": body.prompt, "actions": tuple(body.actions), "size": size, "fps": desk.fps}


def upload(body: UploadBody, desk: Desk) -> Plan:
    return "keep", {"clip": desk.clip(body.video), "prompt": body.prompt}


def keep(clip: Clip, prompt: str = "") -> Canvas:
    """A video as it is, under a name: nothing of it is dreamed."""
    return Canvas(prompt, clip.num_frames, clip.size, clip.fps, conditions=(Condition(clip),))


def canvas_of(verb: str, arguments: dict[str, Any]) -> Canvas:
    """The canvas that a plan means. Raises InputError."""
    return keep(**arguments) if verb == "keep" else VERBS[verb](**arguments)


OPERATIONS: dict[str, tuple[type[Body], Callable[..., Plan]]] = {
    "loop": (LoopBody, loop),
    "connect": (ConnectBody, connect),
    "blend": (BlendBody, blend),
    "retake": (RetakeBody, retake),
    "inpaint": (InpaintBody, inpaint),
    "outpaint": (OutpaintBody, outpaint),
    "restyle": (RestyleBody, restyle),
    "storyboard": (StoryboardBody, storyboard),
    "edits": (EditBody, edit),
    "extensions": (ExtendBody, extend),
    "simulate": (SimulateBody, simulate),
    "uploads": (UploadBody, upload),
}
"""By their path under /v1/videos."""


def fitted_size(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """The size itself where it has at most so many pixels, or a smaller one of about its shape, in steps of GRID."""
    width, height = size
    if min(size) < 16 or width * height > MAX_PIXELS:
        raise InputError(f"size {width}x{height} is out of range: use sides of at least 16 and {MAX_PIXELS} pixels")
    if width * height <= pixels:
        return size
    scale = (pixels / (width * height)) ** 0.5
    return max(GRID, int(width * scale) // GRID * GRID), max(GRID, int(height * scale) // GRID * GRID)


def written(value: Any) -> Any:
    """Arguments of a verb as JSON. Clips are named by the file that their source tells."""
    if isinstance(value, Clip):
        assert value.source is not None
        return {"input": value.source["path"]}
    if isinstance(value, dict):
        return {name: written(part) for name, part in value.items()}
    return [written(part) for part in value] if isinstance(value, list | tuple) else value


def understood(value: Any, read: Callable[[str], Clip]) -> Any:
    """The inverse of `written`; lists come back as tuples."""
    if isinstance(value, dict):
        if value.keys() == {"input"}:
            return read(value["input"])
        return {name: understood(part, read) for name, part in value.items()}
    return tuple(understood(part, read) for part in value) if isinstance(value, list) else value
