"""What the playroom is made of: the MuJoCo model text, colours and procedural textures."""

from types import ModuleType
from typing import Any

import numpy as np

from patchworld.playroom.scene import GRAVITY

NUM_THINGS = 4
NUM_BLOCKS = 4
NUM_WEDGES = 8
NUM_PUFFS = 3
# Wedges taken by a bite: the two in front, 90 degrees wide.
BITTEN_WEDGES = (0, 7)

PIE_RADIUS, PIE_HEIGHT = 0.95, 0.42
CANDLE_RADIUS, CANDLE_HEIGHT = 0.2, 1.15
FLAME_HEIGHT = 0.27  # centre of the flame above the wax
RAMP_LENGTH, RAMP_WIDTH, RAMP_HEIGHT = 2.1, 1.2, 0.8
MAX_SIDE = 512  # the largest offscreen picture in pixels: 256 with two samples a side

# Saturated, and as far apart as eight colours can be under white, orange and blue light.
COLOUR_RGB = {
    "red": (0.88, 0.05, 0.06),
    "green": (0.04, 0.66, 0.10),
    "blue": (0.06, 0.20, 0.92),
    "yellow": (0.98, 0.86, 0.05),
    "purple": (0.56, 0.10, 0.74),
    "orange": (1.00, 0.45, 0.02),
    "white": (0.98, 0.98, 0.98),
    "black": (0.05, 0.05, 0.06),
}
# Muted, so that no ground passes for a thing.
GROUND_RGB = {
    "grass": (0.40, 0.52, 0.30),
    "sand": (0.76, 0.68, 0.52),
    "stone": (0.52, 0.52, 0.54),
    "snow": (0.68, 0.76, 0.88),
}


