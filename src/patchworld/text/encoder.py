"""The built-in text encoder: a small transformer that is trained together with the denoiser and needs no download."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from patchworld.errors import ModelError
from patchworld.text.tokenizer import Tokenizer
from patchworld.text.tokens import TextTokens, by_length


class TextConfig(BaseModel):
    """Sizes of the built-in text encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: int = Field(gt=0)
    width: int = Field(256, gt=0)
    depth: int = Field(3, ge=0)
    num_heads: int = Field(4, gt=0)
    max_tokens: int = Field(256, ge=1)  # longer prompts are cut, with a warning

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "TextConfig":
        if self.width % (2 * self.num_heads):
            raise ValueError(f"width={self.width} must be a multiple of 2 x num_heads={self.num_heads}")
        return self


@dataclass(frozen=True)
class TextIds:
    """Token numbers of several prompts, packed: ids (m,) whole numbers; lengths of the prompts, m in sum."""

    ids: Tensor
    lengths: tuple[int, ...]


class BuiltinTextEncoder(nn.Module):
    """Prompts to features through pre-norm transformer blocks in which every token of a prompt sees every other.

    The empty prompt is the begin token alone. What that token comes to mean in training, where prompts are left out now
    and then, is the unconditional prediction of classifier-free guidance.
    """

    def __init__(self, config: TextConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        if tokenizer.vocab_size != config.vocab_size:
            raise ModelError(
                f"vocab_size={config.vocab_size} does not fit a tokenizer of {tokenizer.vocab_size} tokens: "
                "use the tokenizer.json that lies beside the weights"
            )
        self.config = config
        self.tokenizer = tokenizer
        self.width = config.width
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(_Block(config.width, config.num_heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.init_weights()

    def init_weights(self) -> None:
        """Embeddings of variance one, Xavier for matrices, zero for biases."""
        nn.init.normal_(self.embedding.weight)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def tokenize(self, prompts: Sequence[str]) -> TextIds:
        """Token numbers of `prompts`, on the CPU; loading of data can do this ahead of training."""
        ids = [self.tokenizer.encode(prompt, self.config.max_tokens) for prompt in prompts]
        flat = [number for prompt in ids for number in prompt]
        return TextIds(torch.tensor(flat, dtype=torch.long), tuple(len(prompt) for prompt in ids))

    def forward(self, prompts: Sequence[str] | TextIds) -> TextTokens:
        """Features (m, width) of the prompts, or of their token numbers from `tokenize`.

        Prompts of equal length lie side by side while the blocks work, so that attention takes them as one batch.
        """
        tokens = prompts if isinstance(prompts, TextIds) else self.tokenize(prompts)
        device = self.embedding.weight.device
        groups = by_length(tokens.lengths)
        starts = torch.tensor((0, *tokens.lengths)).cumsum(0)
        order = torch.cat(
            [(starts[numbers][:, None] + torch.arange(length)).flatten() for length, numbers in groups.items()]
        ).to(device)
        sizes = [(len(numbers), length) for length, numbers in groups.items()]
        if extra := -len(order) % ROUND if torch.is_grad_enabled() else 0:  # a prompt that nobody reads
            order, sizes = torch.cat([order, order[:1].expand(extra)]), [*sizes, (1, extra)]
        places = torch.cat([torch.arange(length).repeat(many) for many, length in sizes]).to(device)
        rotation = rotary_angles(places, self.width // self.config.num_heads)

        words = self.embedding(tokens.ids.to(device)[order])
        x = words
        for block in self.blocks:
            x = block(x, rotation, sizes)
        x = self.norm(x) + words  # what a word is stays beside what it means here, whatever the blocks have learned
        if extra:
            x, order = x[:-extra], order[:-extra]
        return TextTokens(torch.empty_like(x).index_copy(0, order, x), tokens.lengths)


# Of words in training: a product of matrices whose size seldom comes back is compiled anew, and takes longer for it.
ROUND = 128


# What a block adds is scaled by this. The denoiser asks little of its words at first, and Adam makes big steps of small
# gradients: unscaled, 200 steps gave all words one common vector 25 times as large as what told them apart.
BRANCH = 0.1


class _Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), both scaled down."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, rotation: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
        """x (m, width) to the same; `sizes` are (prompts, tokens of each) of the groups of equal length, in order."""
        x = x + BRANCH * self.attention_out(self._attend(self.attention_in(self.attention_norm(x)), rotation, sizes))
        return x + BRANCH * self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x))))

    def _attend(self, x: Tensor, rotation: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
        """Attention within each prompt: queries, keys and values (m, 3 width) to (m, width)."""
        query, key, value = x.unflatten(1, (3, self.num_heads, -1)).unbind(1)  # (m, heads, k)
        query, key = rotate(query, rotation), rotate(key, rotation)
        out, start = [], 0
        for many, length in sizes:
            end = start + many * length
            group = [part[start:end].unflatten(0, (many, length)).transpose(1, 2) for part in (query, key, value)]
            out.append(F.scaled_dot_product_attention(*group).transpose(1, 2).flatten(2).flatten(0, 1))
            start = end
        return torch.cat(out)


def rotary_angles(places: Tensor, head_width: int) -> Tensor:
    """Angles (m, k / 2) of tokens at `places` (m,): place / 10000^(2 i / k) (2104.09864, equation 15)."""
    frequencies = 10000.0 ** (-torch.arange(0, head_width, 2, device=places.device) / head_width)
    return places[:, None] * frequencies


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turns the pairs (x_i, x_{i + k/2}) of x (m, heads, k) by `angles` (m, k / 2), in float32 whatever x has."""
    first, second = x.float().chunk(2, dim=-1)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(x.dtype)
