"""The command line: parse, call, print. The rest is imported when a command needs it, so that --help is quick."""

import argparse
import difflib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from patchworld import __version__
from patchworld.errors import InputError, PatchworldError, first_problem

EXAMPLE = 'example: patchworld generate "a red ball rolls to the left on grass" -o ball.mp4'


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are an InputError: one line that names the value, the rule and the remedy."""

    def __init__(self, **settings: Any) -> None:
        # No abbreviations: one that works today may fit two options tomorrow.
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)
        self.words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.words = list(args or ())
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        choice = re.match(r"argument (.+?): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
        missing = re.match(r"the following arguments are required: (.*)", message)
        surplus = re.match(r"unrecognized arguments: (.*)", message, re.DOTALL)
        # What seems to be missing may be there, but misspelt: an unknown option is told first.
        suspects = self.words if missing else surplus[1].split() if surplus else self.words[:1]
        known = [option for action in self._actions for option in action.option_strings]
        options = [word.split("=")[0] for word in suspects if re.match(r"--?[a-zA-Z]\S*$", word)]
        if unknown := [option for option in options if option not in known]:
            message = f"unknown option {unknown[0]} ({_nearest(unknown[0], known)})"
        elif missing:
            message = f"missing {missing[1]}"
        elif surplus:
            message = f"'{surplus[1]}' is one argument too many: put a text with spaces in quotes"
        elif choice:
            near = _nearest(choice[2], choice[3].replace("'", "").split(", "))
            message = f"unknown {choice[1].lower()} '{choice[2]}' ({near})"
        message = message.removeprefix("argument ").replace("invalid int value:", "not a whole number:")
        message = message.replace("invalid float value:", "not a number:")
        raise InputError(f"{message}; see {self.prog} --help")


def _nearest(value: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.65)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 is done, 2 input that cannot be used, 1 what the machine could not do, 130 Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file may have letters the terminal lacks
    try:
        options = _parse(list(sys.argv[1:] if arguments is None else arguments))
        with _plain_warnings():
            answer = options.run(options)
    except SystemExit:  # of --help and --version, which argparse has printed
        answer = ""
    except KeyboardInterrupt:
        return _fail("stopped; nothing was left half-written", 130)
    except PatchworldError as error:
        return _fail(str(error), error.exit_status)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}; check the path, its permissions and the free disk space", 1)
    except (MemoryError, RuntimeError) as error:
        told_by_torch = re.search("(can't allocate|not enough|out of) memory", str(error))
        if not (told_by_torch or isinstance(error, MemoryError)):
            raise
        return _fail("out of memory: ask for fewer frames or a smaller size, in training for fewer tokens", 1)
    return _print(answer)


def _print(answer: str) -> int:
    """Print the answer of a command. What reads it may be gone, as in `patchworld ... | head`, or full."""
    try:
        print(answer, end="\n" if answer else "", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 1 if isinstance(error, BrokenPipeError) else _fail(f"cannot print the result: {error.strerror}", 1)
    return 0


def _fail(message: str, status: int) -> int:
    print("patchworld:", " ".join(message.splitlines()), file=sys.stderr)  # one line, whatever a file name contains
    return status


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Our warnings as one line each; those of libraries, which are for programmers, not at all."""

    def show(message: Warning | str, *_: Any) -> None:
        print(f"patchworld: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", module="patchworld")
        warnings.showwarning = show  # type: ignore[assignment]  # of its six arguments only the first is asked for
        yield


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="patchworld", description="An open Sora: a world simulator made of spacetime patches.", epilog=EXAMPLE
    )
    parser.add_argument("--version", action="version", version=f"patchworld {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    generate = commands.add_parser("generate", help="make a video or an image from words", epilog=EXAMPLE)
    generate.add_argument("prompt", metavar="PROMPT", help="what to show, in English or Chinese")
    _add_output(generate)
    _add_model(generate)
    generate.add_argument("--frames", type=int, metavar="N", help="number of frames; default 17, 1 for an image file")
    generate.add_argument(
        "--size", type=_size, default=(64, 64), metavar="WxH", help="width x height in pixels; default 64x64"
    )
    generate.add_argument("--fps", type=float, default=8.0, metavar="F", help="frames a second; default 8")
    generate.add_argument("--steps", type=int, metavar="N", help="solver steps: more is slower and finer; default 16")
    generate.add_argument("--guidance", type=float, metavar="G", help="pull of the prompt; 1 is plain, default 3")
    generate.add_argument("--solver", metavar="NAME", help="euler, heun or ab2; ancestral or ddim for a DDPM model")
    generate.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same video; default 0")
    generate.add_argument("--negative", default="", metavar="TEXT", help="what to stay away from")
    generate.set_defaults(run=_generate, parser=generate)

    replay = commands.add_parser("replay", help="make a generated file again from the recipe stored in it")
    replay.add_argument("video", type=Path, metavar="FILE", help="a file written by patchworld generate")
    _add_output(replay, required=False)
    _add_model(replay)
    replay.set_defaults(run=_replay, parser=replay)

    reconstruct = commands.add_parser(
        "reconstruct", help="push a video through the autoencoder and measure what is lost"
    )
    reconstruct.add_argument("video", type=Path, metavar="FILE", help="any video or image")
    _add_output(reconstruct)
    _add_model(reconstruct)
    reconstruct.add_argument("--from", dest="start", type=float, default=0.0, metavar="S", help="first second to use")
    reconstruct.add_argument("--to", dest="end", type=float, metavar="S", help="second to stop at")
    reconstruct.set_defaults(run=_reconstruct, parser=reconstruct)

    data = commands.add_parser("data", help="make data sets").add_subparsers(
        title="kinds", metavar="KIND", required=True
    )
    playroom = data.add_parser("playroom", help="render a data set of the playroom")
    playroom.add_argument("--clips", type=int, required=True, metavar="N", help="number of clips")
    playroom.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to write; continues where it stopped"
    )
    playroom.add_argument("--workers", type=int, default=1, metavar="W", help="processes; default 1")
    playroom.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same data; default 0")
    playroom.add_argument(
        "--split", choices=("train", "held_out"), default="train", help="with or without the things held out"
    )
    playroom.set_defaults(run=_data_playroom, parser=playroom)
    pictures = data.add_parser("pictures", help="film photographs and patterns, to train an autoencoder on")
    pictures.add_argument("--clips", type=int, required=True, metavar="N", help="number of clips")
    pictures.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to write; continues where it stopped"
    )
    pictures.add_argument("--photos", type=Path, metavar="DIR", help="folder of photographs; default: patterns alone")
    pictures.add_argument("--workers", type=int, default=1, metavar="W", help="processes; default 1")
    pictures.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same data; default 0")
    pictures.set_defaults(run=_data_pictures, parser=pictures)

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
        "--tokens", type=int, default=1280, metavar="N", help="video tokens of a pack, four packs a step; default 1280"
    )
    transformer.add_argument(
        "--stages",
        type=_stages,
        default=(),
        metavar="S,S,...",
        help="parts of the run, each END[:TOKENS[:DROP]]: up to END of the budget (1 is all of it), from samples of at "
        "most TOKENS tokens, without the part DROP of the tokens of most clips; such as 0.6:80,0.9::0.5,1",
    )
    transformer.add_argument(
        "--base-tokens",
        type=int,
        metavar="N",
        help="of flow: noise levels move with the square root of a clip's tokens over N, larger clips to more noise",
    )
    transformer.set_defaults(run=_train_transformer, parser=transformer)

    options, unknown = parser.parse_known_args(arguments)
    if unknown:  # told by the command's own parser, which knows its options
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _add_output(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    kinds = "mp4, webm or gif; png, jpg or webp for one frame"
    parser.add_argument("-o", "--out", type=Path, required=required, metavar="FILE", help=f"file to write: {kinds}")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of a model; default: the one that comes with patchworld"
    )


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


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,9})[xX×](\d{1,9})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size: write width x height in pixels, such as 64x64")
    return int(match[1]), int(match[2])


