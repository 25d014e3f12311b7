"""The denoiser: a diffusion transformer over packed spacetime tokens."""

from patchworld.dit.attention import reference_attention, span_attention
from patchworld.dit.presets import PRESETS
from patchworld.dit.recall import recall
from patchworld.dit.transformer import DiffusionTransformer, TransformerConfig

__all__ = ["PRESETS", "DiffusionTransformer", "TransformerConfig", "recall", "reference_attention", "span_attention"]
