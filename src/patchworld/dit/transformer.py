"""The diffusion transformer: noisy spacetime tokens in, what the noise process predicts out (Peebles and Xie 2023).

Each clip of a pack attends to its own tokens and, in the same softmax, to the words of its prompt, which enter every
block as further keys and values; the mean of the words also joins the noise level. Noise levels differ from token to
token, so that one model serves every mixture of given and dreamed spacetime.
"""

import math

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from patchworld.dit.attention import span_attention
from patchworld.dit.modulation import Runs, find_runs
from patchworld.dit.rotary import rotary_angles, rotate
from patchworld.patches import Pack


class TransformerConfig(BaseModel):
    """Sizes of a diffusion transformer. `patch` is the side of a patch in latent voxels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent_channels: PositiveInt = 16
    patch: PositiveInt = 2
    num_outputs: PositiveInt = 64  # values predicted for each token: p, or 2p with learned covariance
    width: PositiveInt = 256
    depth: PositiveInt = 8
    head_width: PositiveInt = 128  # measured: a tenth faster than 64 at equal width on a CPU
    text_width: PositiveInt = 256
    actions: tuple[str, ...] = ()  # names of the actions the model understands, one hot each

    @property
    def num_inputs(self) -> int:
        """Values of one token."""
        return self.latent_channels * self.patch**2


PRESETS = {
    "tiny": {"width": 64, "depth": 2, "head_width": 32},
    "small": {"width": 256, "depth": 8},  # 10 M parameters with its text encoder: the shipped model
    "base": {"width": 384, "depth": 8},
    "large": {"width": 1024, "depth": 24},
}


class HeadNorm(nn.Module):
    """Layer norm of each head's queries or keys: bounds the scores, which bfloat16 needs (Dehghani et al. 2023, section
    2).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weight.to(x.dtype))


class Block(nn.Module):
    """Attention and a two-layer perceptron, each modulated by the noise level and gated; starts as the identity."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = (width // config.head_width, config.head_width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.text_kv = nn.Linear(config.text_width, 2 * width, bias=False)
        self.q_norm = HeadNorm(config.head_width)
        self.k_norm = HeadNorm(config.head_width)
        self.text_k_norm = HeadNorm(config.head_width)
        self.project = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        # The block's own offset to the modulation that all blocks share (PixArt-alpha, Chen et al. 2023, section 2.3).
        self.modulation = nn.Parameter(torch.zeros(6 * width))

    def forward(
        self,
        x: Tensor,  # (n, d)
        lengths: tuple[int, ...],
        rotation: tuple[Tensor, Tensor],  # 2 x (n, 1, k/2)
        text: Tensor,  # (m, text width)
        text_lengths: tuple[int, ...],
        shared: Tensor,  # (r, 6 d)
        runs: Runs,
    ) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = (shared + self.modulation).to(x.dtype).chunk(6, dim=1)
        h = runs.apply(modulate, F.layer_norm(x, x.shape[-1:]), shift1, scale1)
        q, k, v = self.qkv(h).unflatten(-1, (3, *self.heads)).unbind(1)  # (n, heads, k) each
        q, k = rotate(self.q_norm(q), *rotation), rotate(self.k_norm(k), *rotation)
        text_k, text_v = self.text_kv(text).unflatten(-1, (2, *self.heads)).unbind(1)  # (m, heads, k) each
        k = interleave(k, self.text_k_norm(text_k), lengths, text_lengths)
        v = interleave(v, text_v, lengths, text_lengths)
        k_lengths = [a + b for a, b in zip(lengths, text_lengths, strict=True)]
        out = span_attention(q, k, v, lengths, k_lengths)
        x = x + runs.apply(torch.mul, self.project(out.flatten(1)), gate1)
        h = runs.apply(modulate, F.layer_norm(x, x.shape[-1:]), shift2, scale2)
        return x + runs.apply(torch.mul, self.mlp(h), gate2)


class DiffusionTransformer(nn.Module):
    """Predicts the noise process's target for every token of a pack."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embed_tokens = nn.Linear(config.num_inputs, width)
        self.embed_level = nn.Sequential(nn.Linear(LEVEL_FREQUENCIES * 2, width), nn.SiLU(), nn.Linear(width, width))
        self.embed_prompt = nn.Linear(config.text_width, width)
        self.embed_action = nn.Linear(len(config.actions), width, bias=False) if config.actions else None
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.final_modulation = nn.Linear(width, 2 * width)
        self.final = nn.Linear(width, config.num_outputs)
        self.init_weights()

    def init_weights(self) -> None:
        """Xavier for matrices; zero for what modulates and for the output: blocks start as identities (adaLN-Zero)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for layer in (self.modulation, self.final_modulation, self.final):
            nn.init.zeros_(layer.weight)
        if self.embed_action is not None:
            nn.init.zeros_(self.embed_action.weight)

    def forward(
        self, pack: Pack, level: Tensor, text: Tensor, text_lengths: tuple[int, ...], actions: Tensor | None = None
    ) -> Tensor:
        """Predictions (n, num_outputs), float32.

        pack            noisy tokens (n, p) with their places
        level           (n,) noise level of each token, 1 = pure noise, 0 = clean
        text            (m, text width) the encoded prompts of all clips, one after the other
        text_lengths    words of each clip's prompt
        actions         (latent frames, actions) what happens in each latent frame of the pack; None says nothing
        about it
        """
        runs = find_runs(pack, level)
        prompts = torch.stack([words.mean(0) for words in text.split(text_lengths)])  # (clips, text width)
        clip = pack.frame_clips.to(runs.frames.device)[runs.frames]  # (r,)
        condition = self.embed_level(level_features(runs.levels)) + self.embed_prompt(prompts)[clip]  # (r, d)
        if actions is not None and self.embed_action is not None:
            condition = condition + self.embed_action(actions)[runs.frames]
        condition = F.silu(condition)
        shared = self.modulation(condition)  # (r, 6 d)
        x = self.embed_tokens(pack.tokens)  # (n, d)
        angles = rotary_angles(pack.positions, self.config.head_width)[:, None]
        rotation = (angles.cos().to(x.dtype), angles.sin().to(x.dtype))
        for block in self.blocks:
            x = block(x, pack.lengths, rotation, text, text_lengths, shared, runs)
        shift, scale = self.final_modulation(condition).to(x.dtype).chunk(2, dim=1)
        return self.final(runs.apply(modulate, F.layer_norm(x, x.shape[-1:]), shift, scale)).float()


LEVEL_FREQUENCIES = 64


def level_features(level: Tensor) -> Tensor:
    """Cosines and sines of the noise level (r,) at 64 frequencies from 1 to 1000 half turns: (r, 128)."""
    frequencies = math.pi * 1000 ** (torch.arange(LEVEL_FREQUENCIES, device=level.device) / (LEVEL_FREQUENCIES - 1))
    angles = level.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x * (1 + scale) + shift, in one pass over memory."""
    return torch.addcmul(shift, x, 1 + scale)


def interleave(
    first: Tensor, second: Tensor, first_lengths: tuple[int, ...], second_lengths: tuple[int, ...]
) -> Tensor:
    """Span by span the first tensor's rows, then the second's: a clip's tokens followed by its words."""
    pairs = zip(first.split(first_lengths), second.split(second_lengths), strict=True)
    return torch.cat([piece for pair in pairs for piece in pair])