def _stages(text: str) -> tuple[dict[str, str], ...]:
    """Fields of `train.Stage` for each part of `0.6:80,1`; the numbers in them are checked there."""
    names = ("until", "most_tokens", "drop")
    stages = tuple(part.split(":") for part in text.split(","))
    if any(len(fields) > len(names) for fields in stages):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of stages: write END[:TOKENS[:DROP]], such as 0.6:80,1")
    return tuple({n: field for n, field in zip(names, fields, strict=False) if field} for fields in stages)


def _generate(options: argparse.Namespace) -> str:
    from patchworld.canvas import Canvas
    from patchworld.generate import Sampling
    from patchworld.video import check_output
    from patchworld.video.writing import IMAGE_SUFFIXES

    wanted = {name: getattr(options, name) for name in ("seed", "steps", "guidance", "solver")}
    sampling = Sampling(**{name: value for name, value in wanted.items() if value is not None})
    frames = options.frames
    if frames is None:
        frames = 1 if options.out.suffix.lower() in IMAGE_SUFFIXES else 17
    canvas = Canvas(options.prompt, frames, options.size, options.fps, options.negative)
    check_output(options.out, size=canvas.size, fps=canvas.fps, num_frames=frames)  # before the work, not after it
    clip = _dream(options.model, canvas, sampling)
    path, (width, height) = clip.save(options.out), clip.size
    return f"{path}: {frames} {'frame' if frames == 1 else 'frames'} of {width}x{height}, seed {sampling.seed}"


