"""patchworld train: the autoencoder, then the transformer."""

import argparse
from pathlib import Path
from typing import Any

from patchworld.errors import InputError, first_problem

SHIFT = 3.0  # of noise levels: what words decide is decided above a level of 0.8, where a twelfth of plain levels lies


def add(commands: Any) -> None:
    train = commands.add_parser("train", help="train on a folder of videos with captions").add_subparsers(
        title="parts", metavar="PART", required=True
    )
    autoencoder = train.add_parser("autoencoder", help="train the video autoencoder")
    _add_training(autoencoder, several=True)
    autoencoder.add_argument(
        "--weights", type=Path, metavar="DIR", help="folder of a model to go on from; default: the closed form"
    )
    autoencoder.add_argument(
        "--decoder-only", action="store_true", help="leave the latents as they are; a transformer may know them"
    )
    autoencoder.set_defaults(run=_train_autoencoder, parser=autoencoder)
    transformer = train.add_parser("transformer", help="train the diffusion transformer and its text encoder")
    _add_training(transformer)
    transformer.add_argument(
        "--autoencoder", type=Path, metavar="DIR", help="folder of a trained one; default: patchworld's own"
    )
    transformer.add_argument(
        "--preset",
        default="small",
        metavar="NAME",
        help="tiny, small, base, medium, large, xl, 1b, 3b or 7b; default small",
    )
    transformer.add_argument(
        "--text-encoder",
        metavar="NAME",
        help="a Hugging Face text encoder, by name or folder; default: the built-in one",
    )
    transformer.add_argument("--process", choices=("flow", "ddpm"), default="flow", help="noise process; default flow")
    transformer.add_argument(
        "--tokens", type=int, default=1280, metavar="N", help="video tokens of a pack; default 1280"
    )
    transformer.add_argument(
        "--stages",
        type=_stages,
        default=(),
        metavar="S,S,...",
        help="parts of the run, each END[:tokens=N][:drop=P][:frames=F]: up to END of the budget (1 is all of it), "
        "from samples of at most N tokens, without the part P of the tokens of most clips, from the first F latent "
        "frames alone; such as 0.3:frames=1,0.8:tokens=80,1 for pictures, then small clips, then all",
    )
    transformer.add_argument(
        "--optimizer", choices=("muon", "adamw"), default="muon", help="of matrices inside blocks; default muon"
    )
    transformer.add_argument(
        "--shift", type=float, metavar="S", help="of flow: above 1, noisier levels in training and use; default 3"
    )
    transformer.add_argument(
        "--base-tokens",
        type=int,
        metavar="N",
        help="of flow: noise levels move with the square root of a clip's tokens over N, larger clips to more noise",
    )
    transformer.add_argument(
        "--sequence", type=int, default=1, metavar="N", help="ranks that share the tokens of a pack; default 1"
    )
    transformer.add_argument(
        "--recompute", type=int, default=0, metavar="N", help="blocks computed twice to save memory; default 0"
    )
    transformer.set_defaults(run=_train_transformer, parser=transformer)


