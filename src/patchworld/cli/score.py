"""patchworld score: what a model has understood of the playroom."""

import argparse
from pathlib import Path
from typing import Any

from patchworld.cli.parser import add_model, make_folder
from patchworld.errors import InputError

KEPT_CLIPS = 6  # of each kind of scene, on the page


def add(commands: Any) -> None:
    score = commands.add_parser("score", help="ask a model what it has understood of the playroom")
    add_model(score)
    score.add_argument(
        "--prompts", type=int, default=200, metavar="N", help="prompts of each kind of scene; default 200"
    )
    score.add_argument("--quick", action="store_true", help="things at rest and rolling balls alone")
    score.add_argument("--referee", action="store_true", help="examine the referee: real renders and no model")
    score.add_argument(
        "-o", "--out", type=Path, default=Path("scores"), metavar="DIR", help="folder of the report; default scores"
    )
    score.add_argument("--steps", type=int, metavar="N", help="solver steps; default 8")
    score.add_argument("--guidance", type=float, metavar="G", help="pull of the prompt; default 3")
    score.add_argument("--solver", metavar="NAME", help="dpm, euler or heun; ancestral or ddim for a DDPM model")
    score.add_argument("--seed", type=int, default=0, metavar="S", help="of the noise; the prompts stay; default 0")
    score.add_argument("--workers", type=int, metavar="W", help="processes; default: one for each core")
    score.set_defaults(run=_score, parser=score)


def _score(options: argparse.Namespace) -> str:
    from functools import partial

    from tqdm import tqdm

    from patchworld.generate import Sampling
    from patchworld.model import load
    from patchworld.scorecard import QUESTIONS, QUICK, SUITES, cores, dreamed_by, examine
    from patchworld.scorecard.report import summary, table, write_report

    workers = cores() if options.workers is None else options.workers
    if options.prompts < 1 or workers < 1:
        raise InputError(f"prompts={options.prompts}, workers={workers} is too few: give 1 or more of each")
    wanted = {name: getattr(options, name) for name in ("seed", "steps", "guidance", "solver")}
    sampling = Sampling(**{name: value for name, value in wanted.items() if value is not None})
    # The model is loaded here too, so that a damaged one is told of before anything is drawn.
    about = {"model": "none"} if options.referee else {"model": load(options.model).hash, **vars(sampling)}
    make_folder(options.out)
    suites = QUICK if options.quick else SUITES
    results = examine(
        None if options.referee else partial(dreamed_by, options.model, sampling),
        suites,
        options.prompts,
        QUESTIONS,
        workers=workers,
        keep=KEPT_CLIPS,
        progress=lambda items, stage: tqdm(
            items, desc=stage, total=options.prompts * len(suites), unit="prompt", leave=False
        ),
    )
    _, page = write_report(options.out, QUESTIONS, results, about | {"prompts_of_each_kind": options.prompts})
    return "\n".join([table(QUESTIONS, results), *summary(results), f"{page}: the clips beside their questions"])