def _replay(options: argparse.Namespace) -> str:
    import numpy as np

    from patchworld.recipe import follow_recipe
    from patchworld.video import check_output, read

    before = read(options.video)
    if before.recipe is None:
        raise InputError(f"{options.video} carries no recipe: give a file as patchworld generate wrote it")
    canvas, sampling = follow_recipe(before.recipe)
    out = options.out or options.video.with_stem(options.video.stem + "-replay")
    check_output(out, size=canvas.size, fps=canvas.fps, num_frames=canvas.frames)
    after = read(_dream(options.model, canvas, sampling, before.recipe.get("model")).save(out))
    same = before.frames.shape == after.frames.shape and np.array_equal(before.frames, after.frames)
    return f"{out}: {'the same frames again' if same else 'frames differ: another machine, version or file format'}"


def _dream(folder: Path | None, canvas: Any, sampling: Any, expected: str | None = None) -> Any:
    """Load the model and dream the canvas, with a progress bar when it takes longer than a moment."""
    from tqdm import tqdm

    from patchworld.model import load

    model = load(folder)
    if expected is not None and expected != model.hash:
        raise InputError(
            f"the file was made by model {expected}, this one is {model.hash}: give the folder of that one with --model"
        )
    with tqdm(total=sampling.steps, desc="dreaming", unit="step", leave=False, delay=0.3) as bar:
        return model.dream(canvas, sampling, on_step=lambda done, steps, latent: bar.update(done - bar.n))


def _reconstruct(options: argparse.Namespace) -> str:
    import math
    from itertools import tee

    from tqdm import tqdm

    from patchworld.model import DEFAULT, load_autoencoder
    from patchworld.shapes import Shape
    from patchworld.vae import decode_latents, encode_frames
    from patchworld.video import Writer, check_output, frames, probe
    from patchworld.video.metrics import Comparison

    check_output(options.out)
    originals, source = tee(frames(options.video, start=options.start, end=options.end))
    info = probe(options.video)
    seconds = min(info.duration, options.end or info.duration) - options.start
    # As near as the file tells: it may hold one more, which the writer would refuse where it does not fit.
    expected = 1 if info.num_frames == 1 else max(1, math.ceil(seconds * info.fps - 0.25))
    check_output(options.out, size=info.size, fps=info.fps, num_frames=expected)
    autoencoder = load_autoencoder(options.model or DEFAULT)
    # Read, encode, decode and write piece by piece: `tee` holds the frames of one piece, nothing holds the video.
    rebuilt = decode_latents(autoencoder, encode_frames(autoencoder, source), info.size)
    loss = Comparison()
    with (
        tqdm(total=expected, desc="reconstructing", unit="frame", leave=False, delay=0.3) as bar,
        Writer(options.out, info.size, info.fps) as writer,
    ):
        for before, after in zip(originals, rebuilt, strict=False):  # the last piece may be continued beyond the end
            writer.add(after)
            loss.add(before, after)
            bar.update()
    width, height = info.size
    latent = Shape(loss.num_frames, height, width).divided(autoencoder.grid)
    smaller = loss.num_frames * height * width * 3 / (latent.volume * autoencoder.latent_channels)
    return f"{options.out}: PSNR {loss.psnr:.2f} dB, SSIM {loss.ssim:.4f}, {smaller:.0f} times fewer numbers"


