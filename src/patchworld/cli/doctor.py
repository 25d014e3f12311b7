"""patchworld doctor: what a training command will need, before it runs."""

import argparse
import re
from pathlib import Path
from typing import Any

from patchworld.cli.train import add_training, add_transformer, transformer_config, transformer_task
from patchworld.errors import InputError

MOST_MEASURED = 64  # videos that are encoded to measure; a run with the same --out finds them encoded


def add(commands: Any) -> None:
    doctor = commands.add_parser(
        "doctor", help="what a training command will need: write doctor in the place of train"
    ).add_subparsers(title="parts", metavar="PART", required=True)
    needs = doctor.add_parser(
        "transformer",
        help="predict weights, speed, memory and time of patchworld train transformer, and measure three steps",
        epilog="With --device nothing is run: --data is then read for the lengths of clips, or left out, for --clip.",
    )
    add_training(needs, required=False)
    add_transformer(needs)
    needs.add_argument("--device", metavar="KIND", help="predict for devices that are not here, such as h100")
    needs.add_argument("--devices", type=int, default=1, metavar="N", help="that share weights and work; default 1")
    needs.add_argument(
        "--clip", type=_clip, default=(17, 64, 64), metavar="FxWxH", help="mean clip without --data; default 17x64x64"
    )
    needs.set_defaults(run=_doctor, parser=needs)


def _clip(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d{1,9})[xX×](\d{1,9})[xX×](\d{1,9})", text)
    if not match or 0 in map(int, match.groups()):
        raise argparse.ArgumentTypeError(f"'{text}' is not a clip: write frames x width x height, such as 17x64x64")
    return int(match[1]), int(match[2]), int(match[3])


def _doctor(options: argparse.Namespace) -> str:
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from patchworld.data import read_dataset
    from patchworld.train.doctor import DEVICES, measure, plan_of_preset, plan_of_task, report, this_machine
    from patchworld.train.loop import resident_bytes
    from patchworld.train.parallel import join_ranks

    config = transformer_config(options)
    if options.devices < 1 or (options.devices > 1 and not options.device):
        raise InputError(f"devices={options.devices}: give 1 or more, and say of which kind they are with --device")
    if options.device and options.device not in DEVICES:
        raise InputError(f"unknown device '{options.device}': known are {', '.join(DEVICES)}")
    if not (options.device or options.data):
        raise InputError("nothing to measure: give --data, or --device for a machine that is not here")
    device = DEVICES[options.device] if options.device else this_machine(config.precision)
    if options.data is None:
        if options.weights or options.lora or options.text_encoder:
            raise InputError("--weights, --lora and --text-encoder are predicted for with --data alone: give it too")
        ddpm = options.process == "ddpm"
        plan = plan_of_preset(options.preset or "small", ddpm, options.clip, options.tokens, config, options.recompute)
        return report(plan, device, config, None, options.devices)
    samples = [sample for folder in options.data for sample in read_dataset(folder)][:MOST_MEASURED]
    with TemporaryDirectory() as folder:
        with join_ranks() as ranks:
            task = transformer_task(options, samples, options.out or Path(folder), ranks)
        plan = plan_of_task(task, config, on_cpu=not options.device)
        if not options.device:
            device = replace(device, program=resident_bytes() - 4 * plan.weights)  # with what encoding has left behind
        measured = None if options.device else measure(task, config)
    return report(plan, device, config, measured, options.devices)
