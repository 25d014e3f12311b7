"""patchworld doctor: what a recipe or a training command will need, before it runs."""

import argparse
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from patchworld.cli.train import (
    add_training,
    add_transformer,
    autoencoder_config,
    autoencoder_data,
    autoencoder_task,
    transformer_config,
    transformer_task,
)
from patchworld.errors import InputError
from patchworld.shapes import Shape

MOST_MEASURED = 64  # videos that are encoded to measure; a run with the same --out finds them encoded
OF_RECIPES = {"recipe", "out", "device", "devices", "clip"}  # options that say something of a recipe as a whole


def add(commands: Any) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="what a recipe or a training command will need, before it runs",
        epilog="With --device nothing is run: --data is then read for the lengths of clips, or left out, for --clip.",
    )
    doctor.add_argument(
        "recipe",
        metavar="RECIPE",
        help="recipes/playroom.py, say, whose training steps are predicted for and tried for three steps each, on "
        "patterns where data is not in --out yet; or: transformer, with the options of patchworld train transformer",
    )
    add_training(doctor, required=False)
    add_transformer(doctor)
    doctor.add_argument("--device", metavar="KIND", help="predict for devices that are not here, such as h100")
    doctor.add_argument("--devices", type=int, default=1, metavar="N", help="that share weights and work; default 1")
    doctor.add_argument(
        "--clip",
        type=_clip,
        default=Shape(17, 64, 64),
        metavar="FxWxH",
        help="a clip of data that nothing is known of; default 17x64x64",
    )
    doctor.set_defaults(run=_doctor, parser=doctor)


def _clip(text: str) -> Shape:
    match = re.fullmatch(r"(\d{1,9})[xX×](\d{1,9})[xX×](\d{1,9})", text)
    if not match or 0 in map(int, match.groups()):
        raise argparse.ArgumentTypeError(f"'{text}' is not a clip: write frames x width x height, such as 17x64x64")
    frames, width, height = map(int, match.groups())
    return Shape(frames, height, width)


def _doctor(options: argparse.Namespace) -> str:
    from patchworld.train.doctor import DEVICES

    if options.devices < 1 or (options.devices > 1 and not options.device):
        raise InputError(f"devices={options.devices}: give 1 or more, and say of which kind they are with --device")
    if options.device and options.device not in DEVICES:
        raise InputError(f"unknown device '{options.device}': known are {', '.join(DEVICES)}")
    if options.recipe != "transformer":
        return _of_recipe(options)
    config = transformer_config(options)
    if not (options.device or options.data):
        raise InputError("nothing to measure: give --data, or --device for a machine that is not here")
    if options.data is None and (options.weights or options.lora or options.text_encoder):
        raise InputError("--weights, --lora and --text-encoder are predicted for with --data alone: give it too")
    clips = None if options.data else Counter({options.clip: 1})
    return _of_transformer(options, config, options.device, options.devices, clips)[0]


def _of_transformer(
    options: argparse.Namespace, config: Any, kind: str | None, devices: int, clips: Counter[Shape] | None
) -> tuple[str, float]:
    """The report, and the seconds that the run takes; on `clips`, where the data is not there."""
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from patchworld.data import read_dataset
    from patchworld.train import doctor
    from patchworld.train.loop import resident_bytes
    from patchworld.train.parallel import join_ranks
    from patchworld.train.transformer import PACKS_PER_STEP

    device = doctor.DEVICES[kind] if kind else doctor.this_machine(config.precision)
    measured = None
    if kind and clips and not (options.weights or options.lora or options.text_encoder):
        plan = doctor.plan_of_preset(
            options.preset or "small",
            options.process == "ddpm",
            clips,
            options.tokens,
            config,
            options.recompute,
            options.parts or PACKS_PER_STEP,
            options.freeze,
        )
    else:
        with TemporaryDirectory() as folder:
            data = [doctor.made_up(clips, Path(folder))] if clips else options.data
            samples = [sample for each in data for sample in read_dataset(each)][:MOST_MEASURED]
            with join_ranks() as ranks:
                out = Path(folder) if clips or not options.out else options.out
                task = transformer_task(options, samples, out, ranks)
            plan = doctor.plan_of_task(task, config, on_cpu=not kind)
            if not kind:
                device = replace(device, program=resident_bytes() - 4 * plan.weights)  # with what encoding leaves
                measured = doctor.measure(task, config)
    needs = doctor.needs_of_plan(plan, device, devices)
    return doctor.report(needs, device, config, measured, devices), doctor.seconds_needed(needs, config, measured)


