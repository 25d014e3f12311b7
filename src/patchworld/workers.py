"""Many jobs in several processes, any of which may die."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from patchworld.errors import RunError

Job = TypeVar("Job")
Result = TypeVar("Result")
AHEAD = 8  # jobs that are given to each process at once, so that none is ever idle


def side_by_side(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    start: Callable[[], object] | None = None,
) -> Iterator[tuple[int, Result]]:
    """The number and the result of each job, as they are done: in this process, or in `workers` others.

    `start` is called once in each of the others. Function, jobs and results are pickled on the way.

    A process that dies, as software renderers let theirs now and then, takes the others with it; what they had is then
    done one by one, and the rest by new ones. Raises RunError for a job that ends whoever does it, and what `function`
    raises.
    """
    if workers == 1 or len(jobs) < 2:
        yield from enumerate(map(function, jobs))
        return
    left = dict(enumerate(jobs))
    while left:
        try:
            for number, result in _results(function, dict(left), workers, AHEAD * workers, start):
                del left[number]
                yield number, result
        except BrokenProcessPool:
            suspects = dict(islice(left.items(), AHEAD * workers))
            try:
                for number, result in _results(function, suspects, 1, 1, start):
                    del left[number]
                    yield number, result
            except BrokenProcessPool as error:
                number = next(iter(left))
                raise RunError(f"job {number} ends the process that does it: see what it says with 1 worker") from error


def _results(
    function: Callable[[Job], Result],
    jobs: dict[int, Job],
    workers: int,
    ahead: int,
    start: Callable[[], object] | None,
) -> Iterator[tuple[int, Result]]:
    # spawn: a forked OpenGL context does not survive.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), context, initializer=_obey_parent, initargs=(start,)) as pool:
        waiting, running = iter(jobs.items()), dict[Future[Result], int]()

        def begin(count: int) -> None:
            running.update({pool.submit(_do, function, job): number for number, job in islice(waiting, count)})

        begin(ahead)
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                yield running.pop(one), one.result()
            begin(len(done))


def _do(function: Callable[[Job], Result], job: Job) -> Result:
    """In a worker: an executor would take the exit that it is asked for as what the job has raised, and go on."""
    try:
        return function(job)
    except SystemExit:
        os._exit(1)


def _obey_parent(start: Callable[[], object] | None) -> None:
    """In a worker: Ctrl-C is for the parent, which then asks to end; ending by exit removes half-written files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if start is not None:
        start()
