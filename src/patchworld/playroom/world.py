"""The physics of the playroom: one compiled MuJoCo model with a pool of bodies, filled anew for every scene.

Nothing is compiled per scene: unused bodies are parked below the ground with collisions off. A bite and a blown-out
flame are changes of state, caused by a mouth and a puff of air that move along a path and touch what they change.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from patchworld.errors import RunError, missing_extra
from patchworld.playroom import actors, mjcf
from patchworld.playroom.actions import JUMP_SPEED, push_acceleration
from patchworld.playroom.scene import Prop, Scene, Thing

SUBSTEP_SECONDS = 1 / 240
CONTACT_EVERY = 3  # substeps between two looks at the contacts: 12.5 ms, shorter than any bounce
VISIBLE, HIDDEN = 0, 4  # geom groups: MuJoCo draws groups 0 to 2

# Restitution lives in the damping ratio of the contact spring: e = exp(-pi z / sqrt(1 - z^2)).
STIFFNESS = 9000.0
DAMPING_RATIO = {"ball": 0.09, "cube": 0.14, "cylinder": 0.14}


def load_mujoco() -> ModuleType:
    """Import mujoco with software rendering chosen, or say what to install."""
    # Must be set before the first import; a user who prefers EGL or GLFW sets MUJOCO_GL and is respected.
    os.environ.setdefault("MUJOCO_GL", "osmesa")
    # One software-rendering thread per process: workers are the unit of parallelism, and results do not vary.
    os.environ.setdefault("LP_NUM_THREADS", "1")
    try:
        import mujoco
    except ImportError as error:
        raise missing_extra("mujoco", "sim") from error
    except (AttributeError, RuntimeError, OSError) as error:
        raise RunError(
            "the OpenGL library for the playroom is missing: apt-get install libosmesa6, or set MUJOCO_GL=egl or glfw"
        ) from error
    return mujoco


@dataclass
class World:
    """The compiled model and its data: one per process, used by one scene at a time."""

    mujoco: ModuleType
    model: Any
    data: Any
    geoms: dict[str, int]
    bodies: dict[str, int]
    owner: list[str]  # geom id -> name of the body a user would speak of


@lru_cache(maxsize=1)
def world() -> World:
    """This process's world."""
    mujoco = load_mujoco()
    model = mujoco.MjModel.from_xml_string(mjcf.xml())
    mjcf.paint_textures(model, mujoco)
    geoms = {model.geom(i).name: i for i in range(model.ngeom)}
    bodies = {model.body(i).name: i for i in range(model.nbody)}
    owner = [
        "ground" if model.geom_bodyid[i] == 0 else model.body(int(model.geom_bodyid[i])).name
        for i in range(model.ngeom)
    ]
    return World(mujoco, model, mujoco.MjData(model), geoms, bodies, owner)


@dataclass(frozen=True)
class Trajectory:
    """What happened, frame by frame.

    `position` (frames, bodies, 3), `rotation` (frames, bodies, 4) as w x y z, `velocity` (frames, bodies, 3) belong to
    `names`: "thing0"..., "block0"... `mocap` (frames, mocap bodies, 7) poses what moves without physics. `contacts[i]`
    are the pairs that touched between frame i - 1 and frame i. `flags[i]` is e.g. {"lit": True} or {"bitten": False}.
    """

    names: tuple[str, ...]
    position: np.ndarray
    rotation: np.ndarray
    velocity: np.ndarray
    qpos: np.ndarray
    mocap: np.ndarray
    contacts: tuple[frozenset[tuple[str, str]], ...]
    flags: tuple[dict[str, bool], ...]


@lru_cache(maxsize=4)
def simulate(scene: Scene) -> Trajectory:
    """Run the physics of `scene`. The last few results are kept: sampling verifies a scene, playing it draws it."""
    with _alone:
        return _simulate(scene)


_alone = Lock()  # threads share the one world of their process


def _simulate(scene: Scene) -> Trajectory:
    w = world()
    model, data, mujoco = w.model, w.data, w.mujoco
    fill(w, scene)
    names = moving_names(scene)
    ids = [w.bodies[name] for name in names]
    substeps = max(1, round(1 / (scene.fps * SUBSTEP_SECONDS)))
    model.opt.timestep = 1 / (scene.fps * substeps)

    frames, contacts, flags = [], [], []
    touched: set[tuple[str, str]] = set()
    for frame in range(scene.frames):
        time = frame / scene.fps
        flag = pose_actors(w, scene, time)
        mujoco.mj_forward(model, data)
        touched |= touching(w) | actor_contacts(scene, time)
        adr = [model.body_dofadr[i] for i in ids]
        frames.append(
            (
                data.xpos[ids].copy(),
                data.xquat[ids].copy(),
                np.array([data.qvel[a : a + 3] for a in adr]).reshape(-1, 3),
                data.qpos.copy(),
                np.concatenate([data.mocap_pos, data.mocap_quat], axis=1),
            )
        )
        contacts.append(frozenset(touched))
        flags.append(flag)
        touched = set()
        act(w, scene, scene.actions[frame], on_ground=("ground", "thing0") in contacts[-1])
        for step in range(0, substeps, CONTACT_EVERY):
            mujoco.mj_step(model, data, min(CONTACT_EVERY, substeps - step))
            touched |= touching(w)
    position, rotation, velocity, qpos, mocap = (np.array(part) for part in zip(*frames, strict=True))
    return Trajectory(names, position, rotation, velocity, qpos, mocap, tuple(contacts), tuple(flags))


