"""The data set on disk."""

import json
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from patchworld.data.pictures.drawing import draw
from patchworld.data.pictures.photographs import find_photographs
from patchworld.data.pictures.planning import describe, plan
from patchworld.data.pictures.shot import Shot
from patchworld.video import write
from patchworld.video.made_folder import check_amounts, settle
from patchworld.video.whole_file import whole_file
from patchworld.workers import side_by_side

VERSION = 1


def write_pictures(
    out: str | Path, *, num_clips: int, photos: str | Path | None = None, workers: int = 1, seed: int = 0
) -> Path:
    """Write `num_clips` clips into the folder `out` and return it. Run again to continue, or to add clips.

    photos: a folder of pictures, its subfolders included; without it everything is drawn by code.
    Raises InputError for numbers out of range, a folder without pictures, or an `out` that holds something else.
    """
    check_amounts(num_clips, workers, seed)
    folder, sources = Path(out), find_photographs(photos) if photos is not None else ()
    names = [path.relative_to(photos).as_posix() for path in sources] if photos is not None else []
    settle(folder, {"version": VERSION, "world": "pictures", "seed": seed, "photographs": names}, ["clips"])
    plans = [(_video(folder, shots), shots) for shots in (plan(seed, i, sources) for i in range(num_clips))]
    missing = [job for job in plans if not job[0].exists()]
    try:
        done = side_by_side(_write_clip, missing, workers, partial(torch.set_num_threads, 1))
        for _ in tqdm(done, total=len(missing), unit="clip", desc="pictures", delay=1):
            pass
    finally:
        _write_captions(folder, plans)
    return folder


def _video(folder: Path, shots: tuple[Shot, ...]) -> Path:
    one = sum(shot.num_frames for shot in shots) == 1
    return folder / "clips" / f"{shots[0].key[1]:06d}.{'png' if one else 'mkv'}"


def _write_clip(job: tuple[Path, tuple[Shot, ...]]) -> Path:
    path, shots = job
    return write(draw(shots), path)


def _write_captions(folder: Path, plans: list[tuple[Path, tuple[Shot, ...]]]) -> None:
    """One line for each clip that is there."""
    with whole_file(folder / "captions.jsonl") as file:
        for path, shots in plans:
            if path.exists():
                row = {"video": path.relative_to(folder).as_posix(), "caption": describe(shots)}
                file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
