import json
import multiprocessing
import os
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from patchworld.errors import InputError
from patchworld.playroom.dataset import DEFAULT_MIX, SizeShare, write_dataset
from patchworld.video import read

MIX = (SizeShare(64, 64, 5, 0.7), SizeShare(64, 64, 1, 0.3))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def make(folder: Path, num_clips: int, workers: int = 1, seed: int = 0) -> dict[str, bytes]:
    write_dataset(folder, num_clips=num_clips, workers=workers, seed=seed, mix=MIX, progress=False)
    return contents(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playroom") / "whole"
    make(folder, 8)
    return folder


def test_a_data_set_is_videos_images_and_one_caption_file(whole: Path) -> None:
    lines = [json.loads(line) for line in (whole / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 8
    assert {Path(line["video"]).suffix for line in lines} == {".mp4", ".png"}
    for line in lines:
        clip = read(whole / line["video"])
        assert clip.size == (64, 64)
        assert len(line["actions"]) == clip.num_frames
        assert {"text", "language", "detail"} == set(line["captions"][0])
        state = json.loads((whole / "states" / f"{Path(line['video']).stem}.json").read_text(encoding="utf-8"))
        assert len(state["frames"]) == clip.num_frames


def test_a_video_looks_like_what_was_rendered(whole: Path) -> None:
    from patchworld.playroom.episode import play
    from patchworld.playroom.grammar import sample_scene

    video = sorted((whole / "clips").glob("*.mp4"))[0]
    frames = play(sample_scene(0, int(video.stem), frames=5, size=(64, 64))).clip.frames
    assert np.abs(read(video).frames.astype(int) - frames).mean() < 4


def test_dataset_continues_where_it_stopped(whole: Path, tmp_path: Path) -> None:
    make(tmp_path / "part", 3)
    before = (tmp_path / "part" / "clips" / "000000.mp4").stat().st_mtime_ns
    assert make(tmp_path / "part", 8) == contents(whole)
    assert (tmp_path / "part" / "clips" / "000000.mp4").stat().st_mtime_ns == before


def test_the_number_of_workers_changes_nothing(whole: Path, tmp_path: Path) -> None:
    assert make(tmp_path / "two", 8, workers=2) == contents(whole)


def test_a_worker_that_dies_costs_nothing_but_time(whole: Path, tmp_path: Path) -> None:
    killed = []

    def kill_one() -> None:
        while not list((tmp_path / "two" / "states").glob("*.json")):
            time.sleep(0.01)
        worker = multiprocessing.active_children()[0]
        os.kill(worker.pid, signal.SIGKILL)
        killed.append(worker.pid)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    write_dataset(tmp_path / "two", num_clips=40, workers=2, mix=MIX, progress=False)
    killer.join(10)
    assert killed
    made, expected = contents(tmp_path / "two"), contents(whole)
    assert len([name for name in made if name.startswith("states/")]) == 40
    assert all(made[name] == expected[name] for name in expected if name.startswith("clips/"))
    assert len(made["captions.jsonl"].splitlines()) == 40


def test_a_clip_without_its_state_is_made_again(whole: Path, tmp_path: Path) -> None:
    make(tmp_path / "hole", 4)
    (tmp_path / "hole" / "states" / "000002.json").unlink()
    (tmp_path / "hole" / "clips" / "000002.mp4").unlink(missing_ok=True)
    make(tmp_path / "hole", 8)
    assert contents(tmp_path / "hole") == contents(whole)


def test_other_settings_in_the_same_folder_are_refused(whole: Path) -> None:
    with pytest.raises(InputError, match="seed=0, not 1"):
        make(whole, 8, seed=1)


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="not empty"):
        make(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_default_mix_is_mostly_small_and_adds_up() -> None:
    assert DEFAULT_MIX[0] == SizeShare(64, 64, 17, 0.42)
    assert sum(share.weight for share in DEFAULT_MIX) == pytest.approx(1)


def test_no_clips_or_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="num_clips=0"):
        write_dataset(tmp_path / "none", num_clips=0)
    with pytest.raises(InputError, match="workers=0"):
        write_dataset(tmp_path / "none", num_clips=1, workers=0)
    assert not (tmp_path / "none").exists()


def test_only_the_events_and_cameras_that_are_asked_for_are_shown(tmp_path: Path) -> None:
    wanted: dict[str, tuple[str, ...]] = {"events": ("bites a pie", "is pushed"), "cameras": ("pans left", "moves in")}
    write_dataset(tmp_path / "d", num_clips=6, mix=(SizeShare(64, 64, 9, 1),), **wanted, progress=False)
    states = [json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "d" / "states").iterdir()]
    assert {state["event"] for state in states} == set(wanted["events"])
    assert {state["camera"] for state in states} == set(wanted["cameras"])


def test_every_clip_has_the_cut_that_is_asked_for(tmp_path: Path) -> None:
    mix = (SizeShare(64, 64, 17, 1),)
    write_dataset(tmp_path / "d", num_clips=3, mix=mix, cuts=("from above", "from the left"), progress=False)
    rows = [json.loads(line) for line in (tmp_path / "d" / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all(re.search("a cut to a view from (above|the left)", row["captions"][0]["text"]) for row in rows)


def test_an_event_that_needs_more_frames_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    mix = (SizeShare(64, 64, 17, 0.5), SizeShare(64, 64, 1, 0.5))
    with pytest.raises(InputError, match="'hits' needs 9 frames or more, not 1"):
        write_dataset(tmp_path / "d", num_clips=6, mix=mix, events=("hits",), progress=False)
    assert not (tmp_path / "d").exists()
