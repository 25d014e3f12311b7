"""Pictures of a scene: one OpenGL context per process, reused for every scene and size."""

import atexit
from functools import lru_cache
from typing import Any

import numpy as np

from patchworld.errors import RunError
from patchworld.playroom import mjcf
from patchworld.playroom.camera import View, view
from patchworld.playroom.scene import Scene
from patchworld.playroom.world import HIDDEN, VISIBLE, Trajectory, World, fill, world

# Pictures are drawn with this many samples along each side of a pixel and averaged: smooth edges are easier to learn,
# and cheaper than OpenGL multisampling in software.
SAMPLES = 2

# light -> (ambient, sun colour, sun elevation in degrees, sky at the horizon, sky above)
LIGHTING = {
    "day": ((0.55, 0.55, 0.57), (0.62, 0.61, 0.58), 52.0, (0.80, 0.90, 0.98), (0.36, 0.62, 0.94)),
    "sunset": ((0.50, 0.47, 0.46), (0.64, 0.54, 0.42), 30.0, (1.00, 0.60, 0.30), (0.62, 0.34, 0.52)),
    "night": ((0.41, 0.42, 0.48), (0.36, 0.38, 0.44), 50.0, (0.10, 0.13, 0.26), (0.02, 0.03, 0.10)),
}


