"""The training loop: one for everything that is trained.

What is trained is a `Task`: a module and the losses of a step. The loop knows nothing of videos; a task knows nothing
of optimizers, budgets, averages, checkpoints or progress. The number of a step is its only random state: data order and
noise of step 1234 are functions of (seed, 1234), so a run that was stopped goes on as if it had not been.

A step has several parts, each with a loss of its own, and threads take parts side by side. Threads inside one matrix
product wait for each other thousands of times a step, and crawl as soon as anything else runs on the machine; these
wait once. Gradients are added in the order of the parts, so the result does not depend on the number of threads.
Where several processes train together, they take the parts instead of threads: `parallel.py` says how.
"""

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from tqdm import tqdm

from patchworld.errors import DiskError, InputError, RunError
from patchworld.model import keep_few_products
from patchworld.train.checkpoint import load_newest, save_checkpoint
from patchworld.train.config import Stage, TrainConfig
from patchworld.train.health import Health
from patchworld.train.optimizer import Optimizer
from patchworld.train.parallel import Ranks, Spread, in_one_piece, join_ranks, on_first, tell_once, whole

Part = TypeVar("Part")
SAME_SIGNAL = 1.0  # seconds
MOST_TROUBLE = 10  # steps in a row that are not learned from, then the run stops whatever its policy


@dataclass(frozen=True)
class Loss:
    """The loss of one part of a step, with its graph, and the work that is in it."""

    value: Tensor
    tokens: int  # video tokens, or latent voxels
    flops: float  # of useful work, forward and backward
    waited: float = 0.0  # seconds until its data was there


class Task(Protocol[Part]):
    """Something that can be trained."""

    @property
    def module(self) -> nn.Module:
        """What is trained."""

    def parts(self, step: int) -> Sequence[Part]:
        """What is learned from in `step`: equally weighted, and named only, so that it costs nothing to ask."""

    def loss(self, part: Part) -> Loss:
        """The loss of one part."""

    def names(self, part: Part) -> Sequence[str]:
        """The samples in a part, for a person who has to look at them."""

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """Judge the module as it is (its weights are the averaged ones), leave pictures in `folder`, return figures."""

    def export(self, folder: Path) -> None:
        """Write what was trained, in the form in which it is used."""


@runtime_checkable
class Staged(Protocol):
    """A task that can learn in stages."""

    def begin_stage(self, stage: Stage, step: int) -> None:
        """From `step` on, learn as `stage` says."""


def train(task: Task[Any], config: TrainConfig, out: Path) -> Path:
    """Train `task` to the end of its budget, or to Ctrl-C; run it again to continue. Returns the folder of the model.

    `out` receives checkpoints/, metrics.jsonl, samples/ and, at the end or when stopped, model/.
    """
    keep_few_products()
    for planned in reversed(config.stages):  # one that cannot be is told of now, not when its time comes
        if not isinstance(task, Staged):
            raise InputError(f"{type(task).__name__} does not learn in stages: leave stages out")
        task.begin_stage(planned, 0)
    with join_ranks(config.shard, config.sequence) as ranks:
        return _train(task, config, out, ranks)


