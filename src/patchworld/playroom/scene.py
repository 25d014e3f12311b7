"""The words of the playroom and the description of one scene: pure data, no physics.

Axes: x to the right, y away from the viewer, z up, as the camera sees them at the start of the clip. Lengths in metres.
"""

from dataclasses import dataclass, field

SHAPES = ("ball", "cube", "cylinder")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "white", "black")
PROPS = ("wall", "ramp", "tower", "pie", "candle")
GROUNDS = ("grass", "sand", "stone", "snow")
LIGHTS = ("day", "sunset", "night")
EVENTS = (
    "rests",
    "falls and bounces",
    "rolls to the left",
    "rolls to the right",
    "rolls behind a wall",
    "hits",
    "rolls down a ramp",
    "knocks over a tower",
    "bites a pie",
    "blows out a candle",
    "is pushed",
)
RELATIONS = ("to the left of", "to the right of", "in front of", "behind", "on top of")
CAMERAS = ("still", "orbits left", "orbits right", "moves in", "moves out", "pans left", "pans right")
CUTS = ("from the left", "from the right", "from above", "from close up")
SPLITS = ("train", "held_out")

# Never shown in training, so that a score on them tells composition from memory.
HELD_OUT = (("purple", "cube"), ("orange", "cylinder"))
# Blocks are cubes, so a tower is never purple; black and white would be hard to tell from shadow and snow.
TOWER_COLOURS = ("red", "green", "blue", "yellow", "orange")

GRAVITY = 9.81
DEFAULT_FPS = 8.0

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Thing:
    """A ball, cube or upright cylinder that physics moves. `size` is its width (and height) in metres."""

    shape: str
    colour: str
    size: float
    position: Vector
    velocity: Vector = (0.0, 0.0, 0.0)
    yaw: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def held_out(self) -> bool:
        return (self.colour, self.shape) in HELD_OUT


@dataclass(frozen=True)
class Prop:
    """A wall, ramp, tower, pie or candle standing at `position` (x, y).

    `size` is (width, depth, height). `side` is where the ramp is high, the bite comes from, or the gust comes from:
    -1 left, +1 right. `state` is how it looks at the start: "whole" or "bitten", "lit" or "out".
    """

    kind: str
    position: tuple[float, float]
    size: Vector
    colour: str = ""
    side: int = 1
    state: str = "whole"
    num_blocks: int = 0


@dataclass(frozen=True)
class Aim:
    """Where the camera stands and looks at one moment: `distance` in metres, angles in degrees.

    `azimuth` turns the camera around its target (positive: it stands further right), `pan` turns it on the spot
    (positive: it looks further right).
    """

    distance: float
    azimuth: float
    pan: float


@dataclass(frozen=True)
class Shot:
    """One camera path from frame `start` on: around `target`, `elevation` degrees above it, from `begin` to `end`.

    `camera` is the word for the movement; `view` the word for where a cut went, empty for the first shot.
    """

    start: int
    camera: str
    target: Vector
    elevation: float
    begin: Aim
    end: Aim
    view: str = ""


@dataclass(frozen=True)
class Scene:
    """Everything that decides a clip. `things[0]` is the subject; `relation` holds between it and `other`."""

    seed: int
    index: int
    split: str
    width: int
    height: int
    frames: int
    event: str
    things: tuple[Thing, ...]
    props: tuple[Prop, ...]
    ground: str
    light: str
    shots: tuple[Shot, ...]
    actions: tuple[str, ...]
    relation: str = ""
    count: int = 1
    rolling_drag: float = 0.0
    sun_azimuth: float = -60.0
    fps: float = DEFAULT_FPS
    attempt: int = field(default=0, compare=False)

    @property
    def seconds(self) -> float:
        """Time from the first frame to the last."""
        return (self.frames - 1) / self.fps

    @property
    def camera(self) -> str:
        return self.shots[0].camera

    @property
    def other(self) -> Thing | Prop | None:
        """What the subject stands in relation to: the next thing that is not counted with it, else the first prop."""
        if len(self.things) > self.count:
            return self.things[self.count]
        if self.props and self.things:
            return self.props[0]
        return None
