import errno
import os
import re
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny import moving_square

from patchworld.cli import main
from patchworld.model import save, save_autoencoder
from patchworld.video import Clip, psnr, read, ssim


@pytest.fixture(scope="session")
def model(tiny_model, tmp_path_factory):
    """The folder of a whole model."""
    folder = tmp_path_factory.mktemp("cli") / "model"
    save(tiny_model, folder)
    return str(folder)


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """A folder as anyone would make it: mixed sizes, rates and lengths, and a text file beside each."""
    folder = tmp_path_factory.mktemp("videos")
    for number, (frames, size, fps) in enumerate([(9, (32, 32), 8), (6, (50, 34), 25), (5, (24, 48), 12)]):
        moving_square(frames, size, fps).save(folder / f"{number}.mp4")
        (folder / f"{number}.txt").write_text(f"square {number} moves to the right\n")
    for name, size in (("still", (40, 32)), ("icon", (6, 4))):
        moving_square(1, size).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("一个红色的方块", encoding="utf-8")
    (folder / "notes.txt").write_text("not a caption")
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder: (exit status, what it printed, what a terminal shows of its complaints)."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, re.sub(r"[^\n]*\r", "", err)  # a progress bar goes back to the start of its line

    return call


@pytest.fixture
def refused(run):
    """Runs a command that must end with one line on stderr and leave the folder as it was; returns the line."""

    def call(*words, status=2):
        before = sorted(Path().rglob("*"))
        found, out, err = run(*words)
        assert (found, out) == (status, "")
        assert re.fullmatch(r"patchworld: [^\r\n]+\n", err), err
        assert sorted(Path().rglob("*")) == before
        return err

    return call


def quick(model, out="out.mp4", *more, prompt="a red ball"):
    return ("generate", prompt, "-o", out, "--model", model, "--size", "16x16", "--steps", 1, *more)


# What a newcomer sees first


def test_help_comes_without_waiting_for_anything_heavy():
    code = (
        "import sys; from patchworld.cli import main; status = main(['--help']); "
        "print(status, sorted({'torch', 'numpy', 'av', 'PIL', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("0 []\n")
    assert 'patchworld generate "a red ball' in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "missing COMMAND; see patchworld --help"),
        (("generat", "x"), r"unknown command 'generat' \(did you mean generate\?\)"),
        (("quux",), r"unknown command 'quux' \(known: generate, replay, reconstruct, data, train\)"),
        (("--seed", "3", "generate", "x"), "unknown option --seed .*; see patchworld --help"),
        (("train", "autoencodr"), r"unknown part 'autoencodr' \(did you mean autoencoder\?\)"),
        (("data", "playrom"), r"unknown kind 'playrom' \(did you mean playroom\?\)"),
        (("generate", "x", "-o", "x.mp4", "--framse", "3"), r"unknown option --framse \(did you mean --frames\?\)"),
        (("generate", "x", "-o", "x.mp4", "--framse=3"), r"unknown option --framse \(did you mean --frames\?\)"),
        (("generate", "x", "-o", "x.mp4", "--fram", "3"), r"unknown option --fram \(did you mean --frames\?\)"),
        (("generate", "x", "--output", "x.mp4"), r"unknown option --output \(did you mean --out\?\)"),
        (("generate", "x", "-o", "x.mp4", "--quux"), "unknown option --quux .*--guidance"),
        (("generate", "-o", "x.mp4"), "missing PROMPT; see patchworld generate --help"),
        (("generate", "x"), "missing -o/--out"),
        (("generate", "a", "red", "ball", "-o", "x.mp4"), "'red ball' is one argument too many: .*quotes"),
        (("generate", "x", "-o", "x.mp4", "--frames"), "--frames: expected one argument"),
        (("generate", "x", "-o", "x.mp4", "--frames", "many"), "--frames: not a whole number: 'many'"),
        (("generate", "x", "-o", "x.mp4", "--fps", "fast"), "--fps: not a number: 'fast'"),
        (("generate", "x", "-o", "x.mp4", "--size", "64"), "'64' is not a size: write width x height"),
        (("generate", "x", "-o", "x.mp4", "--size", "a\nb"), "'a b' is not a size"),
    ],
)
def test_words_that_are_not_understood_are_named_with_the_nearest_known_one(words, message, refused):
    assert re.search(message, refused(*words))


