"""Writing a data set of playroom clips: videos, one caption file, and the true state of every clip.

    out/clips/000000.mp4     (000000.png for a clip of one frame)
    out/states/000000.json   ground truth, see `episode.state`
    out/captions.jsonl       {"video": "clips/000000.mp4", "captions": [...], "actions": ["none", ...]}
    out/dataset.json         the settings, so that the same command can go on where it stopped

Nothing is ever half-written: a file has a temporary name until it is whole, and the state, written last, says that a
clip is done.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from patchworld.playroom.grammar import check
from patchworld.playroom.world import load_mujoco
from patchworld.video.made_folder import check_amounts, settle
from patchworld.video.whole_file import whole_file
from patchworld.workers import side_by_side

CRF = 12
INDEX_EVERY = 500  # clips between two writings of captions.jsonl: a stopped run leaves a usable data set
VERSION = 1


@dataclass(frozen=True)
class SizeShare:
    """One native size of the mix: `weight` is its share of the clips."""

    width: int
    height: int
    num_frames: int
    weight: float


DEFAULT_MIX = (
    SizeShare(64, 64, 17, 0.42),
    SizeShare(112, 64, 17, 0.12),
    SizeShare(64, 112, 17, 0.12),
    SizeShare(64, 64, 33, 0.10),
    SizeShare(96, 96, 17, 0.08),
    SizeShare(64, 64, 1, 0.06),
    SizeShare(128, 128, 9, 0.03),
    SizeShare(96, 96, 1, 0.05),
    SizeShare(64, 64, 65, 0.02),
)


@dataclass(frozen=True)
class _Job:
    out: str
    seed: int
    index: int
    split: str
    size: tuple[int, int]
    num_frames: int
    event: str | None
    camera: str | None
    cut: str | None


def write_dataset(
    out: str | Path,
    *,
    num_clips: int,
    workers: int = 1,
    seed: int = 0,
    split: str = "train",
    mix: tuple[SizeShare, ...] = DEFAULT_MIX,
    events: tuple[str, ...] = (),
    cameras: tuple[str, ...] = (),
    cuts: tuple[str, ...] = (),
    progress: bool = True,
) -> Path:
    """Render `num_clips` clips into the folder `out` and return it. Run again to continue, or to add clips.

    `events` are shown equally often, and nothing else; without them all are, by `draw.EVENT_ODDS`. Likewise
    `cameras` and the views of `cuts`. Clip number i depends on all these and i alone, never on `workers`.
    Raises InputError when `out` holds something else, and for what is not known or cannot be seen in so few frames.
    """
    check_amounts(num_clips, workers, seed)
    for event, camera, cut, share in product(events or (None,), cameras or (None,), cuts or (None,), mix):
        check(split, share.num_frames, (share.width, share.height), event, camera, cut)
    load_mujoco()  # what is missing is said before anything is written
    folder = Path(out)
    settle(
        folder,
        {
            "version": VERSION,
            "world": "playroom",
            "seed": seed,
            "split": split,
            "mix": [asdict(share) for share in mix],
            **({"events": list(events)} if events else {}),
            **({"cameras": list(cameras)} if cameras else {}),
            **({"cuts": list(cuts)} if cuts else {}),
        },
        ["clips", "states"],
    )
    jobs = [
        job
        for job in _jobs(folder, num_clips, seed, split, mix, events, cameras, cuts)
        if not _state_path(job).exists()
    ]
    try:
        _render_all(jobs, workers, progress, folder, num_clips)
    finally:
        write_index(folder)
    return folder


def _render_all(jobs: list[_Job], workers: int, progress: bool, folder: Path, num_clips: int) -> None:
    from tqdm import tqdm

    with tqdm(
        total=num_clips, initial=num_clips - len(jobs), unit="clip", disable=not progress, desc="playroom"
    ) as bar:
        for done, _ in enumerate(side_by_side(_write_clip, jobs, workers), start=1):
            bar.update()
            if done % INDEX_EVERY == 0:
                write_index(folder)


def _jobs(
    folder: Path,
    num_clips: int,
    seed: int,
    split: str,
    mix: tuple[SizeShare, ...],
    events: tuple[str, ...],
    cameras: tuple[str, ...],
    cuts: tuple[str, ...],
) -> Iterator[_Job]:
    weights = np.array([share.weight for share in mix], float)
    for index in range(num_clips):
        rng = np.random.default_rng((seed, index, 1 << 34))
        share = mix[int(rng.choice(len(mix), p=weights / weights.sum()))]
        event = str(rng.choice(events)) if events else None
        camera = str(rng.choice(cameras)) if cameras else None
        cut = str(rng.choice(cuts)) if cuts else None
        yield _Job(str(folder), seed, index, split, (share.width, share.height), share.num_frames, event, camera, cut)


def _write_clip(job: _Job) -> None:
    """Render one clip and write its video and then its state."""
    from patchworld.playroom.episode import play
    from patchworld.playroom.grammar import sample_scene
    from patchworld.video import write

    scene = sample_scene(
        job.seed,
        job.index,
        split=job.split,
        frames=job.num_frames,
        size=job.size,
        event=job.event,
        camera=job.camera,
        cut=job.cut,
    )
    episode = play(scene)
    video = f"clips/{job.index:06d}.{'png' if job.num_frames == 1 else 'mp4'}"
    write(episode.clip, Path(job.out) / video, crf=CRF)
    entry = {
        "video": video,
        "captions": [caption.as_dict() for caption in episode.captions],
        "actions": list(episode.actions),
    }
    # The entry has the first line to itself, so that the caption file can be gathered without reading all the states.
    head = json.dumps({"entry": entry}, ensure_ascii=False)
    body = json.dumps(episode.state, ensure_ascii=False, separators=(",", ":"))
    _write_text(_state_path(job), f"{head[:-1]},\n{body[1:]}\n")


def _state_path(job: _Job) -> Path:
    return Path(job.out) / "states" / f"{job.index:06d}.json"


def write_index(folder: Path) -> None:
    """Gather the entries of all finished clips into captions.jsonl."""
    lines = []
    for path in sorted((folder / "states").glob("[0-9]*.json")):
        with path.open(encoding="utf-8") as file:
            line = file.readline()
        entry, _ = json.JSONDecoder().raw_decode(line, line.index("{", 1))
        lines.append(json.dumps(entry, ensure_ascii=False))
    _write_text(folder / "captions.jsonl", "".join(line + "\n" for line in lines))


def _write_text(path: Path, text: str) -> None:
    """Write a whole file or none."""
    with whole_file(path) as file:
        file.write(text.encode())