def act(w: World, scene: Scene, action: str, on_ground: bool) -> None:
    """Begin `action` on the first thing: a force until the next frame, or a leap, which needs ground to push off."""
    body = w.bodies["thing0"]
    w.data.xfrc_applied[body, :3] = np.array(push_acceleration(action, scene.fps)) * w.model.body_mass[body]
    if action == "jump" and on_ground:
        w.data.qvel[w.model.body_dofadr[body] + 2] = JUMP_SPEED


def moving_names(scene: Scene) -> tuple[str, ...]:
    """Names of the bodies that physics moves in `scene`."""
    blocks = sum(prop.num_blocks for prop in scene.props)
    return tuple(f"thing{i}" for i in range(len(scene.things))) + tuple(f"block{i}" for i in range(blocks))


def touching(w: World) -> set[tuple[str, str]]:
    """Pairs of names in contact now, in alphabetical order."""
    if not w.data.ncon:
        return set()
    pairs = set()
    for a, b in w.data.contact.geom.tolist():
        one, two = w.owner[a], w.owner[b]
        pairs.add((one, two) if one < two else (two, one))
    return pairs


def fill(w: World, scene: Scene) -> None:
    """Put the things and props of `scene` into the pool and park the rest."""
    model, data, mujoco = w.model, w.data, w.mujoco
    mujoco.mj_resetData(model, data)
    model.geom_group[:] = HIDDEN
    model.geom_contype[:] = 0
    model.geom_conaffinity[:] = 0
    model.dof_damping[:] = 0.0
    # Of the parked bodies too: the solver's tolerance depends on all masses, and no scene may depend on the last one.
    model.body_mass[1:] = 1.0
    model.body_inertia[1:] = 0.1
    model.body_gravcomp[:] = 1.0
    for name in ("ground", "ground_far"):
        ground = w.geoms[name]
        model.geom_group[ground] = VISIBLE
        _collide(model, ground)
        model.geom_matid[ground] = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_MATERIAL, scene.ground)
    for i, name in enumerate(w.bodies):
        joint = model.body_jntadr[w.bodies[name]]
        if joint >= 0:
            adr = model.jnt_qposadr[joint]
            data.qpos[adr : adr + 7] = (3.0 * i, 0, -40, 1, 0, 0, 0)
        elif model.body_mocapid[w.bodies[name]] >= 0:
            data.mocap_pos[model.body_mocapid[w.bodies[name]]] = (0, 0, -40)
            data.mocap_quat[model.body_mocapid[w.bodies[name]]] = (1, 0, 0, 0)
    for i, thing in enumerate(scene.things):
        _place_thing(w, f"thing{i}", thing, scene.rolling_drag, _mass(scene, i))
    for prop in scene.props:
        _place_prop(w, prop)
    mujoco.mj_setConst(model, data)
    # mj_setConst leaves the model's reference pose in data: put the scene's back.
    for i, thing in enumerate(scene.things):
        _pose(w, f"thing{i}", thing.position, thing.yaw, thing.velocity, thing.size if thing.shape == "ball" else None)
    for prop in scene.props:
        _pose_prop(w, prop)


def _mass(scene: Scene, thing: int) -> float:
    """Kilograms: a ball heavy enough for its tower, a target light enough to be seen moving."""
    if scene.event == "knocks over a tower":
        return 4.0
    return 0.6 if scene.event == "hits" and thing == 1 else 1.0


def _collide(model: Any, geom: int) -> None:
    model.geom_contype[geom] = 1
    model.geom_conaffinity[geom] = 1


def _place_thing(w: World, name: str, thing: Thing, drag: float, mass: float) -> None:
    model = w.model
    geom, body = w.geoms[f"{name}_{thing.shape}"], w.bodies[name]
    half = thing.size / 2
    model.geom_size[geom] = {"ball": (half, 0, 0), "cube": (half, half, half), "cylinder": (half * 0.82, half, 0)}[
        thing.shape
    ]
    model.geom_rbound[geom] = half * {"ball": 1.0, "cube": 3**0.5, "cylinder": (1 + 0.82**2) ** 0.5}[thing.shape]
    model.geom_rgba[geom] = (*mjcf.COLOUR_RGB[thing.colour], 1)
    ratio = DAMPING_RATIO[thing.shape]
    model.geom_solref[geom] = (-STIFFNESS, -2 * ratio * STIFFNESS**0.5)
    model.geom_group[geom] = VISIBLE
    _collide(model, geom)
    moments = {
        "ball": np.full(3, 0.4 * half**2),
        "cube": np.full(3, 2 / 3 * half**2),
        "cylinder": np.array([0.25 * 0.67 + 1 / 3, 0.25 * 0.67 + 1 / 3, 0.5 * 0.67]) * half**2,
    }[thing.shape]
    model.body_mass[body] = mass
    model.body_inertia[body] = mass * moments
    model.body_gravcomp[body] = 0.0
    if thing.shape == "ball" and drag:
        dof = model.body_dofadr[body]
        model.dof_damping[dof : dof + 2] = drag * mass
        model.dof_damping[dof + 3 : dof + 6] = drag * mass * 0.4 * half**2