class Painter:
    """The renderer of this process."""

    def __init__(self, w: World) -> None:
        mujoco = w.mujoco
        self.world = w
        self.gl, self.context = _open_gl(w)
        self.scene = mujoco.MjvScene(w.model, maxgeom=200)
        self.option = mujoco.MjvOption()
        self.perturb = mujoco.MjvPerturb()
        self.camera = mujoco.MjvCamera()
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.context)
        self.sky = ""

    def light(self, scene: Scene) -> None:
        """Set sun and sky for `scene`."""
        w, mujoco = self.world, self.world.mujoco
        ambient, sun, elevation, horizon, zenith = LIGHTING[scene.light]
        model = w.model
        model.vis.headlight.ambient[:] = ambient
        turn, tilt = np.radians(scene.sun_azimuth), np.radians(elevation)
        towards = np.array((np.sin(turn) * np.cos(tilt), -np.cos(turn) * np.cos(tilt), np.sin(tilt)))
        model.light_dir[0] = -towards
        model.light_pos[0] = np.array((0, 0, 0.6)) + 6 * towards
        model.light_diffuse[0] = sun
        model.light_specular[0] = np.array(sun) * 0.3
        model.light_ambient[0] = 0
        model.vis.rgba.haze[:] = (*horizon, 1)
        if self.sky != scene.light:
            paint_sky(model, np.array(horizon), np.array(zenith), stars=scene.light == "night")
            mujoco.mjr_uploadTexture(model, self.context, 0)
            self.sky = scene.light

    def aim(self, camera: View) -> None:
        """Point the camera."""
        w = self.world
        w.model.vis.global_.fovy = camera.fovy
        self.camera.type = w.mujoco.mjtCamera.mjCAMERA_FREE
        self.camera.distance = 1.0
        self.camera.lookat[:] = camera.position + camera.forward
        self.camera.azimuth = np.degrees(np.arctan2(camera.forward[1], camera.forward[0]))
        self.camera.elevation = -camera.elevation

    def paint(self, width: int, height: int, segment: bool = False) -> np.ndarray:
        """Draw the present state: uint8 (height, width, 3); `segment`: geom number + 1, int32 (height, width)."""
        w, mujoco = self.world, self.world.mujoco
        flags = self.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = segment
        flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = segment
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = not segment
        flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = not segment
        flags[mujoco.mjtRndFlag.mjRND_HAZE] = not segment
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        mujoco.mjv_updateScene(
            w.model, w.data, self.option, self.perturb, self.camera, mujoco.mjtCatBit.mjCAT_ALL, self.scene
        )
        if segment:
            rect = mujoco.MjrRect(0, 0, width, height)
            mujoco.mjr_render(rect, self.scene, self.context)
            pixels = np.empty((height, width, 3), np.uint8)
            mujoco.mjr_readPixels(pixels, None, rect, self.context)
            ids = pixels[::-1].astype(np.int32) @ np.array((1, 256, 65536))
            geom_of = np.full(self.scene.ngeom + 1, 0, np.int32)
            for i in range(self.scene.ngeom):
                item = self.scene.geoms[i]
                geom_of[item.segid + 1] = item.objid + 1
            return geom_of[ids]
        rect = mujoco.MjrRect(0, 0, width * SAMPLES, height * SAMPLES)
        mujoco.mjr_render(rect, self.scene, self.context)
        pixels = np.empty((height * SAMPLES, width * SAMPLES, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, rect, self.context)
        return shrink(pixels[::-1])

    def close(self) -> None:
        """Free the OpenGL context."""
        self.context.free()
        self.gl.free()


def shrink(pixels: np.ndarray) -> np.ndarray:
    """Average SAMPLES x SAMPLES blocks, rounding half up."""
    height, width = pixels.shape[0] // SAMPLES, pixels.shape[1] // SAMPLES
    total = np.full((height, width, 3), SAMPLES**2 // 2, np.uint16)
    for i in range(SAMPLES):
        for j in range(SAMPLES):
            total += pixels[i::SAMPLES, j::SAMPLES]
    return (total // SAMPLES**2).astype(np.uint8)


def _open_gl(w: World) -> tuple[Any, Any]:
    """An OpenGL context and MuJoCo's renderer in it."""
    try:
        gl = w.mujoco.GLContext(mjcf.MAX_SIDE, mjcf.MAX_SIDE)
        gl.make_current()
        return gl, w.mujoco.MjrContext(w.model, w.mujoco.mjtFontScale.mjFONTSCALE_50)
    except Exception as error:  # each platform raises its own kinds
        reason = str(error).partition(",")[0]
        raise RunError(
            f"cannot open OpenGL for the playroom ({reason}): apt-get install libosmesa6, or set MUJOCO_GL=egl or glfw"
        ) from error


@lru_cache(maxsize=1)
def painter() -> Painter:
    """This process's renderer: making one takes a tenth of a second, so it is kept."""
    made = Painter(world())
    # Freed before the interpreter goes: afterwards the OpenGL library is gone and its destructor complains.
    atexit.register(made.close)
    return made


def paint_sky(model: Any, horizon: np.ndarray, zenith: np.ndarray, stars: bool) -> None:
    """Fill the sky box: `horizon` colour up to `zenith` colour 25 degrees higher, where the picture ends."""
    side = int(model.tex_width[0])
    centre = (np.arange(side) + 0.5) / side * 2 - 1
    u, v = np.meshgrid(centre, centre)
    one = np.ones_like(u)
    # Faces: right, left, up, down, front, back. On the four sides rows run from up to down.
    height = np.stack([-v, -v, one, -one, -v, -v]) / np.sqrt(1 + u**2 + v**2)
    blend = np.clip(np.degrees(np.arcsin(height)) / 25, 0, 1)[..., None]
    picture = horizon * (1 - blend) + zenith * blend
    if stars:
        rng = np.random.Generator(np.random.Philox(7))
        shining = (rng.random(blend.shape[:-1]) < 0.012) & (height > 0.03)
        picture[shining] = (0.8, 0.82, 0.9)
    pixels = np.clip(picture * 255, 0, 255).astype(np.uint8)
    start = model.tex_adr[0]
    model.tex_data[start : start + pixels.size] = pixels.ravel()


def pose(w: World, trajectory: Trajectory, frame: int) -> None:
    """Put the world into the state of `frame`, bites and flames included."""
    data, model = w.data, w.model
    data.qpos[:] = trajectory.qpos[frame]
    data.mocap_pos[:] = trajectory.mocap[frame, :, :3]
    data.mocap_quat[:] = trajectory.mocap[frame, :, 3:]
    bitten = trajectory.flags[frame].get("bitten", False)
    for i in mjcf.BITTEN_WEDGES:
        for layer in ("crust", "filling"):
            geom = w.geoms[f"pie_{layer}{i}"]
            if "bitten" in trajectory.flags[frame]:
                model.geom_group[geom] = HIDDEN if bitten else VISIBLE
    w.mujoco.mj_kinematics(model, data)
    w.mujoco.mj_camlight(model, data)


ACTORS = {"pie": ("jaw",), "candle": ("puff", "smoke", "flame")}


def show_actors(w: World, scene: Scene) -> None:
    """Make mouth, puffs, smoke and flame visible where the scene has a use for them; parked ones stand underground."""
    for name, geom in w.geoms.items():
        if any(name.startswith(ACTORS.get(prop.kind, ())) for prop in scene.props):
            w.model.geom_group[geom] = VISIBLE


def render(scene: Scene, trajectory: Trajectory) -> tuple[np.ndarray, list[dict[str, int]]]:
    """All frames of `scene`, uint8 (frames, height, width, 3), and per frame how many pixels each body covers."""
    p = painter()
    w = p.world
    fill(w, scene)
    show_actors(w, scene)
    p.light(scene)
    frames = np.empty((scene.frames, scene.height, scene.width, 3), np.uint8)
    visible = []
    for frame in range(scene.frames):
        pose(w, trajectory, frame)
        p.aim(view(scene, frame))
        frames[frame] = p.paint(scene.width, scene.height)
        visible.append(count_pixels(w, p.paint(scene.width, scene.height, segment=True)))
    return frames, visible


def count_pixels(w: World, ids: np.ndarray) -> dict[str, int]:
    """How many pixels each body covers in a segmentation picture."""
    counts = np.bincount(ids.ravel(), minlength=w.model.ngeom + 1)
    result: dict[str, int] = {}
    for geom in np.flatnonzero(counts):
        if geom and w.owner[geom - 1] != "ground":
            name = w.owner[geom - 1]
            result[name] = result.get(name, 0) + int(counts[geom])
    return result
