import errno
import hashlib
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from patchworld.errors import DiskError, InputError, RunError
from patchworld.train import TrainConfig, checkpoint
from patchworld.train.checkpoint import FILES, MANIFEST, find_fault, list_checkpoints, load_newest, save_checkpoint
from patchworld.train.optimizer import Optimizer


class Run:
    """A model of few weights that is moved by its optimizer; what a run has besides data."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.model = nn.Linear(3, 2)
        self.ema = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.optimizer = Optimizer(self.model, TrainConfig(steps=1, lr=0.1))
        self.step = 0

    def learn(self, steps):
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.model(torch.ones(3) * self.step).square().sum().backward()
            self.optimizer.step()
            self.step += 1
            for name, tensor in self.model.state_dict().items():
                self.ema[name].lerp_(tensor, 0.5)
        return self

    def save(self, folder):
        save_checkpoint(folder, self.step, self.model, self.ema, self.optimizer, {"seconds": 0.0})
        return self

    def load(self, folder):
        state = load_newest(folder, self.model, self.ema, self.optimizer)
        self.step = state["step"] if state else 0
        return state

    def numbers(self):
        moments = [tensor for state in self.optimizer.states() for tensor in state.values()]
        tensors = [*self.model.state_dict().values(), *self.ema.values(), *moments]
        return self.step, [tensor.tolist() for tensor in tensors]


def test_what_is_loaded_is_what_was_saved_and_learns_on_alike(tmp_path):
    run = Run().learn(3).save(tmp_path)
    other = Run(seed=1)
    other.load(tmp_path)
    assert other.numbers() == run.numbers()
    assert other.learn(2).numbers() == run.learn(2).numbers()


def test_a_run_that_has_not_begun_is_saved_too(tmp_path):
    Run().save(tmp_path)
    other = Run(seed=1)
    assert other.load(tmp_path)["step"] == 0
    assert other.learn(2).numbers() == Run().learn(2).numbers()


def test_no_checkpoint_at_all_is_no_fault(tmp_path):
    assert Run().load(tmp_path / "none") is None


def damages(random_, path):
    """One damage of a checkpoint, done to its files; its name."""
    file = path / random_.choice([*FILES, MANIFEST])
    content = bytearray(file.read_bytes())
    kind = random_.choice(["truncate", "flip", "delete", "swap", "zero", "empty manifest", "grow"])
    if kind == "truncate":
        file.write_bytes(content[: random_.randrange(len(content))])
    elif kind == "flip":
        content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
        file.write_bytes(content)
    elif kind == "delete":
        file.unlink()
    elif kind == "swap":
        a, b = random_.sample(FILES, 2)
        (path / a).rename(path / "third")
        (path / b).rename(path / a)
        (path / "third").rename(path / b)
    elif kind == "zero":
        start = random_.randrange(len(content))
        content[start : start + 4096] = bytes(len(content[start : start + 4096]))
        file.write_bytes(content)
        if content == bytearray(path.joinpath(file.name).read_bytes()) and not any(content[start:]):
            file.write_bytes(content[:start])  # what was zeroed may have been zero
    elif kind == "empty manifest":
        (path / MANIFEST).write_bytes(b"")
    else:
        file.write_bytes(content + b"\0")
    return f"{kind} {file.name}"


def refuse_damage(tmp_path, capsys, seeds):
    """The newest of three checkpoints is damaged, again and again: the run goes on from the second, past the third."""
    source = tmp_path / "source"
    run = Run()
    run.learn(1).save(source)
    expected = run.learn(1).save(source).numbers()
    shutil.copytree(source / "step-00000001", tmp_path / "first")
    after = run.learn(2).save(source).numbers()
    shutil.copytree(tmp_path / "first", source / "step-00000001", dirs_exist_ok=True)
    for seed in range(seeds):
        folder = tmp_path / f"{seed}"
        shutil.copytree(source, folder)
        done = damages(random.Random(seed), folder / "step-00000004")
        resumed = Run(seed=1)
        resumed.load(folder)
        assert resumed.numbers() == expected, done
        assert [path.name for path in list_checkpoints(folder)] == ["step-00000001", "step-00000002"], done
        told = capsys.readouterr().err
        assert told.count("\n") == 1, done
        assert "step-00000004 is damaged (" in told, done
        assert "now damaged-step-00000004; step-00000002 is tried instead" in told, done
        assert resumed.learn(2).save(folder).numbers() == after
        assert Run(seed=2).load(folder)["step"] == 4, done
        shutil.rmtree(folder)


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(tmp_path, capsys):
    refuse_damage(tmp_path, capsys, 200)


def test_the_test_sees_damage_that_is_not_looked_for(tmp_path, capsys, monkeypatch):
    """Or that is looked for in the sizes of files alone."""
    monkeypatch.setattr(checkpoint, "find_fault", lambda path: None)
    with pytest.raises((AssertionError, InputError, ValueError, OSError)):
        refuse_damage(tmp_path, capsys, 1)
    monkeypatch.undo()
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: file.seek(0, os.SEEK_END) and hashlib.sha256())
    with pytest.raises((AssertionError, InputError, ValueError)):
        refuse_damage(tmp_path / "sizes", capsys, 20)


def test_the_same_step_may_be_damaged_twice(tmp_path):
    Run().learn(1).save(tmp_path).learn(1).save(tmp_path)
    for _ in range(2):
        (tmp_path / "step-00000002" / "state.json").write_text("{}")
        run = Run()
        run.load(tmp_path)
        run.learn(1).save(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["damaged-step-00000002", "damaged-step-00000002-2", "step-00000001", "step-00000002"]


def test_a_run_does_not_start_anew_where_only_damage_is_left(tmp_path):
    Run().learn(1).save(tmp_path)
    (tmp_path / "step-00000001" / "model.safetensors").unlink()
    for _ in range(2):  # nor when it is asked again
        with pytest.raises(RunError, match="no whole one: restore"):
            Run().load(tmp_path)


def test_a_checkpoint_under_the_name_of_another_step_is_damaged(tmp_path):
    Run().learn(1).save(tmp_path)
    (tmp_path / "step-00000001").rename(tmp_path / "step-00000009")
    assert find_fault(tmp_path / "step-00000009") == "it is of step 1"


def test_the_checkpoint_of_another_model_is_refused_and_stays(tmp_path):
    Run().learn(1).save(tmp_path)
    other = Run()
    other.model = nn.Linear(4, 2)
    with pytest.raises(InputError, match=r"does not fit this run: weight is \(2, 3\) instead of \(2, 4\); start in"):
        other.load(tmp_path)
    assert find_fault(tmp_path / "step-00000001") is None


def test_numbers_that_are_not_finite_are_never_saved(tmp_path):
    run = Run().learn(1).save(tmp_path).learn(1)
    for tensor in (run.model.weight.data, run.ema["bias"], run.optimizer.states()[1]["exp_avg_sq"]):
        before = tensor.clone()
        tensor.view(-1)[0] = float("inf")
        with pytest.raises(RunError, match="not finite"):
            run.save(tmp_path)
        tensor.copy_(before)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, r"make room for [\d,]+ bytes"), (errno.EROFS, "make the folder writable")]
)
def test_what_the_disk_refuses_leaves_the_checkpoint_before_it(tmp_path, monkeypatch, number, message):
    run = Run().learn(1).save(tmp_path).learn(1)
    for refused in range(7):  # four files, the manifest, and the two folders
        calls = iter(range(100))
        real = os.fsync

        def fsync(descriptor, calls=calls, real=real, refused=refused):
            if next(calls) == refused:
                raise OSError(number, os.strerror(number))
            real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            with pytest.raises(DiskError, match=f"cannot write checkpoint .*{message}"):
                run.save(tmp_path)
        assert not list(tmp_path.glob("*.partial"))
        assert find_fault(tmp_path / "step-00000001") is None
        shutil.rmtree(tmp_path / "step-00000002", ignore_errors=True)  # renamed, but perhaps not on the disk


def test_a_file_that_may_not_grow_leaves_the_checkpoint_before_it(tmp_path):
    """The kernel refuses, not a mock: no file above 400 bytes."""
    import resource

    run = Run().learn(1).save(tmp_path).learn(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, hard))
    try:
        with pytest.raises(DiskError, match="make room"):
            run.save(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert Run().load(tmp_path)["step"] == 1


def test_a_full_disk_leaves_the_checkpoints_and_the_run_goes_on_when_there_is_room(small_disk):
    folder = small_disk / "checkpoints"
    run = Run().learn(1).save(folder).learn(1).save(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    room = shutil.disk_usage(small_disk).free
    for left in range(0, 20_000, 4096):  # from none to nearly enough
        (small_disk / "filler").write_bytes(bytes(room - left))
        with pytest.raises(DiskError, match=r"No space left on device.*make room for [\d,]+ bytes and run the same"):
            Run.save(run.learn(1), folder)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        assert not list(folder.glob("*.partial"))
        (small_disk / "filler").unlink()
    run.save(folder)
    assert Run().load(folder)["step"] == run.step


def test_the_test_sees_the_half_that_a_refused_save_leaves(small_disk, monkeypatch):
    monkeypatch.setattr(shutil, "rmtree", lambda *of, **options: None)
    with pytest.raises(AssertionError):
        test_a_full_disk_leaves_the_checkpoints_and_the_run_goes_on_when_there_is_room(small_disk)


def test_a_disk_that_became_read_only_is_told_of(small_disk):
    folder = small_disk / "checkpoints"
    run = Run().learn(1).save(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(DiskError, match=r"Read-only file system.*make the folder writable"):
        run.learn(1).save(folder)
    assert Run().load(folder)["step"] == 1
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert Run().load(run.save(folder) and folder)["step"] == 2


TORN = 40  # places at which a file may be cut


class Disk:
    """What a power cut may leave of a folder: it is noted before and after every fsync, rename and removal.

    What is certain is what was brought to the disk: the content of a file by an fsync of the file; its name, renames
    and removals by an fsync of the folder they are in. All else has happened or has not, each thing for itself.
    """

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.contents = self.files()  # that are certain, by name
        self.names = set(self.contents)
        self.undoing = []  # of renames and removals that are not certain: (folder, what takes one back)
        self.moments = []
        fsync, replace, rmtree = os.fsync, os.replace, shutil.rmtree

        def synced(descriptor):
            self.note()
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if path.is_file():
                self.contents[str(path.relative_to(folder))] = path.read_bytes()
            else:
                self.names |= {name for name in self.files() if (folder / name).parent == path}
                self.undoing = [(place, undo) for place, undo in self.undoing if place != path]
            fsync(descriptor)
            self.note()

        def renamed(old, new):
            self.note()
            replace(old, new)
            place = Path(new).parent
            old, new = (str(Path(path).relative_to(folder)) for path in (old, new))
            self.contents, self.names = moved(self.contents, old, new), set(moved(dict.fromkeys(self.names), old, new))
            self.undoing.append((place, lambda files: moved(files, new, old)))
            self.note()

        def removed(path, *args, **options):
            for file in sorted(Path(path).glob("*")):  # one after the other, so that it may stop anywhere
                gone = {str(file.relative_to(folder)): file.read_bytes()}
                self.undoing.append((Path(path), lambda files, gone=gone: {**files, **gone}))
                file.unlink()
                self.note()
            rmtree(path, *args, **options)
            self.note()

        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "replace", renamed)
        monkeypatch.setattr(shutil, "rmtree", removed)

    def files(self):
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}

    def note(self):
        self.moments.append((self.files(), dict(self.contents), set(self.names), [undo for _, undo in self.undoing]))

    def states(self):
        """(whether the save was over, the files that are left), for every moment and all that is not certain then."""
        self.note()
        for number, (written, contents, names, undoing) in enumerate(self.moments, 1):
            over = number == len(self.moments)
            yield over, written
            for path, whole in written.items():
                if path not in names or path not in contents:
                    yield over, {other: content for other, content in written.items() if other != path}
                if contents.get(path) != whole:
                    for part in [bytes(len(whole)), *(whole[: len(whole) * part // TORN] for part in range(TORN))]:
                        yield over, {**written, path: part}
            loose = [path for path, content in written.items() if contents.get(path) != content]
            if len(loose) > 1:
                yield over, {path: content for path, content in written.items() if path not in loose}
            for undo in undoing:
                yield over, undo(written)
            everything = written
            for undo in reversed(undoing):
                everything = undo(everything)
                yield over, everything


def moved(files, old, new):
    return {new + path.removeprefix(old) if path.startswith(old + "/") else path: v for path, v in files.items()}


def after_power_cuts(tmp_path, monkeypatch, saves=2):
    """Each state that a power cut in a save may leave: (whether the save was over, the step that is gone on from)."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    run, numbers = Run(), {0: None}
    for _ in range(saves):
        numbers[run.step] = run.learn(1).save(folder).numbers()
        numbers[run.step] = run.numbers()
    with monkeypatch.context() as patch:
        disk = Disk(folder, patch)
        numbers[run.step] = run.learn(1).save(folder).numbers()
        numbers[run.step] = run.numbers()
        states = list(disk.states())
    for number, (over, state) in enumerate(reversed(states)):
        left = tmp_path / f"left-{number}"
        for path, content in state.items():
            (left / path).parent.mkdir(parents=True, exist_ok=True)
            (left / path).write_bytes(content)
        found = Run(seed=1)
        step = (found.load(left) or {"step": 0})["step"]
        assert step == 0 or found.numbers() == numbers[step], sorted(state)
        if number % 50 == 0:
            found.learn(1).save(left)
            assert Run().load(left)["step"] == step + 1
        shutil.rmtree(left, ignore_errors=True)
        yield over, step