def _train(task: Task[Any], config: TrainConfig, out: Path, ranks: Ranks) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    module = task.module
    spread = ranks.spread(module, config.precision)
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = Optimizer(module, config)
    ema = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    step, seconds = 0, 0.0
    stage, stage_step = -1, 0  # the number of the stage and the step it began with; -1: none yet
    health, troubles = Health(), 0  # troubles: steps in a row that were not learned from
    if state := load_newest(out / "checkpoints", module, ema, optimizer):
        step, seconds = state["step"], state["seconds"]
        stage, stage_step = state["stage"]
        health = Health(**state["health"])
        if isinstance(task, Staged) and 0 <= stage < len(config.stages):
            task.begin_stage(config.stages[stage], stage_step)
    with ranks.device:
        peak = ranks.size * matmul_peak(torch.bfloat16 if config.precision == "bf16" else torch.float32)
    size = sum(p.numel() for p in parameters) / 1e6
    threads = 1 if ranks.size > 1 or ranks.device.type != "cpu" else config.threads or torch.get_num_threads()
    workers = f"{threads} threads" if ranks.size == 1 else f"{ranks.size} ranks"
    machine = f"{ranks.device.type}, {config.precision}, {workers}, matrix peak {peak / 1e9:.0f} GFLOP/s"
    ranks.tell(f"{out}: step {step}, {size:.2f} M parameters, {machine}")
    saved = sampled = seconds

    def save() -> None:
        state = {"seconds": seconds, "seed": config.seed, "stage": (stage, stage_step), "health": asdict(health)}
        save_checkpoint(out / "checkpoints", step, module, ema, optimizer, state)

    with (
        _open_metrics(out / "metrics.jsonl" if ranks.rank == 0 else Path(os.devnull), step) as metrics,
        _interruptible() as interrupted,
        _progress(ranks) as bar,
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        if config.on_trouble == "rewind":
            save()  # or there may be nothing to go back to
        if config.sample_first and step == 0:
            _evaluate(task, spread, ema, out, step, metrics, ranks)
        while not ranks.any(interrupted()) and progress(config, step, seconds) < 1:
            started = time.perf_counter()
            due = stage_at(config, progress(config, step, seconds))
            if due != stage and isinstance(task, Staged) and config.stages:
                stage, stage_step, health = due, step, Health()  # other samples have other losses
                task.begin_stage(config.stages[stage], step)
            lr = learning_rate(config, step, seconds)
            optimizer.set_learning_rate(lr)
            if ranks.size == 1:
                losses, tokens, flops, waited = add_gradients(task, step, parameters, config.precision, pool)
            else:
                losses, tokens, flops, waited = ranks.add_gradients(task, step, spread, config.precision)
            loss = mean(losses)
            norm = whole(nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)).item()
            if trouble := health.trouble(loss, norm):
                optimizer.zero_grad()
                trouble = f"step {step}: {trouble}; {_culprits(task, step, losses, health, ranks)}"
                troubles += 1
                if config.on_trouble == "stop" or troubles == MOST_TROUBLE:
                    save()
                    remedy = f"look at them, lower lr={config.lr} or add --on-trouble skip, and run again"
                    raise tell_once(RunError(f"{trouble}; {remedy}"))
                if config.on_trouble == "rewind":
                    load_newest(out / "checkpoints", module, ema, optimizer)
                ranks.tell(f"patchworld: {trouble} ({config.on_trouble})")
                step += 1
                seconds += ranks.from_first(time.perf_counter() - started)
                _write_row(metrics, {"step": step, "seconds": seconds, "not_learned_from": 1})
                continue
            troubles, health = 0, health.after(loss, norm)
            optimizer.step(pool.map if ranks.size == 1 else map)
            optimizer.zero_grad()
            update_average(ema, module, min(config.ema_decay, (1 + step) / (10 + step)))
            step += 1
            spent = ranks.from_first(time.perf_counter() - started)
            seconds += spent
            row = {
                "step": step,
                "seconds": round(seconds, 2),
                "loss": loss,
                "lr": lr,
                "grad_norm": norm,
                "tokens_per_second": tokens / spent,
                "peak_fraction": flops / spent / peak,
                "data_fraction": waited / (threads * ranks.size * spent),  # of their time, until data was there
                "memory_mb": resident_bytes() / 1e6,
            }
            if torch.cuda.is_available():
                row["cuda_mb"] = torch.cuda.max_memory_allocated() / 1e6
            _write_row(metrics, row)
            _show(bar, config, row)
            if seconds - sampled > 60 * config.sample_minutes:
                sampled = seconds
                _evaluate(task, spread, ema, out, step, metrics, ranks)
            if seconds - saved > 60 * config.save_minutes:
                saved = seconds
                save()
        save()
        if progress(config, step, seconds) < 1:
            ranks.tell(f"stopped at step {step}; run the same command again to continue")
        else:
            _evaluate(task, spread, ema, out, step, metrics, ranks)
    with averaged(module, ema), in_one_piece(module):
        on_first(lambda: task.export(out / "model"))
    return out / "model"