# Generate


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif"])
def test_generate_writes_a_video_of_the_frames_size_and_rate_asked_for(suffix, model, run):
    status, out, _ = run(*quick(model, f"out.{suffix}", "--size", "50x34", "--frames", 6, "--fps", 10))
    clip = read(f"out.{suffix}")
    assert (status, out) == (0, f"out.{suffix}: 6 frames of 50x34, seed 0\n")
    assert (clip.frames.shape, clip.fps) == ((6, 34, 50, 3), 10)


def test_an_image_file_gets_one_frame_and_a_video_file_seventeen(model, run):
    for name, frames in (("out.png", 1), ("out.jpg", 1), ("out.mp4", 17)):
        assert run(*quick(model, name))[0] == 0
        assert read(name).num_frames == frames
    assert run(*quick(model, "one.mp4", "--frames", 1))[0] == 0
    assert read("one.mp4").num_frames == 1


@pytest.mark.parametrize(
    "prompt", ["", "一个红色的球向左滚动", "a 🐱 and a 🎈", "two\nlines\tand a tab", "-- dashes first"]
)
def test_any_prompt_is_taken_and_kept_in_the_recipe(prompt, model, run):
    status, _, err = run(*quick(model, "out.png", prompt=prompt))
    assert (status, err) == (0, "")
    assert read("out.png").recipe["prompt"] == prompt


def test_a_prompt_that_is_too_long_is_cut_with_one_line_that_says_so(model, run):
    prompt = "word " * 300
    status, _, err = run(*quick(model, "out.png", prompt=prompt))
    assert status == 0
    assert re.fullmatch(r"patchworld: a prompt of \d+ tokens is cut to 256: .*; shorten it\n", err)
    assert read("out.png").recipe["prompt"] == prompt


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--size", "0x64"), "size 0x64 is too small: .*at least 8 pixels"),
        (("--size", "99999x99999"), "size 99999x99999 is too large: .*4096x4096"),
        (("--size", "9" * 20 + "x8"), "is not a size: write width x height"),
        (("--frames", 10**9), "frames=1000000000 is out of range: .*1 to 100000"),
        (("--frames", 0), "frames=0 is out of range"),
        (("--fps", "nan"), "fps=nan is out of range: .*0.1 to 1000"),
        (("--fps", "inf"), "fps=inf is out of range"),
        (("--steps", 0), "steps=0 is out of range: .*1 to 1000"),
        (("--guidance", -1), "guidance=-1.0 is out of range: use 0 to 100"),
        (("--guidance", "nan"), "guidance=nan is out of range"),
        (("--seed", -1), "seed=-1 is out of range: .*0 to 2"),
        (("--seed", 2**63), "is out of range"),
        (("--solver", "magic"), "unknown solver 'magic': .*euler"),
        (("-o", "out.avi"), "out.avi names no format to write: end it in .mp4"),
        (("-o", "out"), "out names no format to write"),
        (("-o", ""), "names no format to write"),
        (("-o", "out.png", "--frames", 5), "out.png is an image of one frame, not 5: use .mp4"),
        (("-o", "out.gif", "--fps", 60), "out.gif cannot show 60 frames a second"),
        (("-o", "missing/out.mp4"), "missing/out.mp4 cannot be written, its folder does not exist: create it"),
        (("-o", "two\nlines/out.mp4"), "cannot be written, its folder does not exist"),
        (("--model", "missing"), "missing holds no model.json: give the folder of a model"),
    ],
)
def test_generate_refuses_what_it_cannot_make_before_it_begins(more, message, model, refused):
    assert re.search(message, refused(*quick(model, "out.mp4", *more)))