def _data_playroom(options: argparse.Namespace) -> str:
    from patchworld.playroom import write_dataset

    folder = write_dataset(
        options.out, num_clips=options.clips, workers=options.workers, seed=options.seed, split=options.split
    )
    return f"{folder}: {options.clips} clips, with captions.jsonl"


def _data_pictures(options: argparse.Namespace) -> str:
    from patchworld.data.pictures import write_pictures

    folder = write_pictures(
        options.out, num_clips=options.clips, photos=options.photos, workers=options.workers, seed=options.seed
    )
    return f"{folder}: {options.clips} clips, with captions.jsonl"


def _train_autoencoder(options: argparse.Namespace) -> str:
    from patchworld.data import read_dataset
    from patchworld.model import load_autoencoder
    from patchworld.train import AutoencoderTask, train
    from patchworld.train.checkpoint import list_checkpoints
    from patchworld.vae import AutoencoderConfig

    config = _train_config(options, lr=5e-4)
    if options.decoder_only and not options.weights:
        raise InputError("--decoder-only keeps the latents of an autoencoder: name it with --weights DIR")
    datasets = {path.resolve().name: read_dataset(path) for path in options.data}
    if len(datasets) < len(options.data):
        raise InputError("two data sets have the same name: rename a folder, figures are told by name")
    start = load_autoencoder(options.weights) if options.weights else AutoencoderConfig()
    _make_folder(options.out)
    fresh = not list_checkpoints(options.out / "checkpoints")
    task = AutoencoderTask(datasets, start, options.seed, fresh=fresh, decoder_only=options.decoder_only)
    folder = train(task, config, options.out)
    return f"{folder}: see what it keeps of a video by patchworld reconstruct VIDEO -o out.mp4 --model {folder}"


def _train_transformer(options: argparse.Namespace) -> str:
    from tqdm import tqdm

    from patchworld.data import action_names, encode_dataset, read_dataset
    from patchworld.dit import PRESETS
    from patchworld.model import DEFAULT, PROCESSES, load_autoencoder
    from patchworld.shapes import Grid
    from patchworld.text import HuggingFaceTextEncoder
    from patchworld.train import TransformerTask, train

    config = _train_config(options, lr=1e-3)
    if options.preset not in PRESETS:
        raise InputError(f"unknown preset '{options.preset}': known are {', '.join(PRESETS)}")
    settings = {} if options.base_tokens is None else {"base_tokens": options.base_tokens}
    if settings and options.process != "flow":
        raise InputError(f"--base-tokens belongs to flow: leave it out with --process {options.process}")
    process = PROCESSES[options.process](**settings)
    if options.tokens < 1:
        raise InputError(f"tokens={options.tokens} is too few: give 1 or more; a pack holds at least one clip")
    autoencoder = load_autoencoder(options.autoencoder or DEFAULT)
    samples = read_dataset(options.data)
    _make_folder(options.out)
    encoded = encode_dataset(
        samples,
        autoencoder,
        autoencoder.grid * Grid(1, 2),
        options.out / "latents",
        lambda s: tqdm(s, desc="encoding", unit="video", total=len(samples), delay=1),
    )
    sizes, names = PRESETS[options.preset], action_names(samples)
    words = HuggingFaceTextEncoder(options.text_encoder) if options.text_encoder else None
    task = TransformerTask(encoded, autoencoder, process, sizes, {}, names, options.seed, options.tokens, words)
    folder = train(task, config, options.out)
    return f"{folder}: dream with it by patchworld generate PROMPT -o out.mp4 --model {folder}"


def _make_folder(path: Path) -> None:
    """Make the folder of a run before the work begins, not after some of it."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: give the name of a folder")
    path.mkdir(parents=True, exist_ok=True)


def _train_config(options: argparse.Namespace, lr: float) -> Any:
    from pydantic import ValidationError

    from patchworld.train import TrainConfig

    names = ("minutes", "steps", "seed", "precision", "on_trouble", "sample_minutes")
    try:
        return TrainConfig(
            lr=lr if options.lr is None else options.lr,
            stages=getattr(options, "stages", ()),  # of the transformer alone
            **{n: getattr(options, n) for n in names},
        )
    except ValidationError as error:
        raise InputError(first_problem(error)) from error


if __name__ == "__main__":
    sys.exit(main())
