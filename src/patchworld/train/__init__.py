"""Learning: one loop, and a task for each part that is trained."""

from patchworld.train.autoencoder import AutoencoderTask
from patchworld.train.config import Stage, TrainConfig
from patchworld.train.fine_tune import LoraTask, freeze, load_to_learn
from patchworld.train.judged import JudgedTask
from patchworld.train.loop import train
from patchworld.train.mending import MendingTask
from patchworld.train.transformer import TransformerTask, new_model

__all__ = [
    "AutoencoderTask",
    "JudgedTask",
    "LoraTask",
    "MendingTask",
    "Stage",
    "TrainConfig",
    "TransformerTask",
    "freeze",
    "load_to_learn",
    "new_model",
    "train",
]
