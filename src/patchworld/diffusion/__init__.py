"""Noise <-> data: two noise processes, rectified flow and DDPM, behind one interface that never sees a model.

process.py says what a noise process is, and what levels and caps are: read it first. flow.py and ddpm.py are the two;
solvers.py integrates the flow; guidance.py sharpens a denoiser by its prompt; noise.py is where the noise comes from.
"""

from patchworld.diffusion.ddpm import DDPM
from patchworld.diffusion.flow import RectifiedFlow, shift_level
from patchworld.diffusion.guidance import PredictBoth, guided
from patchworld.diffusion.noise import addressed_noise, check_seed
from patchworld.diffusion.process import FreshNoise, NoiseProcess, OnStep, Predict

__all__ = [
    "DDPM",
    "FreshNoise",
    "NoiseProcess",
    "OnStep",
    "Predict",
    "PredictBoth",
    "RectifiedFlow",
    "addressed_noise",
    "check_seed",
    "guided",
    "shift_level",
]
