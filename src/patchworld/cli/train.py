"""patchworld train: the autoencoder, then the transformer."""

import argparse
import sys
from pathlib import Path
from typing import Any

from patchworld.cli.parser import make_folder
from patchworld.errors import InputError, first_problem

# Noise levels of flow: what words decide is decided above 0.8, where a twelfth of plain logit-normal levels lies and a
# third of these, and what makes a picture sharp below 0.3 (docs/decisions/0010-words-first.md).
LEVELS = {"shift": 2.0, "logit_std": 1.6}
OWN = Path(__file__).parents[1] / "weights" / "playroom"  # as model.DEFAULT, whose module is slow to import


def add(commands: Any) -> None:
    train = commands.add_parser("train", help="train on a folder of videos with captions").add_subparsers(
        title="parts", metavar="PART", required=True
    )
    autoencoder = train.add_parser("autoencoder", help="train the video autoencoder")
    add_training(autoencoder)
    autoencoder.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="folder of a model to go on from, whose latents are kept; default: those that suit the data",
    )
    autoencoder.add_argument(
        "--mend",
        type=Path,
        metavar="DIR",
        help="folder of a whole model: its decoder alone learns, from what the model dreams beside what is true",
    )
    autoencoder.set_defaults(run=_train_autoencoder, parser=autoencoder)
    transformer = train.add_parser("transformer", help="train the diffusion transformer and its text encoder")
    add_training(transformer)
    add_transformer(transformer)
    transformer.set_defaults(run=_train_transformer, parser=transformer)
    report = train.add_parser("report", help="curves and samples of a run, as one HTML file")
    report.add_argument(
        "run_folder", type=Path, metavar="OUT", help="folder of the run; report.html is written into it"
    )
    report.add_argument("--tensorboard", action="store_true", help="also write OUT/tensorboard, for TensorBoard")
    report.add_argument(
        "--watch",
        type=int,
        nargs="?",
        const=30,
        metavar="S",
        help="write it again every S seconds, default 30, until Ctrl-C",
    )
    report.set_defaults(run=_train_report, parser=report)


def add_training(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        required=required,
        metavar="DIR",
        nargs="+",
        help="folders of videos with captions.jsonl, captions.csv or .txt files",
    )
    parser.add_argument(
        "--out", type=Path, required=required, metavar="DIR", help="folder of the run; the same command continues it"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="budget in time: the learning rate falls to zero at its end"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="budget in steps, instead of minutes")
    parser.add_argument("--lr", type=float, metavar="R", help="learning rate")
    parser.add_argument(
        "--lr-decay",
        type=float,
        metavar="P",
        default=0.4,
        help="last part of the budget in which it falls to zero; default 0.4",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="order, noise and first weights; default 0")
    parser.add_argument(
        "--parts", type=int, metavar="N", help="packs or crops of a step, shared by all ranks; default 4 packs, 8 crops"
    )
    parser.add_argument(
        "--shard", type=int, metavar="N", help="ranks that share a copy of the weights; default: those of a machine"
    )
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16", help="of the arithmetic; default bf16")
    parser.add_argument(
        "--on-trouble",
        choices=("stop", "skip", "rewind"),
        default="stop",
        help="what follows a loss or gradient that is not finite, or a spike: stop, skip the step, or go back to the "
        "last checkpoint and on after the step; default stop",
    )
    parser.add_argument(
        "--sample-minutes", type=float, default=10.0, metavar="M", help="time between contact sheets; default 10"
    )