def add_gradients(
    task: Task[Any], step: int, parameters: Sequence[nn.Parameter], precision: str, pool: Executor
) -> tuple[list[float], int, float, float]:
    """Compute the parts of `step` on the threads of `pool` and add the mean gradient to the parameters.

    Returns the loss of each part, the tokens and floating-point operations of the step, and its threads' wait for data.
    """
    parts = task.parts(step)
    device = parameters[0].device.type

    def compute(part: Any) -> tuple[Loss, tuple[Tensor | None, ...]]:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):  # each thread has its own setting
            loss = task.loss(part)
        gradients = torch.autograd.grad(loss.value / len(parts), parameters, allow_unused=True)
        return replace(loss, value=loss.value.detach()), gradients

    losses, tokens, flops, waited = [], 0, 0.0, 0.0
    for loss, gradients in pool.map(compute, parts):
        losses.append(loss.value.item())
        tokens += loss.tokens
        flops, waited = flops + loss.flops, waited + loss.waited
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                if gradient.stride() != parameter.stride():
                    # Convolutions are kept channels last, their gradients come in any order, and on a CPU fused AdamW
                    # pairs numbers by their place in memory.
                    gradient = torch.empty_like(parameter).copy_(gradient)
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
    return losses, tokens, flops, waited


def mean(losses: Sequence[float]) -> float:
    """Of the parts of a step: the same sum, to the last bit, whoever computed them."""
    return sum(loss / len(losses) for loss in losses)


def progress(config: TrainConfig, step: int, seconds: float) -> float:
    """The part of the budget that is spent, from 0 to 1 and beyond."""
    return step / config.steps if config.steps else seconds / (60 * config.minutes)  # type: ignore[operator]


def stage_at(config: TrainConfig, spent: float) -> int:
    """The number of the stage in which this part of the budget is spent; -1 where there are none."""
    return next((number for number, stage in enumerate(config.stages) if spent < stage.until), -1)


def learning_rate(config: TrainConfig, step: int, seconds: float) -> float:
    """Linear warm-up, a constant, and a linear fall to zero over the last part of the budget (Haegele et al. 2024)."""
    rising = min(1.0, (step + 1) / (config.lr_warmup_steps + 1))
    left = 1 - progress(config, step, seconds)
    falling = min(1.0, left / config.lr_decay) if config.lr_decay else 1.0
    return config.lr * rising * max(falling, 0.01)


def update_average(ema: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the module's: ema = decay * ema + (1 - decay) * weights."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                ema[name].lerp_(tensor, 1 - decay)
            else:
                ema[name].copy_(tensor)


@contextlib.contextmanager
def averaged(module: nn.Module, ema: dict[str, Tensor]) -> Iterator[None]:
    """The module with its averaged weights, for as long as the context lasts."""
    own = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict(ema)
    try:
        yield
    finally:
        module.load_state_dict(own)


def matmul_peak(dtype: torch.dtype, size: int = 2048) -> float:
    """FLOP/s of a square matrix product on all cores, or on the device: the best of several, after a warm-up."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    fastest = math.inf
    for _ in range(6):
        started = time.perf_counter()
        torch.mm(a, b)[0, 0].item()  # a device is done when it has told a number
        fastest = min(fastest, time.perf_counter() - started)
    return 2 * size**3 / fastest


def resident_bytes() -> int:
    """The memory that this process has now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _evaluate(
    task: Task, spread: Spread, ema: dict[str, Tensor], out: Path, step: int, metrics: IO[bytes], ranks: Ranks
) -> None:
    """By all ranks alike: the weights of a model that is judged have to be gathered from all of them."""
    with (
        averaged(task.module, ema),
        torch.no_grad(),
        torch.autocast(ranks.device.type, torch.bfloat16),
        ranks.folder(out / "samples") as folder,
    ):
        task.module.eval()
        figures = spread(task.evaluate, folder, step)
        spread.release()
        task.module.train()
    _write_row(metrics, {"step": step, **figures})
    ranks.tell(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))