def _add_training(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        nargs="+" if several else None,
        help="videos with captions.jsonl, captions.csv or .txt files",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the run; the same command continues it"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="budget in time: the learning rate falls to zero at its end"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="budget in steps, instead of minutes")
    parser.add_argument("--lr", type=float, metavar="R", help="learning rate")
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
    from patchworld.data import read_dataset
    from patchworld.model import load_autoencoder
    from patchworld.train import AutoencoderTask, train
    from patchworld.train.autoencoder import CROPS_PER_STEP
    from patchworld.train.checkpoint import list_checkpoints
    from patchworld.train.parallel import join_ranks
    from patchworld.vae import AutoencoderConfig

    config = _train_config(options, lr=5e-4)
    if options.decoder_only and not options.weights:
        raise InputError("--decoder-only keeps the latents of an autoencoder: name it with --weights DIR")
    datasets = {path.resolve().name: read_dataset(path) for path in options.data}
    if len(datasets) < len(options.data):
        raise InputError("two data sets have the same name: rename a folder, figures are told by name")
    start = load_autoencoder(options.weights) if options.weights else AutoencoderConfig()
    crops = _parts(options, CROPS_PER_STEP)
    with join_ranks(config.shard) as ranks:
        _make_folder(options.out)
        fresh = not list_checkpoints(options.out / "checkpoints")
        task = AutoencoderTask(
            datasets, start, options.seed, fresh=fresh, decoder_only=options.decoder_only, crops_per_step=crops
        )
        folder = train(task, config, options.out)
    if ranks.rank > 0:
        return ""
    return f"{folder}: see what it keeps of a video by patchworld reconstruct VIDEO -o out.mp4 --model {folder}"


def _train_transformer(options: argparse.Namespace) -> str:
    from tqdm import tqdm

    from patchworld.data import action_names, encode_dataset, read_dataset
    from patchworld.dit import PRESETS
    from patchworld.model import DEFAULT, PROCESSES, load_autoencoder
    from patchworld.shapes import Grid
    from patchworld.text import HuggingFaceTextEncoder
    from patchworld.train import TransformerTask, train
    from patchworld.train.parallel import join_ranks
    from patchworld.train.transformer import PACKS_PER_STEP

    config = _train_config(options, lr=1e-3)
    if options.preset not in PRESETS:
        raise InputError(f"unknown preset '{options.preset}': known are {', '.join(PRESETS)}")
    settings = {name: getattr(options, name) for name in ("shift", "base_tokens")}
    settings = {name: value for name, value in settings.items() if value is not None}
    if settings and options.process != "flow":
        raise InputError(f"--shift and --base-tokens belong to flow: leave them out with --process {options.process}")
    if options.process == "flow":
        settings = {"shift": SHIFT, **settings}
    process = PROCESSES[options.process](**settings)
    if options.tokens < 1:
        raise InputError(f"tokens={options.tokens} is too few: give 1 or more; a pack holds at least one clip")
    packs, sizes = _parts(options, PACKS_PER_STEP), PRESETS[options.preset]
    if not 0 <= options.recompute <= sizes["depth"]:
        raise InputError(
            f"recompute={options.recompute} is out of range: use 0 to {sizes['depth']}, the blocks of {options.preset}"
        )
    autoencoder = load_autoencoder(options.autoencoder or DEFAULT)
    samples = read_dataset(options.data)
    with join_ranks(config.shard, config.sequence) as ranks:
        _make_folder(options.out)
        autoencoder.to(ranks.device)

        def encode(some: list) -> list:
            def show(s: Any) -> Any:
                return tqdm(s, desc="encoding", unit="video", total=len(some), delay=1, disable=ranks.rank > 0)

            return encode_dataset(some, autoencoder, autoencoder.grid * Grid(1, 2), options.out / "latents", show)

        if ranks.size > 1:  # each rank encodes some; then all find all of them there
            encode(samples[ranks.rank :: ranks.size])
            ranks.wait()
        encoded, names = encode(samples), action_names(samples)
        words = HuggingFaceTextEncoder(options.text_encoder, device=ranks.device) if options.text_encoder else None
        task = TransformerTask(
            encoded, autoencoder, process, sizes, {}, names, options.seed, options.tokens, words, packs
        )
        task.denoiser.recompute = options.recompute
        folder = train(task, config, options.out)
    if ranks.rank > 0:
        return ""
    return f"{folder}: dream with it by patchworld generate PROMPT -o out.mp4 --model {folder}"


def _parts(options: argparse.Namespace, default: int) -> int:
    """How many parts a step has."""
    if options.parts is None:
        return default
    if options.parts < 1:
        raise InputError(f"parts={options.parts} is too few: give 1 or more")
    return options.parts


def _make_folder(path: Path) -> None:
    """Make the folder of a run before the work begins, not after some of it."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: give the name of a folder")
    path.mkdir(parents=True, exist_ok=True)


def _train_config(options: argparse.Namespace, lr: float) -> Any:
    from pydantic import ValidationError

    from patchworld.train import TrainConfig

    names = ("minutes", "steps", "seed", "precision", "on_trouble", "sample_minutes", "shard")
    try:
        return TrainConfig(
            lr=lr if options.lr is None else options.lr,
            stages=getattr(options, "stages", ()),  # of the transformer alone, as is
            sequence=getattr(options, "sequence", 1),
            optimizer=getattr(options, "optimizer", "adamw"),
            **{n: getattr(options, n) for n in names},
        )
    except ValidationError as error:
        raise InputError(first_problem(error)) from error
