"""Training on several processes. Nothing else knows that there are any.

torchrun starts one process a device, a *rank*, and all of them run the same command. Three things are laid over them:

- the parts of a step. Which parts a step has is a function of the step alone, and ranks take them in turn, so the
  losses are those of one process but for the order of sums.
- the weights, with their average, gradients and moments, by PyTorch's FSDP2 (`fully_shard`; Zhao et al. 2023,
  2304.11277). `shard` ranks hold one copy together, and the copies learn alike (hybrid sharding).
- the tokens of a part, where a video is too long for one device. `sequence` ranks, neighbours, hold some of its tokens
  each, and in attention some of its heads each, for all tokens (Ulysses: Jacobs et al. 2023, 2309.14509).

Rank 0 tells, reads and writes for all. Without torchrun there is one rank, and functions here do the plain thing.
Between ranks there is neither authentication nor encryption: their network has to be a private one.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed._functional_collectives import all_to_all_single
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from tqdm import tqdm

from patchworld.dit import DiffusionTransformer
from patchworld.errors import InputError, PatchworldError, RunError

Answer = TypeVar("Answer")
LONGEST_WAIT = timedelta(minutes=30)  # of ranks for each other, such as for rank 0 that writes a checkpoint


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, and this one's place among them."""

    rank: int
    size: int
    device: torch.device
    sequence: int = 1
    weights: DeviceMesh | None = None  # (copies, shards of each)
    tokens: DeviceMesh | None = None  # (parts at a time, ranks of each)

    def spread(self, module: nn.Module, precision: str) -> "Spread":
        """Move `module` to the device, and where there are several, its weights and its sequences over the ranks."""
        module.to(self.device)
        spread = Spread(module)
        if self.weights is None:
            return spread
        for parameter in module.parameters():
            parameter.data = parameter.data.contiguous()  # those of convolutions are not; FSDP2 takes nothing else
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, 0)  # machines that differ may have begun with other last bits
        half = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
        policy = half if precision == "bf16" else MixedPrecisionPolicy()
        for transformer in [part for part in module.modules() if isinstance(part, DiffusionTransformer)]:
            if self.tokens is not None and self.sequence > 1:
                split_sequence(transformer, self.tokens["ranks"].get_group())
            for block in transformer.blocks:
                # Blocks are nearly all of a large model, and travel in the precision they compute in.
                fully_shard(block, mesh=self.weights, mp_policy=policy)
        fully_shard(spread, mesh=self.weights)
        return spread

    def add_gradients(
        self, task: Any, step: int, spread: "Spread", precision: str
    ) -> tuple[list[float], int, float, float]:
        """The same as `loop.add_gradients`, by all ranks together.

        Every rank computes equally many parts, since weights are gathered for all at once; those beyond the last one
        count nothing. A part's loss is known to all ranks of its sequence, and its gradient is the sum of theirs.
        """
        parts = task.parts(step)
        teams = self.size // self.sequence
        team, place = divmod(self.rank, self.sequence)
        if len(parts) < teams:
            raise tell_once(
                InputError(
                    f"{self.size} ranks are too many for steps of {len(parts)} parts on {self.sequence} ranks each: "
                    f"give --parts {teams} or more, or start fewer ranks"
                )
            )
        rounds = -(-len(parts) // teams)
        figures = torch.zeros(len(parts) + 3, dtype=torch.float64)
        for number in range(team, rounds * teams, teams):
            spread.sum_copies(number >= (rounds - 1) * teams)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
                value, *work = spread(_loss, task, parts[number % len(parts)])
            # FSDP2 takes the mean over ranks. Times zero, so that what is not finite stays seen.
            weight = self.size / (self.sequence * len(parts)) if number < len(parts) else 0.0
            (value * weight).backward()
            if number < len(parts) and place == 0:
                figures[number] = value.item()
                figures[-3:] += torch.tensor(work, dtype=torch.float64)
        dist.all_reduce(figures)
        *losses, tokens, flops, waited = figures.tolist()
        return losses, int(tokens), flops, waited

    def of_part(self, number: int) -> range:
        """The ranks that compute the part of this number in a step."""
        first = number % (self.size // self.sequence) * self.sequence
        return range(first, first + self.sequence)

    def from_first(self, number: float) -> float:
        """What rank 0 says: clocks differ, and what follows from them must not."""
        return self._agreed(number if self.rank == 0 else 0.0)

    def any(self, flag: bool) -> bool:
        """Whether it is so on any rank."""
        return self._agreed(flag) > 0

    def _agreed(self, number: float) -> float:
        if self.size == 1:
            return number
        agreed = torch.tensor(number, dtype=torch.float64)
        dist.all_reduce(agreed)
        return agreed.item()

    def wait(self) -> None:
        """Until all ranks are here."""
        self._agreed(0.0)

    def tell(self, message: str) -> None:
        """Print a line, once."""
        if self.rank == 0:
            tqdm.write(message, file=sys.stderr)

    @contextlib.contextmanager
    def folder(self, path: Path) -> Iterator[Path]:
        """The folder for what all ranks make and one has to keep; elsewhere one that is thrown away."""
        if self.rank == 0:
            path.mkdir(exist_ok=True)
            yield path
        else:
            with tempfile.TemporaryDirectory() as other:
                yield Path(other)


@contextlib.contextmanager
def join_ranks(shard: int | None = None, sequence: int = 1) -> Iterator[Ranks]:
    """The ranks that torchrun has started, or the one process that there is otherwise; within itself, the same again.

    `shard` and `sequence` are the ranks that share a copy of the weights and the tokens of a part. Raises InputError
    where they do not divide the ranks, and RunError when another rank is lost.
    """
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    shard = shard or (here if size % here == 0 else size)
    for name, value in (("shard", shard), ("sequence", sequence)):
        if size % value:
            raise tell_once(
                InputError(
                    f"{name}={value} does not divide the {size} ranks of this run: "
                    f"start as many with torchrun --nproc-per-node, or give another --{name}"
                )
            )
    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0))
    if restarts and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        # Ranks that are started again read the addresses of the dead ones (PyTorch issue 135712; so it is in 2.13).
        raise tell_once(
            InputError(
                f"--max-restarts {restarts} of torchrun starts ranks that cannot find each other: "
                "export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 before torchrun, on every machine"
            )
        )
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else None
    if device is not None:
        torch.cuda.set_device(device)
    device = device or torch.device("cpu")
    if size == 1:
        yield Ranks(rank, size, device)
        return
    outermost = not dist.is_initialized()
    try:
        if outermost:
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
        weights = init_device_mesh(device.type, (size // shard, shard), mesh_dim_names=("copies", "shards"))
        tokens = init_device_mesh(device.type, (size // sequence, sequence), mesh_dim_names=("parts", "ranks"))
        yield Ranks(rank, size, device, sequence, weights, tokens)
    except PatchworldError:
        raise
    except RuntimeError as error:
        if re.search(r"gloo|nccl|connection|timed out", str(error), re.IGNORECASE) is None:
            raise
        raise RunError(
            f"rank {rank} cannot reach another rank ({str(error).splitlines()[0][:120]}): see what ended that one; "
            "the same command goes on from the last checkpoint"
        ) from error
    if outermost:
        dist.destroy_process_group()


class Spread(nn.Module):
    """A module whose weights lie on several ranks, gathered for as long as a call takes.

    FSDP2 gathers weights around a module's `forward`, and a task may do anything with its module. So what is to be done
    is handed in: `spread(work, ...)` is `work(...)` with the weights in place. All ranks have to do the same.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, work: Callable[..., Answer], *inputs: Any) -> Answer:
        return work(*inputs)

    def sum_copies(self, now: bool) -> None:
        """Whether the next backward pass adds the gradients of the copies of the weights: once a step is enough."""
        if isinstance(self, FSDPModule):
            self.set_requires_all_reduce(now)

    def release(self) -> None:
        """Let go of what a call without a backward pass has gathered."""
        if isinstance(self, FSDPModule):
            self.reshard()


def _loss(task: Any, part: Any) -> tuple[Tensor, float, float, float]:
    """As a tuple, in which FSDP2 finds the tensor."""
    loss = task.loss(part)
    return loss.value, loss.tokens, loss.flops, loss.waited


def tell_once(error: PatchworldError) -> BaseException:
    """What to raise on a rank when all of them have the same `error`: rank 0 tells it, the others end silently."""
    return error if int(os.environ.get("RANK", 0)) == 0 else SystemExit(error.exit_status)


def on_first(work: Callable[[], Answer]) -> Answer:
    """Do `work` on rank 0 alone; its answer, or its error, is that of all ranks."""
    if not dist.is_initialized():
        return work()
    outcome: list[Any] = [None, None]
    if dist.get_rank() == 0:
        try:
            outcome[0] = work()
        except PatchworldError as error:
            outcome[1] = error
    dist.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise tell_once(outcome[1])
    return outcome[0]


def whole(tensor: Tensor) -> Tensor:
    """A tensor that lies on several ranks, in one piece on each; all ranks have to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def on_whole(function: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    """`function` of a tensor that may lie on several ranks, computed by each of the whole; the answer lies likewise."""
    if not isinstance(tensor, DTensor):
        return function(tensor)
    answer = function(tensor.full_tensor())
    return distribute_tensor(answer, tensor.device_mesh, tensor.placements, src_data_rank=None)


def gathered(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in one piece on the CPU of rank 0; nothing on the others, which have to ask too."""
    found = {}
    for name, tensor in named.items():
        piece = whole(tensor.detach())
        if not dist.is_initialized() or dist.get_rank() == 0:
            found[name] = piece.cpu()
    return found


@torch.no_grad()
def fill(named: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy `values`, which rank 0 alone needs to have, into the tensors of the same names, wherever they lie."""
    for name, tensor in named.items():
        if not dist.is_initialized():
            tensor.copy_(values[name])
            continue
        value = torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
        if dist.get_rank() == 0:
            value.copy_(values[name])
        dist.broadcast(value, 0)
        if isinstance(tensor, DTensor):
            value = distribute_tensor(value, tensor.device_mesh, tensor.placements, src_data_rank=None)
        tensor.copy_(value)


@contextlib.contextmanager
def in_one_piece(module: nn.Module) -> Iterator[None]:
    """The module with plain weights on rank 0, to be read there, for as long as the context lasts."""
    own = {}
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            if isinstance(parameter, DTensor):
                own[owner, name] = parameter
                value = parameter.full_tensor()
                if dist.get_rank() == 0:
                    owner._parameters[name] = nn.Parameter(value, parameter.requires_grad)
    try:
        yield
    finally:
        for (owner, name), parameter in own.items():
            owner._parameters[name] = parameter


def split_sequence(transformer: DiffusionTransformer, group: dist.ProcessGroup) -> None:
    """Let the ranks of `group` share the tokens of a pack from the first block to the last.

    What comes before and after is small beside them and done by all ranks; so each has the whole prediction. Gradients
    are right when the loss of each rank is a part of the whole one: then they sum to what one process finds.
    """
    heads, size = transformer.config.width // transformer.config.head_width, group.size()
    if heads % size:
        raise tell_once(
            InputError(f"sequence={size} does not divide the {heads} heads of this transformer: give one that does")
        )
    for number, block in enumerate(transformer.blocks):
        block.register_forward_pre_hook(partial(_take_share, group, number == 0))
        block.attend = partial(_attend_by_heads, group, block.attend)  # type: ignore[arg-type,assignment]
    transformer.blocks[-1].register_forward_hook(partial(_join_shares, group))


def shares(total: int, size: int) -> list[int]:
    """How many of `total` tokens each of `size` ranks holds: as equally as possible, the first ones one more."""
    return [total // size + (rank < total % size) for rank in range(size)]


def _take_share(group: dist.ProcessGroup, first: bool, block: nn.Module, inputs: tuple) -> tuple:
    """The inputs of a block, without the tokens of the other ranks; attention still needs to know all spans."""
    x, spans, rotation, text, shared, runs = inputs
    sizes = shares(sum(spans.lengths), group.size())
    start = sum(sizes[: group.rank()])
    here = slice(start, start + sizes[group.rank()])
    rows, runs = runs.between(here.start, here.stop)
    return x[here] if first else x, spans, tuple(table[here] for table in rotation), text, shared[rows], runs


def _join_shares(group: dist.ProcessGroup, block: nn.Module, inputs: tuple, x: Tensor) -> Tensor:
    """The tokens of all ranks (n, d), from those of this one."""
    sizes = shares(sum(inputs[1].lengths), group.size())
    return all_to_all_single(x.repeat(group.size(), 1), sizes, [len(x)] * group.size(), group)


def _attend_by_heads(
    group: dist.ProcessGroup,
    attend: Callable[..., Tensor],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    text_k: Tensor,
    text_v: Tensor,
    spans: Any,
) -> Tensor:
    """`attend`, from some tokens and all heads to all tokens and some heads, and back."""
    size, rank = group.size(), group.rank()
    sizes, own = shares(sum(spans.lengths), size), [len(q)] * size
    mine = torch.stack([q, k, v], dim=1).unflatten(2, (size, -1)).movedim(2, 0)  # (size, n here, 3, heads / size, k)
    q, k, v = all_to_all_single(mine.flatten(0, 1), sizes, own, group).unbind(1)
    text_k, text_v = (words.chunk(size, dim=1)[rank] for words in (text_k, text_v))
    out = attend(q, k, v, text_k, text_v, spans)  # (n, heads / size, k)
    return all_to_all_single(out.contiguous(), own, sizes, group).unflatten(0, (size, -1)).movedim(0, 1).flatten(1, 2)
