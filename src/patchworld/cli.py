"""The command line: parse, call, print. The rest is imported when a command needs it, so that --help is quick."""

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from patchworld import __version__
from patchworld.errors import InputError, PatchworldError

EXAMPLE = 'example: patchworld generate "a red ball rolls to the left on grass" -o ball.mp4'


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line with a remedy."""

    def error(self, message: str) -> NoReturn:
        if unknown := re.match(r"unrecognized arguments: (--?[\w-]+)", message):
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(unknown[1], known, n=1)
            message = f"unknown option {unknown[1]}" + (f"; did you mean {near[0]}?" if near else "")
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 is done, 2 input that cannot be used, 1 what the machine could not do, 130 Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = _parse(arguments)
    try:
        options.run(options)
    except PatchworldError as error:
        print(f"patchworld: {error}", file=sys.stderr)
        return error.exit_status
    except MemoryError:
        print("patchworld: out of memory: ask for fewer frames or a smaller size", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(
            f"patchworld: {error.filename or 'a file'}: {error.strerror or error}; free it, or choose another place",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("patchworld: stopped; nothing was left half-written", file=sys.stderr)
        return 130
    return 0


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
    generate.add_argument("--steps", type=int, metavar="N", help="solver steps: more is slower and finer")
    generate.add_argument("--guidance", type=float, metavar="G", help="how strongly the prompt pulls; 1 is none")
    generate.add_argument("--solver", metavar="NAME", help="euler, heun or ab2; ancestral or ddim for a DDPM model")
    generate.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same video; default 0")
    generate.add_argument("--negative", default="", metavar="TEXT", help="what to stay away from")
    generate.set_defaults(run=_generate)

    replay = commands.add_parser("replay", help="make a generated file again from the recipe stored in it")
    replay.add_argument("video", type=Path, metavar="FILE", help="a file written by patchworld generate")
    _add_output(replay, required=False)
    _add_model(replay)
    replay.set_defaults(run=_replay)

    reconstruct = commands.add_parser(
        "reconstruct", help="push a video through the autoencoder and measure what is lost"
    )
    reconstruct.add_argument("video", type=Path, metavar="FILE", help="any video or image")
    _add_output(reconstruct)
    _add_model(reconstruct)
    reconstruct.add_argument("--from", dest="start", type=float, default=0.0, metavar="S", help="first second to use")
    reconstruct.add_argument("--to", dest="end", type=float, metavar="S", help="second to stop at")
    reconstruct.set_defaults(run=_reconstruct)

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
    playroom.set_defaults(run=_data_playroom)

    train = commands.add_parser("train", help="train on a folder of videos with captions").add_subparsers(
        title="parts", metavar="PART", required=True
    )
    autoencoder = train.add_parser("autoencoder", help="train the video autoencoder")
    _add_training(autoencoder)
    autoencoder.set_defaults(run=_train_autoencoder)
    transformer = train.add_parser("transformer", help="train the diffusion transformer and its text encoder")
    _add_training(transformer)
    transformer.add_argument(
        "--autoencoder", type=Path, metavar="DIR", help="folder of a trained one; default: patchworld's own"
    )
    transformer.add_argument(
        "--preset", default="small", metavar="NAME", help="tiny, small, base or large; default small"
    )
    transformer.add_argument("--process", choices=("flow", "ddpm"), default="flow", help="noise process; default flow")
    transformer.add_argument(
        "--tokens", type=int, default=2560, metavar="N", help="video tokens of a pack, two packs a step; default 2560"
    )
    transformer.set_defaults(run=_train_transformer)

    options, unknown = parser.parse_known_args(arguments)
    if unknown:  # told by the command's own parser, which knows its options
        chosen: Any = {_generate: generate, _replay: replay, _reconstruct: reconstruct, _data_playroom: playroom}
        chosen |= {_train_autoencoder: autoencoder, _train_transformer: transformer}
        chosen[options.run].error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _add_output(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    kinds = "mp4, webm or gif; png, jpg or webp for one frame"
    parser.add_argument("-o", "--out", type=Path, required=required, metavar="FILE", help=f"file to write: {kinds}")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of a model; default: the one that comes with patchworld"
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="videos with captions.jsonl, captions.csv or .txt files"
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
        "--sample-minutes", type=float, default=10.0, metavar="M", help="time between contact sheets; default 10"
    )


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size: write width x height in pixels, such as 64x64")
    return int(match[1]), int(match[2])


def _generate(options: argparse.Namespace) -> None:
    from patchworld.canvas import Canvas
    from patchworld.generate import Sampling

    wanted = {name: getattr(options, name) for name in ("seed", "steps", "guidance", "solver")}
    sampling = Sampling(**{name: value for name, value in wanted.items() if value is not None})
    frames = options.frames
    if frames is None:
        frames = 1 if options.out.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp") else 17
    canvas = Canvas(options.prompt, frames, options.size, options.fps, options.negative)
    _check_output(options.out, frames)
    clip = _dream(options.model, canvas, sampling)
    print(f"{clip.save(options.out)}: {clip.num_frames} frames of {clip.size[0]}x{clip.size[1]}, seed {sampling.seed}")


def _replay(options: argparse.Namespace) -> None:
    import numpy as np

    from patchworld.generate import from_recipe
    from patchworld.video import read, read_recipe

    made = read_recipe(options.video)
    if made is None:
        raise InputError(f"{options.video} carries no recipe: replay needs a file written by patchworld generate")
    canvas, sampling = from_recipe(made)
    out = options.out or options.video.with_stem(options.video.stem + "-replay")
    _check_output(out, canvas.frames)
    clip = _dream(options.model, canvas, sampling, expected=made.get("model"))
    clip.save(out)
    before, after = read(options.video), read(out)
    same = before.frames.shape == after.frames.shape and np.array_equal(before.frames, after.frames)
    print(f"{out}: {'the same frames again' if same else 'frames differ: another machine, version or file format'}")


def _dream(folder: Path | None, canvas: Any, sampling: Any, expected: str | None = None) -> Any:
    """Load the model and dream the canvas, with a progress bar."""
    from tqdm import tqdm

    from patchworld.model import load

    model = load(folder)
    if expected is not None and expected != model.hash:
        raise InputError(
            f"the file was made by model {expected}, this one is {model.hash}: give its folder with --model"
        )
    with tqdm(total=sampling.steps, desc="dreaming", unit="step", leave=False) as bar:
        return model.dream(canvas, sampling, on_step=lambda done, steps, latent: bar.update(done - bar.n))


def _reconstruct(options: argparse.Namespace) -> None:
    import torch

    from patchworld.data import to_pixels
    from patchworld.generate import decode
    from patchworld.model import DEFAULT, load_autoencoder
    from patchworld.shapes import Shape
    from patchworld.video import psnr, read, ssim

    clip = read(options.video, start=options.start, end=options.end)
    _check_output(options.out, clip.num_frames)
    autoencoder = load_autoencoder(options.model or DEFAULT)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        latent = autoencoder.encode(to_pixels(clip))[0]
    rebuilt = decode(autoencoder, latent, Shape(*clip.frames.shape[:3]), clip.fps)
    rebuilt.save(options.out)
    smaller = clip.frames.size / latent.numel()
    quality = f"PSNR {psnr(clip, rebuilt):.2f} dB, SSIM {ssim(clip, rebuilt):.4f}"
    print(f"{options.out}: {quality}, {smaller:.0f} times fewer numbers")


def _data_playroom(options: argparse.Namespace) -> None:
    from patchworld.playroom import write_dataset

    write_dataset(options.out, num_clips=options.clips, workers=options.workers, seed=options.seed, split=options.split)


def _train_autoencoder(options: argparse.Namespace) -> None:
    from patchworld.data import read_dataset
    from patchworld.train import AutoencoderTask, train
    from patchworld.train.checkpoint import list_checkpoints
    from patchworld.vae import AutoencoderConfig

    config = _train_config(options, lr=5e-4)
    fresh = not list_checkpoints(options.out / "checkpoints")
    task = AutoencoderTask(read_dataset(options.data), AutoencoderConfig(), options.seed, fresh=fresh)
    print(train(task, config, options.out))


def _train_transformer(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from patchworld.data import action_names, encode_dataset, read_dataset
    from patchworld.dit import PRESETS
    from patchworld.model import DEFAULT, PROCESSES, load_autoencoder
    from patchworld.shapes import Grid
    from patchworld.train import TransformerTask, train

    config = _train_config(options, lr=1e-3)
    if options.preset not in PRESETS:
        raise InputError(f"unknown preset '{options.preset}': known are {', '.join(PRESETS)}")
    autoencoder = load_autoencoder(options.autoencoder or DEFAULT)
    samples = read_dataset(options.data)
    encoded = encode_dataset(
        samples,
        autoencoder,
        autoencoder.grid * Grid(1, 2),
        options.out / "latents",
        lambda s: tqdm(s, desc="encoding", unit="video", total=len(samples)),
    )
    process = PROCESSES[options.process]()
    sizes, names = PRESETS[options.preset], action_names(samples)
    task = TransformerTask(encoded, autoencoder, process, sizes, {}, names, options.seed, options.tokens)
    print(train(task, config, options.out))


def _train_config(options: argparse.Namespace, lr: float) -> Any:
    from pydantic import ValidationError

    from patchworld.train import TrainConfig

    try:
        return TrainConfig(
            minutes=options.minutes,
            steps=options.steps,
            lr=options.lr or lr,
            seed=options.seed,
            precision=options.precision,
            sample_minutes=options.sample_minutes,
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = "".join(f"--{part}: " for part in first["loc"])
        raise InputError(f"{name}{first['msg'].removeprefix('Value error, ')}") from error


def _check_output(path: Path, frames: int) -> None:
    """Refuse a file that could not be written before the work is done, not after."""
    from patchworld.video import check_output

    check_output(path, num_frames=frames)


if __name__ == "__main__":
    sys.exit(main())