def xml() -> str:
    """The MJCF text of the whole pool.

    The ground is two boxes: a small one that shadows fall on, because shadows on very large triangles come out
    speckled, and 4 mm lower a large one up to the horizon. One plane would do, but MuJoCo draws it five times slower.
    """
    # Priority 1: the thing decides how a contact with the ground bounces and slides.
    ball_contact, block_contact = 'priority="1" friction="0.9 0.005 0.0005"', 'priority="1" friction="0.4 0.005 0.001"'
    textures = "".join(
        f'<texture name="{name}" type="2d" builtin="flat" rgb1="1 1 1" width="128" height="128"/>'
        f'<material name="{name}" texture="{name}" texrepeat="0.25 0.25" texuniform="true" specular="0" shininess="0"/>'
        for name in GROUND_RGB
    )
    meshes = "".join(
        f'<mesh name="crust{i}" vertex="{_wedge(i, PIE_RADIUS, 0.04, PIE_HEIGHT * 0.78)}"/>'
        f'<mesh name="filling{i}" vertex="{_wedge(i, PIE_RADIUS * 0.84, PIE_HEIGHT * 0.78, PIE_HEIGHT)}"/>'
        for i in range(NUM_WEDGES)
    )
    wedges = "".join(
        f'<geom name="pie_crust{i}" type="mesh" mesh="crust{i}" rgba="0.78 0.55 0.28 1"/>'
        f'<geom name="pie_filling{i}" type="mesh" mesh="filling{i}" rgba="0.52 0.10 0.16 1"/>'
        for i in range(NUM_WEDGES)
    )
    things = "".join(
        f'<body name="thing{i}" pos="{3 * i} 0 -40"><freejoint/>'
        f'<geom name="thing{i}_ball" type="sphere" size=".5" material="toy" {ball_contact}/>'
        f'<geom name="thing{i}_cube" type="box" size=".5 .5 .5" material="toy" {block_contact}/>'
        f'<geom name="thing{i}_cylinder" type="cylinder" size=".5 .5" material="toy" {block_contact}/></body>'
        for i in range(NUM_THINGS)
    )
    blocks = "".join(
        f'<body name="block{i}" pos="{3 * i} 5 -40"><freejoint/><geom name="block{i}_box" type="box" size=".5 .5 .5" '
        f'material="toy" friction="0.5 0.005 0.001"/></body>'
        for i in range(NUM_BLOCKS)
    )
    puffs = "".join(
        f'<body name="puff{i}" mocap="true"><geom name="puff{i}_ball" type="sphere" size="{0.19 - 0.03 * i}" '
        'rgba="0.93 0.96 1 0.75"/></body>'
        for i in range(NUM_PUFFS)
    )
    ramp = " ".join(
        f"{x} {y} {z}"
        for y in (-RAMP_WIDTH / 2, RAMP_WIDTH / 2)
        for x, z in ((-RAMP_LENGTH / 2, 0), (RAMP_LENGTH / 2, 0), (-RAMP_LENGTH / 2, RAMP_HEIGHT))
    )
    return f"""<mujoco model="playroom">
<compiler angle="radian"/>
<option timestep="0.00416667" gravity="0 0 -{GRAVITY}" integrator="Euler" cone="elliptic"/>
<size memory="8M"/>
<statistic center="0 0 0.6" extent="3.2" meansize="0.5" meanmass="1"/>
<visual>
 <global fovy="50" offwidth="{MAX_SIDE}" offheight="{MAX_SIDE}"/>
 <quality offsamples="0" shadowsize="256" numslices="20" numstacks="12" numquads="1"/>
 <map znear="0.05" zfar="40" shadowclip="2.4" haze="0.35"/>
 <headlight ambient="0.3 0.3 0.3" diffuse="0 0 0" specular="0 0 0"/>
</visual>
<asset>
 <texture name="sky" type="skybox" builtin="flat" rgb1="1 1 1" width="64" height="384"/>
 {textures}
 <material name="toy" specular="0.15" shininess="0.3"/>
 <material name="glow" emission="1" specular="0"/>
 <material name="matt" specular="0"/>
 {meshes}
 <mesh name="ramp" vertex="{ramp}"/>
</asset>
<worldbody>
 <light name="sun" directional="true" castshadow="true" pos="0 0 6" dir="0 0 -1"/>
 <geom name="ground" type="box" size="6 6 .1" pos="0 0 -.1" material="grass" friction="0.9 0.005 0.0005"/>
 <geom name="ground_far" type="box" size="302 302 .1" pos="0 0 -.104" material="grass"/>
 {things}
 {blocks}
 <body name="wall" mocap="true">
  <geom name="wall_box" type="box" size="1 .1 .8" rgba="0.47 0.33 0.28 1" material="matt"/>
 </body>
 <body name="ramp" mocap="true">
  <geom name="ramp_wedge" type="mesh" mesh="ramp" rgba="0.66 0.53 0.38 1" material="matt" friction="0.9 0.005 0.0005"/>
 </body>
 <body name="pie" mocap="true">
  <geom name="pie_plate" type="cylinder" size="{PIE_RADIUS + 0.1} 0.02" pos="0 0 0.02" rgba="0.88 0.90 0.92 1"/>
  <geom name="pie_collider" type="cylinder" size="{PIE_RADIUS} {PIE_HEIGHT / 2}" pos="0 0 {PIE_HEIGHT / 2}"/>
  {wedges}
 </body>
 <body name="candle" mocap="true">
  <geom name="candle_dish" type="cylinder" size="{CANDLE_RADIUS * 2} 0.05" pos="0 0 0.05" rgba="0.42 0.36 0.33 1"/>
  <geom name="candle_wax" type="cylinder" size="{CANDLE_RADIUS} {CANDLE_HEIGHT / 2}" pos="0 0 {CANDLE_HEIGHT / 2}"
   rgba="0.93 0.88 0.76 1"/>
  <geom name="candle_wick" type="capsule" size="0.025 0.06" pos="0 0 {CANDLE_HEIGHT + 0.06}" rgba="0.1 0.08 0.08 1"/>
 </body>
 <body name="flame" mocap="true">
  <geom name="flame_outer" type="ellipsoid" size="0.13 0.13 0.24" rgba="1 0.62 0.08 1" material="glow"/>
  <geom name="flame_halo" type="ellipsoid" size="0.24 0.24 0.38" rgba="1 0.75 0.25 0.3" material="glow"/>
 </body>
 <body name="jaw_top" mocap="true">
  <geom name="jaw_top_lip" type="ellipsoid" size="0.46 0.30 0.15" rgba="0.86 0.36 0.44 1" material="matt"/>
  <geom name="jaw_top_teeth" type="box" size="0.30 0.24 0.07" pos="0 -0.02 -0.09"
   rgba="0.95 0.95 0.93 1" material="matt"/>
 </body>
 <body name="jaw_low" mocap="true">
  <geom name="jaw_low_lip" type="ellipsoid" size="0.46 0.30 0.15" rgba="0.86 0.36 0.44 1" material="matt"/>
  <geom name="jaw_low_teeth" type="box" size="0.30 0.24 0.07" pos="0 -0.02 0.09"
   rgba="0.95 0.95 0.93 1" material="matt"/>
 </body>
 {puffs}
 <body name="smoke" mocap="true">
  <geom name="smoke_ball" type="sphere" size="0.12" rgba="0.62 0.62 0.64 0.7" material="matt"/>
 </body>
</worldbody>
</mujoco>"""