def test_a_pipe_is_not_replaced_by_a_file(model, refused):
    os.mkfifo("out.mp4")
    assert "out.mp4 is not a regular file" in refused(*quick(model))


def test_an_autoencoder_alone_is_not_taken_for_a_model(tiny_model, tmp_path_factory, refused):
    folder = tmp_path_factory.mktemp("autoencoder")
    save_autoencoder(tiny_model.autoencoder, folder)
    assert "holds no transformer, only an autoencoder" in refused(*quick(folder))


def test_a_clip_larger_than_the_memory_is_refused_before_it_begins(model, refused):
    line = refused(*quick(model, "out.mp4", "--size", "4096x4096", "--frames", 100_000), status=1)
    assert re.search(r"100000 frames of 4096x4096 need \d+ GB of memory, there are \d+: ask for fewer", line)


def test_running_out_of_memory_is_one_line(model, refused, monkeypatch):
    def allocate(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes.")

    monkeypatch.setattr("patchworld.generate.decode_clip", allocate)
    assert "out of memory: ask for fewer frames or a smaller size" in refused(*quick(model), status=1)


def test_warnings_of_libraries_add_no_lines(model, run, monkeypatch):
    from patchworld.vae import decode_clip

    def warn(*arguments):
        warnings.warn("a library changes its ways in version 9", stacklevel=1)
        return decode_clip(*arguments)

    monkeypatch.setattr("patchworld.generate.decode_clip", warn)
    assert run(*quick(model, "out.png"))[::2] == (0, "")


def test_ctrl_c_ends_with_one_line_and_no_file(model, refused, monkeypatch):
    monkeypatch.setattr("patchworld.generate.decode_clip", lambda *_: signal.raise_signal(signal.SIGINT))
    assert "stopped; nothing was left half-written" in refused(*quick(model), status=130)


# A full disk, a reader that has gone


@contextmanager
def no_file_above(size):
    """The kernel refuses to let a file grow beyond `size` bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "png"])
def test_a_disk_that_takes_no_more_leaves_nothing_half_written(suffix, model, refused):
    with no_file_above(60):
        line = refused(*quick(model, f"out.{suffix}"), status=1)
    assert f"out.{suffix} cannot be written: file too large; check the disk or write elsewhere" in line


def test_a_full_disk_keeps_the_file_that_was_there(model, refused, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path("out.mp4").write_text("before")
    monkeypatch.setattr(os, "fsync", full)
    line = refused(*quick(model), status=1)
    assert "out.mp4 cannot be written: no space left on device; free some space or write to another disk" in line
    assert Path("out.mp4").read_text() == "before"


def test_a_reader_that_has_gone_is_no_error_message(capsys, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(["--version"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_result_that_cannot_be_printed_is_one_line(capsys, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["--version"]) == 1
    assert capsys.readouterr().err == "patchworld: cannot print the result: No space left on device\n"


# Replay


@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
def test_replay_gives_the_same_frames_again(name, model, run):
    run(*quick(model, name, "--seed", 5, "--negative", "雾", "--guidance", 2))
    expected = name.replace("out", "out-replay")
    assert run("replay", name, "--model", model) == (0, f"{expected}: the same frames again\n", "")
    assert run("replay", name, "-o", name, "--model", model)[1] == f"{name}: the same frames again\n"


def test_replay_says_when_the_frames_differ(model, run):
    run(*quick(model, "out.png"))
    made = read("out.png")
    Clip(255 - made.frames, made.fps, made.recipe).save("changed.png")
    assert "frames differ" in run("replay", "changed.png", "--model", model)[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "0123456789abcdef"}, "made by model 0123456789abcdef, this one is .* with --model"),
        ({"prompt": 5}, "prompt=5: .*string"),
        ({"prompt": None}, "prompt: .*string"),
        ({"frames": 2.5}, "frames=2.5: .*integer"),
        ({"frames": 10**9}, "frames=1000000000 is out of range"),
        ({"size": "16x16"}, "size=16x16: .*list"),
        ({"size": [16]}, "size: .*2 items"),
        ({"size": [10**6, 10**6]}, "size 1000000x1000000 is too large"),
        ({"fps": "8"}, "fps=8: .*number"),
        ({"fps": 10**400}, "fps=1000"),
        ({"seed": 10**30}, "seed=1000000000000000000000000000000 is out of range"),
        ({"steps": 10**9}, "steps=1000000000 is out of range"),
        ({"guidance": 1e300}, "guidance=1e\\+300 is out of range"),
        ({"solver": "magic"}, "unknown solver 'magic'"),
        ({"strength": 1}, "strength=1: unknown"),
    ],
)
def test_replay_refuses_a_recipe_that_makes_no_sense(change, message, model, run, refused):
    run(*quick(model, "out.png"))
    made = read("out.png")
    Clip(made.frames, made.fps, {**made.recipe, **change}).save("out.png")
    assert re.search(message, refused("replay", "out.png", "--model", model))


def test_replay_refuses_a_file_without_a_recipe(model, refused):
    moving_square(3).save("plain.mp4")
    Clip(moving_square(3).frames, 8, {}).save("empty.mp4")
    assert "plain.mp4 carries no recipe: give a file as patchworld generate wrote it" in refused("replay", "plain.mp4")
    assert "recipe in this file cannot be used: prompt: missing" in refused("replay", "empty.mp4", "--model", model)


# Reconstruct


def test_reconstruct_measures_the_loss_and_keeps_size_rate_and_frames(model, run):
    moving_square(7, (50, 34), 6).save("in.mp4")
    status, out, _ = run("reconstruct", "in.mp4", "-o", "out.mp4", "--model", model)
    clip = read("out.mp4")
    assert status == 0
    assert re.fullmatch(r"out.mp4: PSNR [\d.]+ dB, SSIM -?[\d.]+, \d+ times fewer numbers\n", out)
    assert (clip.frames.shape, clip.fps) == ((7, 34, 50, 3), 6)


def test_reconstruct_goes_piece_by_piece_and_measures_all_of_it(model, run, monkeypatch):
    monkeypatch.setattr("patchworld.vae.clips.PIXELS_AT_ONCE", 4 * 56 * 40)  # four frames at a time
    source = read(moving_square(15, (50, 34), 6).save("in.mkv"))
    status, out, _ = run("reconstruct", "in.mkv", "-o", "out.mkv", "--model", model)  # lossless: what was measured
    rebuilt = read("out.mkv")
    assert (status, rebuilt.frames.shape) == (0, source.frames.shape)
    assert f"PSNR {psnr(source, rebuilt):.2f} dB, SSIM {ssim(source, rebuilt):.4f}" in out


def test_reconstruct_takes_images_and_parts_of_videos(model, run):
    moving_square(1, (24, 16)).save("in.png")
    moving_square(16, (16, 16), 8).save("in.mp4")
    assert run("reconstruct", "in.png", "-o", "out.png", "--model", model)[0] == 0
    assert run("reconstruct", "in.mp4", "-o", "out.mp4", "--model", model, "--from", 0.5, "--to", 1)[0] == 0
    assert read("out.png").frames.shape == (1, 16, 24, 3)
    assert read("out.mp4").num_frames == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.mp4",), "missing.mp4 does not exist: give the path"),
        (("text.mp4",), "text.mp4 is no video or image, whatever its name says: give an mp4"),
        (("empty.mp4",), "empty.mp4 is empty"),
        (("cut.mp4",), "cut.mp4 is cut off or damaged"),
        (("folder",), "folder is not a regular file"),
        (("in.mp4", "-o", "out.png"), "out.png is an image of one frame, not 9"),
        (("in.mp4", "-o", "out.txt"), "out.txt names no format"),
        (("in.mp4", "--from", "9"), "in.mp4 has nothing to show at start=9 s"),
        (("in.mp4", "--from", "nan"), "start=nan is out of range"),
        (("in.mp4", "--to", "-1"), "end=-1.0 is out of range"),
        (("in.mp4", "--model", "missing"), "missing holds no model.json"),
    ],
)
def test_reconstruct_refuses_what_it_cannot_read_or_write(words, message, model, refused):
    path = moving_square(9).save("in.mp4")
    Path("cut.mp4").write_bytes(path.read_bytes()[:900])
    Path("text.mp4").write_text("hello")
    Path("empty.mp4").touch()
    Path("folder").mkdir()
    assert re.search(message, refused("reconstruct", "-o", "out.mp4", "--model", model, *words))


# Data and training


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--clips", 0), "clips=0 is too few"),
        (("--clips", "1.5"), "--clips: not a whole number: '1.5'"),
        (("--workers", 0), "workers=0 is too few"),
        (("--seed", -1), "seed=-1 is out of range"),
        (("--split", "tests"), r"unknown --split 'tests' \(known: train, held_out\)"),
        (("--out", "mine"), "mine is not empty and holds no data set of this kind"),
    ],
)
def test_data_playroom_refuses_settings_that_make_no_data_set(more, message, refused):
    Path("mine").mkdir()
    Path("mine/diary.txt").touch()
    assert re.search(message, refused("data", "playroom", "--clips", 1, "--out", "new", *more))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--steps", 2, "--data", "missing"), "missing is not a folder: give the folder that holds the videos"),
        (("--steps", 2, "--data", "bare"), "bare holds no captioned videos or images: add captions.jsonl"),
        (("--steps", 2, "--data", "latin"), "a.txt is not UTF-8 .*: save it as UTF-8"),
        (("--steps", 2, "--data", "lines"), "captions.jsonl, line 1 is not JSON .*: write one object a line"),
        ((), "minutes=None and steps=None: give exactly one"),
        (("--steps", 2, "--minutes", 2), "minutes=2.0 and steps=2: give exactly one"),
        (("--minutes", "nan"), "minutes=nan: .*finite"),
        (("--minutes", "inf"), "minutes=inf: .*finite"),
        (("--minutes", 0), "minutes=0.0: .*greater than 0"),
        (("--steps", 0), "steps=0: .*greater than 0"),
        (("--steps", 2, "--lr", 0), "lr=0.0: .*greater than 0"),
        (("--steps", 2, "--seed", -1), "seed=-1: "),
        (("--steps", 2, "--precision", "fp8"), r"unknown --precision 'fp8' \(known: bf16, fp32\)"),
        (("--steps", 2, "--preset", "huge"), "unknown preset 'huge': known are tiny, small, base, medium"),
        (("--steps", 2, "--tokens", 0), "tokens=0 is too few: give 1 or more"),
        (("--steps", 2, "--stages", "0.5:80:0.1:3,1"), "no list of stages: write END"),
        (("--steps", 2, "--stages", "0.5:few,1"), "stages.0.most_tokens=few: "),
        (("--steps", 2, "--stages", "1:80:1"), "stages.0.drop=1: .*less than 1"),
        (("--steps", 2, "--stages", "0.8,0.5"), "let each end later than the one before, and the last one at 1"),
        (("--steps", 2, "--process", "ddpm", "--base-tokens", 80), "--base-tokens belongs to flow: leave it out"),
        (("--steps", 2, "--process", "flwo"), r"unknown --process 'flwo' \(did you mean flow\?\)"),
        (("--steps", 2, "--autoencoder", "missing"), "missing holds no model.json"),
        (("--steps", 2, "--out", "bare/a.mp4"), "bare/a.mp4 is a file: give the name of a folder"),
    ],
)
def test_train_refuses_settings_before_it_begins(more, message, model, videos, refused):
    for folder in ("bare", "latin", "lines"):
        Path(folder).mkdir()
        Path(folder, "a.mp4").touch()
    Path("latin/a.txt").write_bytes("Bär".encode("latin-1"))
    Path("lines/captions.jsonl").write_text('{"video":\n')
    command = ("train", "transformer", "--data", videos, "--out", "run", "--autoencoder", model)
    assert re.search(message, refused(*command, *more))


@pytest.fixture
def _known_peak(monkeypatch):
    """Spares the seconds in which the machine's speed is measured."""
    monkeypatch.setattr("patchworld.train.loop.matmul_peak", lambda dtype: 1e11)


@pytest.mark.usefixtures("_known_peak")
def test_a_folder_of_ordinary_videos_trains_an_autoencoder_and_a_transformer_that_dream(videos, run):
    status, out, _ = run("train", "autoencoder", "--data", videos, "--out", "eyes", "--steps", 2)
    assert (status, out.split(":")[0]) == (0, "eyes/model")
    status, out, _ = run("reconstruct", videos / "0.mp4", "-o", "seen.mp4", "--model", "eyes/model")
    assert float(out.split("PSNR ")[1].split()[0]) > 25  # the closed form alone is good
    train = ("train", "transformer", "--data", videos, "--out", "mind", "--autoencoder", "eyes/model", "--steps", 2)
    status, out, _ = run(*train, "--preset", "tiny")
    assert (status, out.split(":")[0]) == (0, "mind/model")
    assert _steps("mind") == [1, 2]
    assert list(Path("mind/samples").glob("*.png"))
    assert "--model mind/model" in out
    assert run(*quick("mind/model", "dream.mp4"))[0] == 0
    assert read("dream.mp4").num_frames == 17
    told = run(*train, "--preset", "tiny", "--process", "ddpm")[2]
    assert re.search(r"does not fit this run: .* instead of .*; start in another folder", told)


@pytest.mark.usefixtures("_known_peak")
def test_the_same_command_goes_on_with_a_training_that_ctrl_c_or_a_full_disk_stopped(model, videos, run, monkeypatch):
    command = ("train", "transformer", "--data", videos, "--out", "mind", "--autoencoder", model, "--preset", "tiny")
    with monkeypatch.context() as patch:
        patch.setattr("patchworld.train.loop._show", lambda *_: signal.raise_signal(signal.SIGINT))
        status, _, err = run(*command, "--steps", 3)
    assert (status, _steps("mind")) == (0, [1])
    assert "stopped at step 1; run the same command again to continue" in err

    with Path("mind/metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "sec')
    with no_file_above(50_000):
        status, _, err = run(*command, "--steps", 3)
    assert (status, _steps("mind")) == (1, [1, 2, 3])
    told = r"cannot write checkpoint .*File too large.*: make room for [\d,]+ bytes and run the same command"
    assert re.search(told, err)
    assert [path.name for path in Path("mind/checkpoints").iterdir()] == ["step-00000001"]

    assert run(*command, "--steps", 3)[0] == 0
    assert _steps("mind") == [1, 2, 3]


def _steps(folder):
    """The steps in the metrics of a run, each once, that have a loss."""
    rows = Path(folder, "metrics.jsonl").read_text().splitlines()
    return [int(re.search(r'"step": (\d+)', row)[1]) for row in rows if '"loss"' in row]


@pytest.mark.usefixtures("_known_peak")
def test_latents_that_a_full_disk_cut_off_are_not_kept(model, videos, run):
    command = ("train", "transformer", "--data", videos, "--out", "mind", "--autoencoder", model, "--preset", "tiny")
    with no_file_above(300):
        status, _, err = run(*command, "--steps", 1)
    assert status == 1
    assert re.search(r"patchworld: mind/latents/\S+ cannot be written: file too large", err)
    assert run(*command, "--steps", 1)[0] == 0