def add_transformer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        type=Path,
        nargs="?",
        const=OWN,
        metavar="DIR",
        help="go on from the model in this folder, with its sizes, autoencoder, tokenizer and noise process; --weights "
        "alone means patchworld's own; default: start anew",
    )
    parser.add_argument(
        "--lora",
        type=int,
        metavar="RANK",
        help="learn an adapter of this rank beside the weights; without --weights, those of patchworld's own model",
    )
    parser.add_argument(
        "--freeze",
        type=lambda text: text.split(","),
        default=[],
        metavar="PART,...",
        help="parts whose weights stay as they are, such as text or denoiser.blocks.0",
    )
    parser.add_argument(
        "--judged",
        action="store_true",
        help="for models of the playroom: all packs of a step but the first are dreams of its prompts, of which those "
        "are learned that the referee of the scorecard finds better than others",
    )
    parser.add_argument(
        "--autoencoder", type=Path, metavar="DIR", help="folder of a trained one; default: patchworld's own"
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="tiny, small, base, medium, large, xl, 1b, 3b or 7b; default small",
    )
    parser.add_argument(
        "--text-encoder",
        metavar="NAME",
        help="a Hugging Face text encoder, by name or folder; default: the built-in one",
    )
    parser.add_argument("--process", choices=("flow", "ddpm"), help="noise process; default flow")
    parser.add_argument(
        "--tokens", type=int, default=1280, metavar="N", help="video tokens of a pack, four packs a step; default 1280"
    )
    parser.add_argument(
        "--stages",
        type=_stages,
        default=(),
        metavar="S,S,...",
        help="parts of the run, each END[:tokens=N][:drop=P][:frames=F]: up to END of the budget (1 is all of it), "
        "from samples of at most N tokens, without the part P of the tokens of most clips, from the first F latent "
        "frames alone; such as 0.3:frames=1,0.8:tokens=80,1 for pictures, then small clips, then all",
    )
    parser.add_argument(
        "--optimizer", choices=("muon", "adamw"), default="muon", help="of matrices inside blocks; default muon"
    )
    parser.add_argument(
        "--shift", type=float, metavar="S", help="of flow: above 1, noisier levels in training and use; default 2"
    )
    parser.add_argument(
        "--base-tokens",
        type=int,
        metavar="N",
        help="of flow: noise levels move with the square root of a clip's tokens over N, larger clips to more noise",
    )
    parser.add_argument(
        "--sequence", type=int, default=1, metavar="N", help="ranks that share the tokens of a pack; default 1"
    )
    parser.add_argument(
        "--recompute", type=int, default=0, metavar="N", help="blocks computed twice to save memory; default 0"
    )


def _stages(text: str) -> tuple[dict[str, str], ...]:
    """Fields of `train.Stage` for each part of `0.6:tokens=80,1`; the numbers in them are checked there."""
    fields = {"tokens": "most_tokens", "drop": "drop", "frames": "frames"}
    stages = []
    for part in text.split(","):
        until, *settings = part.split(":")
        pairs = [setting.partition("=") for setting in settings]
        if any(name not in fields or not value for name, _, value in pairs):
            raise argparse.ArgumentTypeError(
                f"'{part}' is no stage: write END[:tokens=N][:drop=P][:frames=F], such as 0.6:tokens=80"
            )
        stages.append({"until": until, **{fields[name]: value for name, _, value in pairs}})
    return tuple(stages)


def _train_autoencoder(options: argparse.Namespace) -> str:
    from patchworld.train import train
    from patchworld.train.checkpoint import list_checkpoints
    from patchworld.train.parallel import join_ranks

    config, datasets = autoencoder_config(options), autoencoder_data(options)
    with join_ranks(config.shard) as ranks:
        make_folder(options.out)
        fresh = not list_checkpoints(options.out / "checkpoints")
        folder = train(autoencoder_task(options, datasets, fresh), config, options.out)
    if ranks.rank > 0:
        return ""
    return f"{folder}: see what it keeps of a video by patchworld reconstruct VIDEO -o out.mp4 --model {folder}"


def autoencoder_config(options: argparse.Namespace) -> Any:
    """The settings of the run; raises InputError for options that cannot be, before any work is done."""
    if options.mend and options.weights:
        raise InputError("--mend names the model whose decoder learns: leave out --weights")
    _parts(options, 1)
    return _train_config(options, lr=5e-4)