def _of_autoencoder(
    options: argparse.Namespace, config: Any, kind: str | None, devices: int, clips: Counter[Shape] | None
) -> tuple[str, float]:
    """Likewise."""
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from patchworld.train import doctor
    from patchworld.train.loop import resident_bytes

    device = doctor.DEVICES[kind] if kind else doctor.this_machine(config.precision)
    with TemporaryDirectory() as folder:
        if clips:
            options.data = [doctor.made_up(clips, Path(folder))]
        task = autoencoder_task(options, autoencoder_data(options), fresh=False)
        if not kind:
            device = replace(device, program=resident_bytes() - 4 * doctor.count_weights(task.module)[0])
        needs = doctor.needs_of_autoencoder(task, config, device, devices, cpu=not kind)
        measured = None if kind else doctor.measure(task, config)
    return doctor.report(needs, device, config, measured, devices), doctor.seconds_needed(needs, config, measured)


def _of_recipe(options: argparse.Namespace) -> str:
    """Each training step of a recipe, as if those before it were done, and the time of all."""
    from patchworld.cli.program import parse
    from patchworld.train.doctor import duration

    for name, value in vars(options).items():
        if name not in OF_RECIPES and value != options.parser.get_default(name):
            raise InputError(
                f"--{name.replace('_', '-')} is what the recipe says: leave it out, or ask for one command by "
                "patchworld doctor transformer"
            )
    lines, seconds, to_make = [], 0.0, 0
    sizes: dict[Path, Counter[Shape]] = {}  # of data that a step makes
    models: dict[Path, tuple[Path | None, str | None]] = {}  # that a step makes: what has the same sizes
    for name, commands in _steps(Path(options.recipe), options.out or Path("OUT")).items():
        for words in commands:
            step = parse(words)
            if words[0] == "data":
                sizes[step.out] = _clips_of(step)
                to_make += 0 if step.out.is_dir() else step.clips
            if words[:2] not in (["train", "autoencoder"], ["train", "transformer"]):
                continue
            lines.append(f"{name}: {step.out}")
            missing = [folder for folder in step.data if not folder.is_dir()]
            clips: Counter[Shape] = Counter()
            for folder in step.data if missing else ():
                clips.update(sizes.get(folder, {options.clip: 1}))
            if missing:
                lines.append(
                    f"on patterns of the sizes that are to be in {', '.join(map(str, dict.fromkeys(missing)))}"
                )
            if words[1] == "transformer":
                if step.weights and not step.weights.is_dir():
                    if step.weights not in models:
                        raise InputError(f"{step.weights} is not there, and no step of {options.recipe} makes it")
                    step.weights, step.preset = models[step.weights]
                    if step.judged and not step.weights:
                        step.judged = False
                        lines.append("without the dreams that are judged, whose model is not there")
                if step.autoencoder and not step.autoencoder.is_dir():
                    step.autoencoder = None  # all have the same sizes
                models[step.out / "model"] = step.weights, step.preset
                config, needs = transformer_config(step), _of_transformer
            else:
                config, needs = autoencoder_config(step), _of_autoencoder
                if step.mend and not step.mend.is_dir():
                    step.mend = None
                    lines.append("without the dreams that it mends, whose model is not there")
                if step.weights and not step.weights.is_dir():
                    step.weights = None
            del step.run, step.parser  # of no use to another process
            work = (needs, step, config, options.device, options.devices, clips)
            told, lasting = needs(*work[1:]) if options.device else _apart(*work)
            lines += [told, ""]
            seconds += lasting
    more = f"; making {to_make:,} clips," if to_make else ";"
    lines.append(f"training: {duration(seconds)} in all{more} encoding and judging come on top")
    return "\n".join(lines)


def _apart(work: Callable[..., tuple[str, float]], *inputs: Any) -> tuple[str, float]:
    """In a process of its own, as a run is: what others have left behind would count."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *inputs).result()


def _steps(recipe: Path, out: Path) -> dict[str, list[list[str]]]:
    """The commands of a recipe, which are not run: what its function `steps` says."""
    import runpy

    if not recipe.is_file():
        raise InputError(f"there is no recipe {recipe}: name a file, such as recipes/playroom.py, or write transformer")
    try:
        found = runpy.run_path(str(recipe))  # not as the program: what it would run is not
        if "steps" in found:
            return found["steps"](out)
    except Exception as error:
        raise InputError(f"{recipe} cannot be read ({type(error).__name__}: {error}): run it with Python") from error
    raise InputError(f"{recipe} has no function steps(out): let it return the commands of each step, as playroom's")


def _clips_of(step: argparse.Namespace) -> Counter[Shape]:
    """What a command makes: so many clips of each size."""
    from patchworld.data.pictures.planning import MIX
    from patchworld.playroom import DEFAULT_MIX

    playroom = [(each.width, each.height, each.num_frames, each.weight) for each in DEFAULT_MIX]
    mix = MIX if hasattr(step, "photos") else step.mix or playroom
    total = sum(weight for *_, weight in mix)
    return Counter({Shape(frames, height, width): step.clips * w / total for width, height, frames, w in mix})
