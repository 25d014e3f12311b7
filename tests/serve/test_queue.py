"""No job is lost, none is completed twice: what the queue promises while its workers die."""

import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patchworld.errors import InputError, RunError
from patchworld.serve.database import Busy, Unreachable
from patchworld.serve.queue import Conflict, Full, Queue


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        self.now += 0.001  # nothing happens at the same time
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(place):
    """Opens queues on the same database."""
    queues = []

    def open_one(**settings):
        queues.append(Queue(place, **settings))
        return queues[-1]

    yield open_one
    for queue in queues:
        queue.close()


@pytest.fixture
def queue(opened, clock):
    return opened(lease=10, attempts=3, keep=100, clock=clock)


def test_a_job_goes_from_queued_to_completed(queue):
    job = queue.submit("ann", {"prompt": "红球"})
    assert (job.status, job.attempts, job.request) == ("queued", 0, {"prompt": "红球"})
    mine = queue.claim()
    assert (mine.id, mine.status, mine.attempts) == (job.id, "in_progress", 1)
    assert queue.claim() is None
    assert queue.beat(mine, 40) == "go on"
    assert queue.get("ann", job.id).progress == 40
    assert queue.complete(mine)
    done = queue.get("ann", job.id)
    assert (done.status, done.progress, done.token) == ("completed", 100, mine.token)
    assert done.expires == pytest.approx(done.finished + 100)
    assert not queue.complete(mine)


def test_a_worker_that_was_silent_too_long_can_no_longer_finish(queue, clock):
    queue.submit("ann", {})
    first = queue.claim()
    clock.now += 11
    second = queue.claim()
    assert (second.id, second.attempts) == (first.id, 2)
    assert second.token != first.token
    assert queue.beat(first, 50) == "lost"
    assert not queue.complete(first)
    assert not queue.fail(first, "x", "x")
    assert not queue.release(first)
    assert queue.complete(second)


def test_a_beat_keeps_the_lease(queue, clock):
    queue.submit("ann", {})
    mine = queue.claim()
    for _ in range(5):
        clock.now += 8
        assert queue.beat(mine, 0) == "go on"
        assert queue.claim() is None


def test_a_job_that_kills_its_workers_fails_at_the_cap(queue, clock):
    job = queue.submit("ann", {})
    for attempt in (1, 2, 3):
        assert queue.claim().attempts == attempt
        clock.now += 11
    assert queue.claim() is None
    failed = queue.get("ann", job.id)
    assert (failed.status, failed.error_code) == ("failed", "worker_died")


def test_a_retry_waits_longer_each_time_and_gives_up(queue, clock):
    job = queue.submit("ann", {})
    assert queue.fail(queue.claim(), "internal_error", "no", retry=True)
    assert queue.claim() is None
    clock.now += 2
    assert queue.fail(queue.claim(), "internal_error", "no", retry=True)
    clock.now += 3
    assert queue.claim() is None
    clock.now += 1
    assert queue.fail(queue.claim(), "internal_error", "no", retry=True)
    assert queue.get("ann", job.id).error_message == "no"


def test_what_is_released_costs_no_attempt_and_comes_at_once(queue):
    queue.submit("ann", {})
    assert queue.release(queue.claim())
    assert queue.claim().attempts == 1


def test_cancel_ends_a_waiting_job_at_once_and_a_running_one_at_its_next_beat(queue, clock):
    running, waiting = queue.submit("ann", {}), queue.submit("ann", {})
    mine = queue.claim()
    assert queue.cancel("ann", waiting.id).error_code == "cancelled"
    assert queue.cancel("ann", running.id).status == "in_progress"
    assert queue.beat(mine, 10) == "cancelled"
    assert not queue.complete(mine)
    assert queue.fail(mine, "cancelled", "stopped")
    assert queue.cancel("bob", running.id) is None
    again = queue.submit("ann", {})
    queue.claim()
    queue.cancel("ann", again.id)
    clock.now += 11  # its worker died before it saw the wish
    assert queue.claim() is None
    assert queue.get("ann", again.id).error_code == "cancelled"


def test_owners_take_turns_and_priority_goes_first(queue):
    for owner in ("ann", "ann", "ann", "bob", "cyd"):
        queue.submit(owner, {})
    queue.submit("dan", {}, priority=1)
    served = []
    while job := queue.claim():
        served.append(job.owner)
        queue.complete(job)
    assert served == ["dan", "ann", "bob", "cyd", "ann", "ann"]