@pytest.mark.parametrize("saves", [0, 2])
def test_a_power_cut_at_any_moment_of_a_save_leaves_the_old_or_the_new_checkpoint(tmp_path, monkeypatch, saves):
    found = list(after_power_cuts(tmp_path, monkeypatch, saves))
    assert {step for _, step in found} == {saves, saves + 1}
    assert {step for over, step in found if over} == {saves + 1}  # and after the save the new one
    assert len(found) >= 250


def not_synced(monkeypatch, *kinds):
    """Saboteurs: `_sync` that passes over files, over the new folder, or over the folder of checkpoints."""

    def sync(path, real=checkpoint._sync):
        kind = "files" if path.is_file() else "new folder" if path.suffix == ".partial" else "folder"
        if kind not in kinds:
            real(path)

    monkeypatch.setattr(checkpoint, "_sync", sync)


@pytest.mark.parametrize("forgotten", ["files", "new folder", "folder"])
def test_the_test_sees_what_is_not_brought_to_the_disk(tmp_path, monkeypatch, forgotten):
    not_synced(monkeypatch, forgotten)
    assert (True, 2) in after_power_cuts(tmp_path, monkeypatch)  # the save is over, its checkpoint may be lost


def test_the_test_sees_a_checkpoint_that_is_taken_for_whole(tmp_path, monkeypatch):
    not_synced(monkeypatch, "files")
    monkeypatch.setattr(checkpoint, "find_fault", lambda path: None)
    with pytest.raises((AssertionError, InputError, ValueError)):
        list(after_power_cuts(tmp_path, monkeypatch))


def test_all_files_are_on_the_disk_before_the_checkpoint_has_its_name(tmp_path, monkeypatch):
    """Without it a power cut leaves a torn checkpoint, which the manifest shows, but the work is lost."""
    trace = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (trace.append(os.readlink(f"/proc/self/fd/{d}")), fsync(d)))
    monkeypatch.setattr(os, "replace", lambda a, b: (trace.append("rename"), replace(a, b)))
    Run().learn(1).save(tmp_path)
    named = [Path(path).name for path in trace]
    assert named == [*FILES, MANIFEST, "step-00000001.partial", "rename", tmp_path.name]


def test_what_killed_runs_left_half_written_goes(tmp_path):
    (tmp_path / "step-00000007.partial").mkdir()
    Run().learn(1).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert checkpoint.KEPT == 2