def autoencoder_data(options: argparse.Namespace) -> dict[str, list]:
    """The samples of each data set, by its name."""
    from patchworld.data import read_dataset

    datasets = {path.resolve().name: read_dataset(path) for path in options.data}
    if len(datasets) < len(options.data):
        raise InputError("two data sets have the same name: rename a folder, figures are told by name")
    return datasets


def autoencoder_task(options: argparse.Namespace, datasets: dict[str, list], fresh: bool) -> Any:
    """What is trained; unless `fresh`, its weights are about to be loaded."""
    from patchworld.model import load, load_autoencoder
    from patchworld.train import AutoencoderTask, MendingTask
    from patchworld.train.autoencoder import CROPS_PER_STEP
    from patchworld.vae import AutoencoderConfig

    crops = _parts(options, CROPS_PER_STEP)
    if options.mend:
        return MendingTask(datasets, load(options.mend), options.seed, fresh=fresh, crops_per_step=crops)
    start = load_autoencoder(options.weights) if options.weights else AutoencoderConfig()
    return AutoencoderTask(datasets, start, options.seed, fresh=fresh, crops_per_step=crops)


def _train_transformer(options: argparse.Namespace) -> str:
    from patchworld.data import read_dataset
    from patchworld.train import train
    from patchworld.train.parallel import join_ranks

    config = transformer_config(options)
    samples = [sample for folder in options.data for sample in read_dataset(folder)]
    with join_ranks(config.shard, config.sequence) as ranks:
        folder = train(transformer_task(options, samples, options.out, ranks), config, options.out)
    if ranks.rank > 0:
        return ""
    return f"{folder}: dream with it by patchworld generate PROMPT -o out.mp4 --model {folder}"


def transformer_config(options: argparse.Namespace) -> Any:
    """The settings of the run; raises InputError for options that cannot be, before any work is done."""
    from patchworld.dit import PRESETS

    if options.tokens < 1:
        raise InputError(f"tokens={options.tokens} is too few: give 1 or more; a pack holds at least one clip")
    _parts(options, 1)
    if options.judged and (options.weights is None or options.lora is not None or options.parts == 1):
        raise InputError("--judged goes on from whole --weights, with 2 --parts a step or more, of which one is true")
    if options.weights is None and options.lora is None:
        if options.preset is not None and options.preset not in PRESETS:
            raise InputError(f"unknown preset '{options.preset}': known are {', '.join(PRESETS)}")
        if options.process == "ddpm" and (options.shift is not None or options.base_tokens is not None):
            raise InputError("--shift and --base-tokens belong to flow: leave them out with --process ddpm")
        _check_recompute(options, PRESETS[options.preset or "small"]["depth"])
        return _train_config(options, lr=1e-3)
    for name in ("autoencoder", "preset", "text_encoder", "process", "shift", "base_tokens"):
        if getattr(options, name) is not None:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is decided by the weights that are gone on from: leave it out")
    # From scratch the first steps are the boldest ones; weights that are good already bear less.
    return _train_config(options, lr=1e-3 if options.lora else 2e-4, lr_warmup_steps=20, sample_first=True)