def test_who_runs_fewer_jobs_is_next(queue):
    for owner in ("ann", "ann", "bob", "bob"):
        queue.submit(owner, {})
    assert [queue.claim().owner for _ in range(4)] == ["ann", "bob", "ann", "bob"]


def test_one_key_makes_one_job_whoever_asks_how_often(opened):
    queue = opened()
    with ThreadPoolExecutor(16) as pool:
        jobs = list(pool.map(lambda _: queue.submit("ann", {"prompt": "a"}, idempotency_key="k"), range(60)))
    assert len({job.id for job in jobs}) == 1
    reopened = opened()
    assert reopened.submit("ann", {"prompt": "a"}, idempotency_key="k").id == jobs[0].id
    assert reopened.counts()["queued"] == 1
    with pytest.raises(Conflict):
        reopened.submit("ann", {"prompt": "b"}, idempotency_key="k")
    assert reopened.submit("bob", {"prompt": "b"}, idempotency_key="k").id != jobs[0].id


def test_an_owner_may_have_so_many_unfinished_jobs(queue):
    queue.submit("ann", {}, most=2)
    queue.submit("ann", {}, most=2)
    with pytest.raises(Full):
        queue.submit("ann", {}, most=2)
    queue.submit("bob", {}, most=2)
    queue.complete(queue.claim())
    queue.submit("ann", {}, most=2)


def test_pages_hold_every_job_once_in_both_directions(queue):
    ids = [queue.submit("ann", {}).id for _ in range(7)]
    queue.submit("bob", {})
    for newest_first, expected in ((False, ids), (True, ids[::-1])):
        seen, after, more = [], None, True
        while more:
            page, more = queue.page("ann", after=after, limit=3, newest_first=newest_first)
            seen += [look.job.id for look in page]
            after = seen[-1]
        assert seen == expected
    with pytest.raises(KeyError):
        queue.page("bob", after=ids[0])


def test_only_finished_jobs_of_ones_own_are_deleted_and_expired_ones_forgotten(queue, clock):
    job = queue.submit("ann", {})
    assert not queue.delete("ann", job.id)
    mine = queue.claim()
    queue.complete(mine)
    assert not queue.delete("bob", job.id)
    other = queue.submit("ann", {})
    queue.complete(queue.claim())
    assert queue.delete("ann", job.id)
    assert queue.get("ann", job.id) is None
    assert queue.forget() == []
    clock.now += 101
    assert queue.forget() == [other.id]


def test_the_end_of_a_job_is_told_until_it_was_heard(queue, clock):
    queue.submit("ann", {}, tell=True)
    queue.submit("bob", {})
    assert queue.next_to_tell() is None
    while job := queue.claim():
        queue.complete(job)
    told = queue.next_to_tell(patience=60)
    assert told.owner == "ann"
    assert queue.next_to_tell() is None
    clock.now += 61
    assert queue.next_to_tell().id == told.id
    queue.told(told)
    clock.now += 1000
    assert queue.next_to_tell() is None


def test_a_full_disk_is_one_clear_error_and_the_queue_goes_on_when_there_is_space(tmp_path):
    queue = Queue(tmp_path / "jobs.db")
    kept = queue.submit("ann", {})
    pages = queue.database.connection().execute("PRAGMA page_count").fetchone()["page_count"]
    queue.database.connection().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(RunError, match="full; free some space"):
        queue.submit("ann", {"prompt": "x" * 200_000})
    assert queue.get("ann", kept.id) is not None
    queue.database.connection().execute("PRAGMA max_page_count = 100000")
    queue.submit("ann", {"prompt": "x" * 1000})


def test_who_decides_is_alone_while_they_do(opened):
    """Between what is read and what is written nobody else decides, or two would have the last place, or one job."""
    reading, go_on = threading.Event(), threading.Event()

    def slowly(*_):
        reading.set()
        go_on.wait(30)
        return True

    first, second = opened(), opened(clock=lambda: time.time())
    slow = opened(clock=lambda: slowly() and time.time())  # asked for between counting and inserting
    with ThreadPoolExecutor(2) as pool:
        mine = pool.submit(slow.submit, "ann", {}, most=1)
        assert reading.wait(30)
        other = pool.submit(second.submit, "ann", {}, most=1)
        time.sleep(0.3)
        assert not other.done()
        go_on.set()
        assert mine.result(30).status == "queued"
        with pytest.raises(Full):
            other.result(30)
        reading.clear()
        go_on.clear()
        mine = pool.submit(first.claim, slowly)
        assert reading.wait(30)
        other = pool.submit(second.claim)
        time.sleep(0.3)
        go_on.set()
        assert [mine.result(30) is None, other.result(30) is None] == [False, True]


