"""The diffusion transformer: noisy spacetime tokens in, what the noise process predicts out (Peebles and Xie 2023).

Each clip of a pack attends to its own tokens and, in the same softmax, to the words of its prompt, which enter every
block as further keys and values; the mean of the words also joins the noise level. Noise levels differ from token to
token, so that one model serves every mixture of given and dreamed spacetime.
"""

import math
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from patchworld.dit.attention import span_attention
from patchworld.dit.modulation import Runs, find_runs
from patchworld.dit.rotary import rotary_angles, rotate
from patchworld.dit.windows import Pattern, Spans, find_spans, windows_of
from patchworld.patches import Embedding, Pack, PatchGrid


class TransformerConfig(BaseModel):
    """Sizes of a diffusion transformer, how it embeds video, and which tokens attend to each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent_channels: PositiveInt = 16  # the first ones of the autoencoder's
    patch: PositiveInt = 2  # side of a patch in latent voxels
    patch_time: PositiveInt = 1  # latent frames that a token stands for
    embedding: Embedding = "tubelet"  # what a token holds of them: see patches.PatchGrid
    num_outputs: PositiveInt = 64  # values predicted for each token: p, or 2p with learned covariance
    linear_guess: bool = False  # the output is what the best linear guess lacks: see diffusion's `from_guess`
    width: PositiveInt = 256
    depth: PositiveInt = 8
    head_width: PositiveInt = 128  # measured: a tenth faster than 64 at equal width on a CPU
    text_width: PositiveInt = 256
    actions: tuple[str, ...] = ()  # names of the actions the model understands
    token_frames: PositiveInt = 4  # pixel frames that a token stands for, each with an action of its own
    action_history: NonNegativeInt = 0  # earlier token frames of a clip whose actions each one is told of too
    attention: Pattern = "full"  # see windows.windows_of
    window: tuple[PositiveInt, PositiveInt, PositiveInt] = (5, 8, 8)  # tokens; the box of attention="window"
    recall: NonNegativeInt = 0  # width of the queries and keys of `recall.recall`; 0: there is none
    motion: Literal[0, 4] = 0  # numbers said of each voxel about how it moves, see patchworld.motion; 0: none

    @property
    def grid(self) -> PatchGrid:
        """How latents are cut into tokens."""
        return PatchGrid(self.patch_time, self.patch, self.embedding)

    @property
    def num_inputs(self) -> int:
        """Values of one token."""
        return self.grid.num_values(self.latent_channels)

    @property
    def num_motion(self) -> int:
        """Values that are said of each token's motion."""
        return self.grid.num_values(self.motion)

    @property
    def num_deeds(self) -> int:
        """Values that say what is done during one token: see canvas.action_row."""
        return len(self.actions) * self.token_frames

    @property
    def num_told(self) -> int:
        """Values that each token is told of actions: those of its own time, then those of one token frame before..."""
        return self.num_deeds * (1 + self.action_history)


