"""Pixels to latents and back."""

from patchworld.vae.autoencoder import Autoencoder, AutoencoderConfig
from patchworld.vae.closed_form import BlockStatistics, start_from_components

__all__ = ["Autoencoder", "AutoencoderConfig", "BlockStatistics", "start_from_components"]