def _pose(
    w: World, name: str, position: Any, yaw: float, velocity: Any = (0, 0, 0), rolling: float | None = None
) -> None:
    model, data, body = w.model, w.data, w.bodies[name]
    quat = (np.cos(yaw / 2), 0, 0, np.sin(yaw / 2))
    adr, dof = model.jnt_qposadr[model.body_jntadr[body]], model.body_dofadr[body]
    data.qpos[adr : adr + 3] = position
    data.qpos[adr + 3 : adr + 7] = quat
    data.qvel[dof : dof + 3] = velocity
    if rolling:  # roll without slipping: angular velocity = up x velocity / radius (yaw of a ball is 0)
        data.qvel[dof + 3 : dof + 6] = (-velocity[1] / (rolling / 2), velocity[0] / (rolling / 2), 0)


def _place_prop(w: World, prop: Prop) -> None:
    model = w.model
    parts = {
        "wall": ["wall_box"],
        "ramp": ["ramp_wedge"],
        "pie": ["pie_plate", *(f"pie_{layer}{i}" for i in range(mjcf.NUM_WEDGES) for layer in ("crust", "filling"))],
        "candle": ["candle_wax", "candle_wick", "candle_dish"],
        "tower": [f"block{i}_box" for i in range(prop.num_blocks)],
    }[prop.kind]
    for name in parts:
        model.geom_group[w.geoms[name]] = VISIBLE
    if prop.kind == "wall":
        model.geom_size[w.geoms["wall_box"]] = np.array(prop.size) / 2
        model.geom_rbound[w.geoms["wall_box"]] = np.linalg.norm(prop.size) / 2
    for name in (
        parts if prop.kind in ("wall", "ramp", "tower") else ["pie_collider"] if prop.kind == "pie" else ["candle_wax"]
    ):
        _collide(model, w.geoms[name])
    if prop.kind == "tower":
        half = prop.size[2] / prop.num_blocks / 2
        for i in range(prop.num_blocks):
            geom, body = w.geoms[f"block{i}_box"], w.bodies[f"block{i}"]
            model.geom_size[geom] = (half, half, half)
            model.geom_rbound[geom] = half * 3**0.5
            shade = 1.0 if i % 2 == 0 else 0.78  # alternate shades so that single blocks can be seen
            model.geom_rgba[geom] = (*(shade * np.array(mjcf.COLOUR_RGB[prop.colour])), 1)
            model.body_mass[body] = 0.4
            model.body_inertia[body] = 0.4 * 2 / 3 * half**2
            model.body_gravcomp[body] = 0.0


def _pose_prop(w: World, prop: Prop) -> None:
    x, y = prop.position
    if prop.kind == "tower":
        edge = prop.size[2] / prop.num_blocks
        for i in range(prop.num_blocks):
            _pose(w, f"block{i}", (x, y, edge * (i + 0.5)), 0.0)
        return
    mocap = w.model.body_mocapid[w.bodies[prop.kind]]
    height = prop.size[2] / 2 if prop.kind == "wall" else 0.0
    w.data.mocap_pos[mocap] = (x, y, height)
    turn = np.pi if prop.kind == "ramp" and prop.side > 0 else 0.0
    w.data.mocap_quat[mocap] = (np.cos(turn / 2), 0, 0, np.sin(turn / 2))


def pose_actors(w: World, scene: Scene, time: float) -> dict[str, bool]:
    """Move mouth, puffs and flame to where they are at `time` (seconds) and return the flags of that moment."""
    flags: dict[str, bool] = {}
    for prop in scene.props:
        if prop.kind == "pie":
            poses, flags["bitten"] = actors.bite(scene, prop, time)
        elif prop.kind == "candle":
            poses, flags["lit"] = actors.blow(scene, prop, time)
        else:
            continue
        for name, position in poses.items():
            w.data.mocap_pos[w.model.body_mocapid[w.bodies[name]]] = position
    return flags


def actor_contacts(scene: Scene, time: float) -> set[tuple[str, str]]:
    """Contacts of mouth and puffs, which move without physics, from their positions."""
    return {pair for prop in scene.props for pair in actors.contacts(scene, prop, time)}
