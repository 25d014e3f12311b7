"""Pixels to latents and back."""

from patchworld.vae.autoencoder import Autoencoder, AutoencoderConfig
from patchworld.vae.clips import decode_clip, decode_latents, encode_clip, encode_frames, preview, to_pixels
from patchworld.vae.closed_form import BlockStatistics, fit_linear_decoder, start_from_components

__all__ = [
    "Autoencoder",
    "AutoencoderConfig",
    "BlockStatistics",
    "decode_clip",
    "decode_latents",
    "encode_clip",
    "encode_frames",
    "fit_linear_decoder",
    "preview",
    "start_from_components",
    "to_pixels",
]
