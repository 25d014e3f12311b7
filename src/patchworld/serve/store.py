"""The files of jobs: a folder for each job, in it one set of files for each attempt, named by its token.

inputs-*    what the job is made from, decoded, lossless
TOKEN.*     the video as it is served (.mp4), without loss (.mkv), thumbnail and sprite sheet (.webp)

Two workers that hold the same job never write the same file, so only the row of the queue decides which ones count.
"""

import os
import re
import shutil
import time
from pathlib import Path

from pydantic import BaseModel

from patchworld.serve.queue import Job, Queue, new_id
from patchworld.video.whole_file import whole_file

GRACE = 3600.0  # seconds for which a folder without a job is left alone: its request may still be arriving
VARIANTS = {
    "video": (".mp4", "video/mp4"),
    "thumbnail": (".thumbnail.webp", "image/webp"),
    "spritesheet": (".spritesheet.webp", "image/webp"),
}
MASTER, PREVIEW = ".mkv", ".preview.webp"


class Character(BaseModel):
    """A subject that videos can begin with."""

    id: str
    owner: str
    name: str
    created_at: int


class Store:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("videos", "characters"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def job_folder(self, id: str) -> Path:
        return self.folder / "videos" / _checked(id)

    def file(self, job: Job, suffix: str) -> Path:
        """Of the attempt that the job is at, or was completed by."""
        return self.job_folder(job.id) / f"{job.token}{suffix}"

    def delete(self, id: str) -> None:
        shutil.rmtree(self.job_folder(id), ignore_errors=True)

    def delete_attempt(self, job: Job) -> None:
        """The files of the attempt that the job is at."""
        for file in self.job_folder(job.id).glob(f"{job.token}*"):
            file.unlink(missing_ok=True)

    def sweep(self, queue: Queue, grace: float = GRACE) -> int:
        """Delete what no job needs: files of attempts that died, folders of jobs that are gone. Returns how many."""
        queue.forget()
        deleted = 0
        for folder in (self.folder / "videos").iterdir():
            files = list(folder.iterdir())  # before the job is looked up: what appears later is left for the next time
            job = queue.find(folder.name)
            if job is None:
                if time.time() - folder.stat().st_mtime > grace:
                    shutil.rmtree(folder, ignore_errors=True)
                    deleted += 1
                continue
            done = job.finished is not None
            for file in files:
                mine = file.name.startswith(str(job.token)) and not (done and file.name.endswith(PREVIEW))
                hidden = file.name.startswith(".") and not done  # being written
                if not (mine or hidden or (file.name.startswith("input") and not done)):
                    file.unlink(missing_ok=True)
                    deleted += 1
        return deleted

    def add_character(self, owner: str, name: str, video: Path) -> Character:
        """Keep a character; `video` is moved."""
        character = Character(id=new_id("char"), owner=owner, name=name, created_at=int(time.time()))
        folder = self.folder / "characters" / character.id
        folder.mkdir()
        os.replace(video, folder / "video.mkv")
        with whole_file(folder / "character.json") as file:
            file.write(character.model_dump_json().encode())
        return character

    def character(self, owner: str, id: str) -> tuple[Character, Path] | None:
        """The character and its video, if it is the owner's."""
        folder = self.folder / "characters" / _checked(id)
        try:
            found = Character.model_validate_json((folder / "character.json").read_bytes())
        except FileNotFoundError:
            return None
        return (found, folder / "video.mkv") if found.owner == owner else None


def copy_file(source: Path, target: Path) -> Path:
    """A second name of the same file where the disk can do that, or else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target


def _checked(id: str) -> str:
    """Every name of a file is made by the server; a test that this is so."""
    assert re.fullmatch(r"(video|char)_[0-9a-f]{32}", id), id
    return id
