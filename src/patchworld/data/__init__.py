"""From a folder of videos to what a model trains on."""

from patchworld.data.dataset import Sample, action_names, read_dataset
from patchworld.data.latents import LatentSample, encode_dataset, training_clips
from patchworld.data.unreadable import Unreadable

__all__ = [
    "LatentSample",
    "Sample",
    "Unreadable",
    "action_names",
    "encode_dataset",
    "read_dataset",
    "training_clips",
]