def test_a_worker_that_does_not_take_what_is_next_leaves_it_next(queue, clock):
    first, second = queue.submit("ann", {"number": 1}), queue.submit("ann", {"number": 2})
    clock.now += 5
    seen = []
    assert queue.claim(lambda job, waited: seen.append((job.id, round(waited)))) is None
    assert seen == [(first.id, 5)]
    assert [queue.claim().id, queue.claim().id] == [first.id, second.id]


def test_a_database_that_is_not_there_is_one_clear_error(tmp_path, monkeypatch):
    pytest.importorskip("psycopg_pool")
    monkeypatch.setattr("patchworld.serve.database.PATIENCE", 0.5)
    with pytest.raises(Unreachable, match="PostgreSQL does not answer"):
        Queue(f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(InputError, match="mysql://… is no database that is known"):
        Queue("mysql://root:secret@here/jobs")
    with pytest.raises(InputError, match="cannot be read") as found:
        Queue("postgresql://ann:secret@here/jobs?nonsense=1")
    assert "secret" not in str(found.value)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_server_that_comes_back_is_used_again(opened):
    queue = opened()
    job = queue.submit("ann", {})
    with queue.database.transaction() as run:
        run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query <> ''")
    with pytest.raises(Unreachable), queue.database.transaction() as run:
        run("SELECT pg_terminate_backend(pg_backend_pid())")
    assert queue.get("ann", job.id) == job
    assert abs(job.created - time.time()) < 60


def _work(place, folder):
    """A worker as short as can be: files first, then the commit."""
    queue = Queue(place, lease=0.4, attempts=1000)
    while True:
        if (job := queue.claim()) is None:
            time.sleep(0.01)
            continue
        time.sleep(random.uniform(0, 0.03))
        (folder / f"{job.id}.{job.token}").write_text("made")
        if queue.beat(job, 50) == "go on" and queue.complete(job):
            with open(folder / "completed", "a") as log:
                log.write(f"{job.id}\n")


def test_how_many_jobs_are_before_one(tmp_path):
    times = iter(range(1000))
    queue = Queue(tmp_path / "jobs.db", clock=lambda: next(times))
    slow, made, first, urgent, last = (queue.submit("ann", {}, priority=k) for k in (0, 2, 0, 1, 0))
    assert queue.claim().id == made.id
    assert [queue.look("ann", job.id).ahead for job in (urgent, slow, first, last)] == [1, 2, 3, 4]


def test_who_reads_does_not_wait_for_one_who_writes_or_is_told_so(place, opened):
    reading, writing = opened(), opened()
    job = reading.submit("ann", {})
    with writing.database.transaction(decides=True) as run:
        run("UPDATE jobs SET progress = 50")
        assert reading.look("ann", job.id).job == job
        if "://" in str(place):  # there is a network between
            with pytest.raises(Busy):
                reading.look("ann", job.id, wait=False)
        else:
            assert reading.look("ann", job.id, wait=False).job == job
    assert reading.look("ann", job.id).job.progress == 50
    assert reading.look("bob", job.id) is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_every_job_is_completed_exactly_once_though_workers_are_killed(place, tmp_path):
    number, kills = 20, 12
    queue = Queue(place, lease=0.4, attempts=1000)
    ids = [queue.submit(f"owner {k % 3}", {"number": k}).id for k in range(number)]
    spawn = multiprocessing.get_context("fork")
    workers = [spawn.Process(target=_work, args=(place, tmp_path), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    random.seed(0)
    deadline = time.monotonic() + 60
    try:
        while (queue.counts()["completed"] < number or kills > 0) and time.monotonic() < deadline:
            time.sleep(random.uniform(0.02, 0.08))
            if kills > 0:
                victim = random.randrange(2)
                os.kill(workers[victim].pid, signal.SIGKILL)
                workers[victim].join()
                workers[victim] = spawn.Process(target=_work, args=(place, tmp_path), daemon=True)
                workers[victim].start()
                kills -= 1
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert queue.counts() == {"queued": 0, "in_progress": 0, "completed": number, "failed": 0}
    for id in ids:
        assert Path(tmp_path / f"{id}.{queue.find(id).token}").read_text() == "made"
    told = (tmp_path / "completed").read_text().split()
    assert len(told) == len(set(told))
    queue.close()
    if isinstance(place, Path):
        assert sqlite3.connect(place).execute("PRAGMA integrity_check").fetchone() == ("ok",)
