"""Jobs are all done, each once, whatever happens to the processes that do them."""

import os
import signal
from pathlib import Path

import pytest

from patchworld.errors import InputError, RunError
from patchworld.workers import side_by_side


def square(number: int) -> int:
    return number * number


def square_or_die_once(job: tuple[str, int]) -> int:
    """The first process that is asked for 7 dies of it."""
    mark, number = Path(job[0]), job[1]
    if number == 7 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return number * number


def die(number: int) -> None:
    if number == 3:
        os.abort()


def refuse(number: int) -> None:
    raise InputError(f"number={number} is refused")


@pytest.mark.parametrize("workers", [1, 2])
def test_each_job_is_done_once_and_told_by_its_number(workers):
    jobs = list(range(100, 140))
    assert sorted(side_by_side(square, jobs, workers)) == [(i, job * job) for i, job in enumerate(jobs)]


def test_nothing_to_do_is_done_at_once():
    assert list(side_by_side(square, [], 2)) == []


def test_what_a_dead_process_had_is_done_by_another(tmp_path):
    jobs = [(str(tmp_path / "mark"), number) for number in range(30)]
    assert sorted(side_by_side(square_or_die_once, jobs, 2)) == [(i, i * i) for i in range(30)]
    assert (tmp_path / "mark").exists()


def test_a_job_that_ends_whoever_does_it_is_named_and_those_before_it_are_done():
    done = []

    def do_all() -> None:
        for number, _ in side_by_side(die, list(range(12)), 2):
            done.append(number)

    with pytest.raises(RunError, match="job 3 ends the process"):
        do_all()
    assert {0, 1, 2} <= set(done)
    assert 3 not in done
    assert len(set(done)) == len(done)


def test_what_a_job_raises_is_raised():
    with pytest.raises(InputError, match="number=5 is refused"):
        list(side_by_side(refuse, [5, 5, 5], 2))
