"""Learning: one loop, and a task for each part that is trained."""

from patchworld.train.autoencoder import AutoencoderTask
from patchworld.train.config import Stage, TrainConfig
from patchworld.train.loop import train
from patchworld.train.transformer import TransformerTask

__all__ = ["AutoencoderTask", "Stage", "TrainConfig", "TransformerTask", "train"]
