"""A process that loads the model once and does jobs, small ones several at once.

    python -m patchworld.serve.worker < settings.json

It reads its settings from the first line of its input and ends with it, so that it never outlives its server. SIGTERM
stops it at the next step of the solver and puts its job back.
"""

import json
import logging
import math
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from patchworld.batching import Batch
from patchworld.canvas import Canvas
from patchworld.errors import InputError, RunError
from patchworld.generate import Sampling
from patchworld.model import Model, load
from patchworld.serve.logs import log_to_stderr
from patchworld.serve.moderation import Blocked, inputs, moderate
from patchworld.serve.operations import canvas_of, fitted_size, understood
from patchworld.serve.queue import Job, Queue
from patchworld.serve.settings import Settings
from patchworld.serve.store import MASTER, PREVIEW, VARIANTS, Store
from patchworld.shapes import Grid, Shape
from patchworld.vae import preview
from patchworld.video import Clip, Writer, read, resize
from patchworld.video.sheet import evenly

IDLE = 0.05  # seconds between looks at the queue
PATIENCE = 2 * IDLE  # seconds that a job waits for an idle worker before a busy one takes it along
MOST_JOBS = 16  # at once
PREVIEW_EVERY = 1.0  # seconds; what is dreamed in less needs none
SHEET_COLUMNS, SHEET_PIXELS = 8, 256 * 256  # frames of a sprite sheet, and their size

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The job is not to be gone on with: `cancelled`, `lost` to another worker, or the worker is told to `go`."""


class Heart:
    """Beats for a job in a thread of its own, since a step of the solver may take longer than a lease."""

    def __init__(self, queue: Queue, job: Job, leaving: threading.Event) -> None:
        self.queue, self.job, self.leaving = queue, job, leaving
        self.progress, self.answer = 0, "go on"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def check(self) -> None:
        """Raises Stopped."""
        if self.leaving.is_set():
            raise Stopped("go")
        if self.answer != "go on":
            raise Stopped(self.answer)

    def _beat(self) -> None:
        while not self._done.wait(min(0.5, self.queue.lease / 4)):
            with suppress(Exception):  # a disk that is full, or busy for long: the next beat may get through
                self.answer = self.queue.beat(self.job, self.progress)
            if self.answer != "go on":
                return

    def __enter__(self) -> "Heart":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()


def work(model: Model, settings: Settings, leaving: threading.Event) -> None:
    """Do jobs until told to leave, each in a thread, as many at once as fit into a pack."""
    queue, store, batch = open_queue(settings), Store(settings.folder), Batch(model)
    grid = model.autoencoder.grid * model.patch
    running: dict[Future[None], float] = {}  # and the tokens of each

    def takes(job: Job, waited: float) -> bool:
        room = settings.batch - sum(running.values())
        return not running or (
            waited >= PATIENCE and len(running) < MOST_JOBS and tokens(job, grid, job.attempts) <= room
        )

    with ThreadPoolExecutor(MOST_JOBS) as pool:
        while not leaving.is_set():
            for done in [each for each in running if each.done()]:
                del running[done]
                done.result()
            try:
                job = queue.claim(takes)
            except RunError as error:
                log.error("%s", error)
                job = None
            if job is None:
                leaving.wait(PATIENCE if running else IDLE)
            else:
                running[pool.submit(do, batch, queue, store, job, leaving, settings)] = tokens(
                    job, grid, job.attempts - 1
                )


def tokens(job: Job, grid: Grid, earlier: int) -> float:
    """What a job takes of a pack: the tokens of its largest window. One with `earlier` attempts may be what killed its
    worker: it takes all, so that it endangers no other."""
    if earlier:
        return math.inf
    asked = job.request
    width, height = map(int, asked["size"].split("x"))
    sampling = Sampling(**asked["sampling"])
    frames = min(asked["frames"], sampling.window + sampling.history)
    return Shape(frames, height, width).divided(grid).volume


def open_queue(settings: Settings) -> Queue:
    if settings.queue is None:
        settings.folder.mkdir(parents=True, exist_ok=True)
    return Queue(settings.jobs, lease=settings.lease, attempts=settings.attempts, keep=settings.keep)


def do(batch: Batch[Model], queue: Queue, store: Store, job: Job, leaving: threading.Event, settings: Settings) -> None:
    """One job, to whatever end it comes."""
    with Heart(queue, job, leaving) as heart:
        end = _attempt(batch, queue, store, job, heart, settings)
    if end is not None:
        _insist(end)


def _attempt(
    batch: Batch[Model], queue: Queue, store: Store, job: Job, heart: Heart, settings: Settings
) -> Callable[[], bool] | None:
    """Try the job; what is to be written into the queue about it."""
    cancelled = partial(queue.fail, job, "cancelled", "the video was cancelled")
    try:
        if settings.moderation:
            given = [store.job_folder(job.id) / name for name in inputs(job.request)]
            moderate(settings.moderation, "input", job, given)
        make(batch, store, job, heart, settings)
        if settings.moderation:
            moderate(settings.moderation, "output", job, [store.file(job, MASTER)])
        return lambda: queue.complete(job) or cancelled()
    except Blocked as block:
        store.delete_attempt(job)
        return partial(queue.fail, job, "moderation_blocked", str(block))
    except Stopped as stop:
        return {"cancelled": cancelled, "go": partial(queue.release, job)}.get(str(stop))
    except InputError as error:
        return partial(queue.fail, job, "invalid_request", str(error))
    except (RunError, OSError) as error:
        log.error("job %s: %s", job.id, error)
        store.delete_attempt(job)  # or the queue, on the same disk, may not have the room to say so
        if re.search("no space|too large", str(error).lower()):
            return partial(queue.fail, job, "storage_full", "the disk of the server is full")
        return partial(queue.fail, job, "server_error", "the machine of the server could not make it", retry=True)
    except Exception:
        log.exception("job %s", job.id)
        return partial(queue.fail, job, "server_error", "the server could not make it", retry=True)


def _insist(write: Callable[[], bool], tries: int = 5) -> None:
    """Write the end of a job though the disk is full or the database busy; when it is not possible, the lease runs out
    and the job is tried again."""
    for _ in range(tries):
        try:
            write()
            return
        except Exception as error:
            log.error("cannot write the end of a job: %s", error)
            time.sleep(1)


def make(batch: Batch[Model], store: Store, job: Job, heart: Heart, settings: Settings) -> None:
    """Dream what a job asks for into the files of this attempt. They are on the disk when this returns.

    The label, if there is one, is in what is served and not in the master, which edits begin from.
    """
    model, folder = batch.world, store.job_folder(job.id)
    canvas, sampling = plan(job.request, folder)
    given = job.request["verb"] == "keep"  # what was not dreamed is not marked as if it were
    recipe = None if given else model.recipe(canvas, sampling)
    served = None if recipe is None else {**recipe, "label": settings.label}
    shown = time.monotonic()

    def on_step(done: int, steps: int, latent: Any) -> None:
        nonlocal shown
        heart.progress = min(99, 100 * done // steps)
        heart.check()
        if time.monotonic() - shown > PREVIEW_EVERY and not settings.moderation:  # it would show what is not yet seen
            frames = preview(model.autoencoder, latent)
            tiles = frames[evenly(len(frames), SHEET_COLUMNS)].repeat(8, 1).repeat(8, 2)
            _strip(tiles, served).save(store.file(job, PREVIEW))
            shown = time.monotonic()

    kept = evenly(canvas.frames, SHEET_COLUMNS)
    chosen: list[np.ndarray] = []
    with ExitStack() as files:
        writers = [
            files.enter_context(Writer(store.file(job, suffix), canvas.size, canvas.fps, recipe=made))
            for suffix, made in ((VARIANTS["video"][0], served), (MASTER, recipe))
        ]
        frames = files.enter_context(closing(batch.stream(canvas, sampling, on_step)))
        for number, frame in enumerate(frames):
            heart.check()
            for writer in writers:
                writer.add(frame)
            if number in kept:
                chosen.append(frame)
    Clip(chosen[0][None], canvas.fps, served).save(store.file(job, VARIANTS["thumbnail"][0]))
    tiles = resize(Clip(np.stack(chosen), canvas.fps), fitted_size(canvas.size, SHEET_PIXELS))
    _strip(tiles.frames, served).save(store.file(job, VARIANTS["spritesheet"][0]))


def _strip(frames: np.ndarray, recipe: dict[str, Any] | None) -> Clip:
    """Frames side by side, as one picture, marked by its `recipe`."""
    return Clip(np.hstack(list(frames))[None], 1.0, recipe)


def plan(request: dict[str, Any], folder: Path) -> tuple[Canvas, Sampling]:
    """The canvas and sampling that a request means; what it is made from lies in the folder."""

    def clip(name: str) -> Clip:
        return replace(read(folder / name), recipe=None, source={"path": name})  # recipes tell no folder of the server

    canvas = canvas_of(request["verb"], understood(request["arguments"], clip))
    return replace(canvas, negative=request["negative"]), Sampling(**request["sampling"])


@contextmanager
def _leaving() -> Iterator[threading.Event]:
    """Set when the process is told to go, or its server is gone."""
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the server decides

    def watch() -> None:
        sys.stdin.read()
        leaving.set()

    threading.Thread(target=watch, daemon=True).start()
    yield leaving


if __name__ == "__main__":
    given = Settings.model_validate(json.loads(sys.stdin.readline()))
    log_to_stderr()
    warnings.simplefilter("ignore")  # what is done to inputs was told when the job was taken
    with _leaving() as told:
        work(load(given.model, given.lora, given.lora_strength), given, told)