def transformer_task(options: argparse.Namespace, samples: list, out: Path, ranks: Any) -> Any:
    """What is trained by `ranks`, on `samples`, whose latents are kept in `out`."""
    from tqdm import tqdm

    from patchworld.data import action_names, encode_dataset
    from patchworld.dit import PRESETS
    from patchworld.model import DEFAULT, PROCESSES, load_autoencoder
    from patchworld.scorecard import lesson
    from patchworld.shapes import Grid
    from patchworld.text import HuggingFaceTextEncoder
    from patchworld.train import JudgedTask, LoraTask, TransformerTask, freeze, load_to_learn, new_model
    from patchworld.train.parallel import tell_once
    from patchworld.train.transformer import PACKS_PER_STEP

    if options.judged and ranks.size > 1 and (options.shard, options.sequence) != (1, 1):
        # Weights that are shared are gathered for all ranks at once, and ranks dream at different times.
        raise tell_once(InputError("--judged on several ranks needs all weights on each: add --shard 1"))
    settings = {name: getattr(options, name) for name in ("shift", "base_tokens")}
    settings = {name: value for name, value in settings.items() if value is not None}
    if options.process != "ddpm":
        settings = {**LEVELS, **settings}
    process, packs = PROCESSES[options.process or "flow"](**settings), _parts(options, PACKS_PER_STEP)
    autoencoder = load_autoencoder(options.weights or options.autoencoder or DEFAULT).to(ranks.device)
    make_folder(out)

    def encode(some: list) -> list:
        def show(s: Any) -> Any:
            return tqdm(s, desc="encoding", unit="video", total=len(some), delay=1, disable=ranks.rank > 0)

        return encode_dataset(some, autoencoder, autoencoder.grid * Grid(1, 2), out / "latents", show)

    if ranks.size > 1:  # each rank encodes some; then all find all of them there
        encode(samples[ranks.rank :: ranks.size])
        ranks.wait()
    encoded, names = encode(samples), action_names(samples)
    if options.lora is not None:
        task: TransformerTask = LoraTask(encoded, options.weights, options.lora, options.seed, options.tokens, packs)
    else:
        if options.weights is not None:
            model = load_to_learn(options.weights, names)
        else:
            words = HuggingFaceTextEncoder(options.text_encoder, device=ranks.device) if options.text_encoder else None
            sizes = PRESETS[options.preset or "small"]
            model = new_model(encoded, autoencoder, process, sizes, {}, names, options.seed, words)
        if options.judged:
            task = JudgedTask(encoded, model, options.seed, options.tokens, packs, judge=lesson)
        else:
            task = TransformerTask(encoded, model, options.seed, options.tokens, packs)
    _check_recompute(options, len(task.denoiser.blocks))
    task.denoiser.recompute = options.recompute
    freeze(task.module, options.freeze)
    return task


def _check_recompute(options: argparse.Namespace, blocks: int) -> None:
    if not 0 <= options.recompute <= blocks:
        raise InputError(f"recompute={options.recompute} is out of range: use 0 to {blocks}, the blocks of this model")


def _parts(options: argparse.Namespace, default: int) -> int:
    """How many parts a step has."""
    if options.parts is None:
        return default
    if options.parts < 1:
        raise InputError(f"parts={options.parts} is too few: give 1 or more")
    return options.parts


def _train_report(options: argparse.Namespace) -> str:
    import time
    from contextlib import suppress

    from patchworld.train.report import write_report, write_tensorboard

    if options.watch is not None and options.watch < 1:
        raise InputError(f"watch={options.watch} is too short: give 1 second or more")
    path, seen = write_report(options.run_folder, options.watch), -1
    with suppress(KeyboardInterrupt):
        while True:
            if options.tensorboard:
                seen = write_tensorboard(options.run_folder, seen)
            if options.watch is None:
                break
            print(f"{path}: written again every {options.watch} s, Ctrl-C ends", end="\r", file=sys.stderr)
            time.sleep(options.watch)
            write_report(options.run_folder, options.watch)
    if options.watch is not None:
        write_report(options.run_folder)  # which no longer loads itself anew
    return f"{path}: open it in a browser"


def _train_config(options: argparse.Namespace, lr: float, **more: Any) -> Any:
    from pydantic import ValidationError

    from patchworld.train import TrainConfig

    names = ("minutes", "steps", "lr_decay", "seed", "precision", "on_trouble", "sample_minutes", "shard")
    try:
        return TrainConfig(
            lr=lr if options.lr is None else options.lr,
            stages=getattr(options, "stages", ()),  # of the transformer alone, as is
            sequence=getattr(options, "sequence", 1),
            optimizer=getattr(options, "optimizer", "adamw"),
            **{n: getattr(options, n) for n in names},
            **more,
        )
    except ValidationError as error:
        raise InputError(first_problem(error)) from error