class HeadNorm(nn.Module):
    """Layer norm of each head's queries or keys: bounds the scores, which bfloat16 needs (Dehghani et al. 2023, section
    2).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        # Autocast on CUDA makes layer norm float32; queries and keys have to stay in the type of the values.
        return F.layer_norm(x, x.shape[-1:], self.weight.to(x.dtype)).to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, text_k: Tensor, text_v: Tensor, spans: Spans) -> Tensor:
    """Every token attends to those of its window and to the words: tokens (n, heads, k), words (m, heads, k)."""
    k, v = spans.gather_keys(k, text_k), spans.gather_keys(v, text_v)
    return spans.scatter_queries(span_attention(spans.gather_queries(q), k, v, spans.lengths, spans.k_lengths))


class Block(nn.Module):
    """Attention and a two-layer perceptron, each modulated by the noise level and gated; starts as the identity.

    `attend` is the only place where tokens meet; another function there can bring together tokens from elsewhere.
    """

    attend = staticmethod(attend)

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
        # The exact GELU: on a CPU PyTorch's tanh form takes four times as long, and they differ by less than 0.0005.
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        # The block's own offset to the modulation that all blocks share (PixArt-alpha, Chen et al. 2023, section 2.3).
        self.modulation = nn.Parameter(torch.zeros(6 * width))

    def forward(
        self,
        x: Tensor,  # (n, d)
        spans: Spans,
        rotation: tuple[Tensor, Tensor],  # 2 x (n, 1, k/2)
        text: Tensor,  # (m, text width)
        shared: Tensor,  # (r, 6 d)
        runs: Runs,
    ) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = (shared + self.modulation).to(x.dtype).chunk(6, dim=1)
        h = runs.apply(modulate, F.layer_norm(x, x.shape[-1:]), shift1, scale1)
        q, k, v = self.qkv(h).unflatten(-1, (3, *self.heads)).unbind(1)  # (n, heads, k) each
        q, k = rotate(self.q_norm(q), *rotation), rotate(self.k_norm(k), *rotation)
        text_k, text_v = self.text_kv(text).unflatten(-1, (2, *self.heads)).unbind(1)  # (m, heads, k) each
        out = self.attend(q, k, v, self.text_k_norm(text_k), text_v, spans)
        x = x + runs.apply(torch.mul, self.project(out.flatten(1)), gate1)
        h = runs.apply(modulate, F.layer_norm(x, x.shape[-1:]), shift2, scale2)
        return x + runs.apply(torch.mul, self.mlp(h), gate2)


class DiffusionTransformer(nn.Module):
    """Predicts the noise process's target for every token of a pack.

    `recompute` is how many of the blocks forget what is inside them and compute it again on the way back: memory for
    time, with equal gradients (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
    """

    recompute: int = 0
    token_variance: Tensor | None  # (p,) of clean tokens, where the linear guess is used

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("token_variance", torch.ones(config.num_inputs) if config.linear_guess else None)
        width = config.width
        self.embed_tokens = nn.Linear(config.num_inputs, width)
        self.embed_level = nn.Sequential(nn.Linear(LEVEL_FREQUENCIES * 2, width), nn.SiLU(), nn.Linear(width, width))
        self.embed_prompt = nn.Linear(config.text_width, width)
        self.embed_action = nn.Linear(config.num_told, width, bias=False) if config.actions else None
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.final_modulation = nn.Linear(width, 2 * width)
        self.final = nn.Linear(width, config.num_outputs)
        self.address = nn.Linear(width, 2 * config.recall, bias=False) if config.recall else None
        self.motion = nn.Linear(width, config.num_motion) if config.motion else None
        self.init_weights()

    @property
    def num_motion(self) -> int:
        """Numbers at the end of each prediction that say how its token moves."""
        return self.config.num_motion

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
        if self.motion is not None:  # nothing moves
            nn.init.zeros_(self.motion.weight)
        if self.address is not None:  # keys at zero: each token begins with its own estimate
            nn.init.zeros_(self.address.weight[self.config.recall :])

    def forward(
        self, pack: Pack, level: Tensor, text: Tensor, text_lengths: tuple[int, ...], actions: Tensor | None = None
    ) -> Tensor:
        """Predictions (n, num_outputs), float32; beside them, (n, 2 recall), where its tokens look for each other, and
        (n, num_motion) how they move.

        pack            noisy tokens (n, p) with their places
        level           (n,) noise level of each token, 1 = pure noise, 0 = clean
        text            (m, text width) the encoded prompts of all clips, one after the other
        text_lengths    words of each clip's prompt
        actions         (token frames, num_deeds) what is done in each token frame of the pack; None says nothing
        about it
        """
        runs = find_runs(pack, level)
        prompts = torch.stack([words.mean(0) for words in text.split(text_lengths)])  # (clips, text width)
        clip = pack.frame_clips.to(runs.frames.device)[runs.frames]  # (r,)
        condition = self.embed_level(level_features(runs.levels)) + self.embed_prompt(prompts)[clip]  # (r, d)
        if actions is not None and self.embed_action is not None:
            told = with_history(actions, pack.frame_clips.to(actions.device), self.config.action_history)
            condition = condition + self.embed_action(told * LOUD)[runs.frames]
        condition = F.silu(condition)
        shared = self.modulation(condition)  # (r, 6 d)
        x = self.embed_tokens(pack.tokens)  # (n, d)
        angles = rotary_angles(pack.positions, self.config.head_width)[:, None]
        rotation = (angles.cos().to(x.dtype), angles.sin().to(x.dtype))
        if torch.is_grad_enabled():  # see ROUND
            text = F.pad(text, (0, 0, 0, -len(text) % ROUND))
        windows = windows_of(self.config.attention, self.config.window)
        spans = [find_spans(pack, text_lengths, window) for window in windows]
        for number, block in enumerate(self.blocks):
            inputs = (x, spans[number % len(spans)], rotation, text, shared, runs)
            if number < self.recompute and torch.is_grad_enabled():
                # Nothing in a block is random, and threads train side by side: the global generator stays untouched.
                x = checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
            else:
                x = block(*inputs)
        shift, scale = self.final_modulation(condition).to(x.dtype).chunk(2, dim=1)
        x = runs.apply(modulate, F.layer_norm(x, x.shape[-1:]), shift, scale)
        said = [layer(x) for layer in (self.final, self.address, self.motion) if layer is not None]
        return torch.cat(said, dim=1).float()


# In training words get rows that nobody attends to, and packs a clip of nothing, up to a multiple of this. Products of
# matrices whose sizes seldom come back are compiled anew each time, which on a CPU takes longer than the product.
ROUND = 128


def with_history(actions: Tensor, clip: Tensor, history: int) -> Tensor:
    """Actions (f, a) of token frames, which belong to the clips (f,), beside those before them: (f, a (1 + history)).

    Where a thing is depends on all that was done to it, the latest most; zero before the clip begins.
    """
    lag = torch.arange(1 + history, device=clip.device)
    earlier = torch.arange(len(clip), device=clip.device)[:, None] - lag  # (f, 1 + history)
    there = (earlier >= 0) & (clip[earlier.clamp(min=0)] == clip[:, None])
    return (actions[earlier.clamp(min=0)] * there[..., None]).flatten(1)


LEVEL_FREQUENCIES = 64
# AdamW moves all weights by the same amount. One number that is seldom more than zero has to be as loud as the many of
# a prompt, or it is not heard for hours.
LOUD = 10.0


def level_features(level: Tensor) -> Tensor:
    """Cosines and sines of the noise level (r,) at 64 frequencies from 1 to 1000 half turns: (r, 128)."""
    frequencies = math.pi * 1000 ** (torch.arange(LEVEL_FREQUENCIES, device=level.device) / (LEVEL_FREQUENCIES - 1))
    angles = level.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x * (1 + scale) + shift, in one pass over memory."""
    return torch.addcmul(shift, x, 1 + scale)