def _culprits(task: Task, step: int, losses: Sequence[float], health: Health, ranks: Ranks) -> str:
    """Who computed the parts whose own loss is trouble, and from which samples; all parts, if none is."""
    parts = task.parts(step)
    wrong = [number for number, loss in enumerate(losses) if health.trouble(loss, 0.0)] or range(len(parts))
    names = sorted({name for number in wrong for name in task.names(parts[number])})
    guilty = sorted({rank for number in wrong for rank in ranks.of_part(number)})
    where = "" if ranks.size == 1 else f" on rank {' and '.join(map(str, guilty))}"
    return f"its samples{where}: {', '.join(names)}"


def _open_metrics(path: Path, step: int) -> IO[bytes]:
    """The file of metrics, without the steps that a killed run had done after its last checkpoint."""
    with _written(path):
        if path.is_file():
            rows = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
            path.with_suffix(".partial").write_text("".join(row + "\n" for row in rows))
            path.with_suffix(".partial").replace(path)
        return path.open("ab", buffering=0)  # a row that finds no room is not tried again when the file is closed


def _step_of(row: str) -> float:
    try:
        return json.loads(row)["step"]
    except ValueError:  # the end of a line is missing: the disk was full
        return math.inf


def _write_row(file: IO[bytes], row: dict[str, float]) -> None:
    """Losses in full, so that two runs can be compared to the last bit; the rest as much as a person reads."""
    exact = ("step", "loss")
    line = json.dumps({k: v if k in exact else float(f"{v:.6g}") for k, v in row.items()}) + "\n"
    with _written(file.name):
        file.write(line.encode())


@contextlib.contextmanager
def _written(path: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"cannot write {path} ({error.strerror}): make room, or the folder writable, and run the same command "
            "again; it goes on from its last checkpoint"
        ) from error


@contextlib.contextmanager
def _interruptible() -> Iterator:
    """Ctrl-C asks the loop to stop after the step it is in; a second one stops at once.

    Not one that comes within a moment: torchrun sends its own after that of the terminal.
    """
    import signal

    asked = math.inf  # when

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if time.monotonic() - asked > SAME_SIGNAL:
            raise KeyboardInterrupt
        asked = min(asked, time.monotonic())

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ask)
    except ValueError:  # not the main thread: nothing to catch there
        pass
    try:
        yield lambda: asked < math.inf
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(ranks: Ranks) -> Iterator[tqdm]:
    bar_format = "{percentage:5.1f}% |{bar:20}| {desc}"
    hidden = ranks.rank > 0
    with tqdm(total=100, unit="%", bar_format=bar_format, file=sys.stderr, mininterval=1, disable=hidden) as bar:
        yield bar


def _show(bar: tqdm, config: TrainConfig, row: dict[str, float]) -> None:
    done = min(1.0, progress(config, int(row["step"]), row["seconds"]))
    left = row["seconds"] / max(done, 1e-9) * (1 - done)
    bar.n = round(100 * done, 1)
    bar.set_description_str(
        f"step {row['step']}  loss {row['loss']:.4f}  {row['tokens_per_second']:.0f} tokens/s  "
        f"{100 * row['peak_fraction']:.0f}% of peak  {tqdm.format_interval(int(left))} left",
        refresh=False,
    )
    bar.update(0)