def _wedge(index: int, radius: float, low: float, high: float) -> str:
    """Vertices of a 45 degree slice of a disc from height `low` to `high`. Slices 0 and 7 meet at the front."""
    width = 2 * np.pi / NUM_WEDGES
    angles = -np.pi / 2 + width * (index + np.linspace(0, 1, 5))
    outline = [(0.0, 0.0), *((radius * np.cos(a), radius * np.sin(a)) for a in angles)]
    return " ".join(f"{x:.5f} {y:.5f} {z:.5f}" for z in (low, high) for x, y in outline)


def paint_textures(model: Any, mujoco: ModuleType) -> None:
    """Fill the ground textures of a compiled model with smooth seeded noise that tiles."""
    for seed, (name, rgb) in enumerate(GROUND_RGB.items()):
        texture = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXTURE, name)
        side = int(model.tex_width[texture])
        rng = np.random.Generator(np.random.Philox(seed))
        # Sums of a few octaves; coarse ones carry the look because fine ones alias at 64 pixels.
        amplitude = {"grass": 0.10, "sand": 0.06, "stone": 0.09, "snow": 0.03}[name]
        noise = 0.5 * _octave(rng, side, 4) + 0.8 * _octave(rng, side, 8) + 0.5 * _octave(rng, side, 16)
        if name == "stone":  # paving: joints between slabs
            noise = noise * 0.6 - 3.0 * _joints(side)
        picture = np.array(rgb) * (1 + amplitude * noise[..., None])
        pixels = np.clip(picture * 255, 0, 255).astype(np.uint8)
        start = model.tex_adr[texture]
        model.tex_data[start : start + pixels.size] = pixels.ravel()


def _octave(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Tiling noise (side, side) with `cells` random values along each side, joined by cosines."""
    values = rng.standard_normal((cells, cells))
    place = np.arange(side) * cells / side
    low = place.astype(int)
    blend = (1 - np.cos(np.pi * (place - low))) / 2
    rows = values[low] * (1 - blend[:, None]) + values[(low + 1) % cells] * blend[:, None]
    return rows[:, low] * (1 - blend) + rows[:, (low + 1) % cells] * blend


def _joints(side: int) -> np.ndarray:
    """1 on the joints of a 4 x 4 paving, else 0."""
    line = (np.arange(side) % (side // 4)) < max(1, side // 42)
    return (line[:, None] | line[None, :]).astype(float)
