"""Canvases that are dreamed at once come out as they do alone, whatever becomes of the others."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from tiny import Observed, moving_square

from patchworld.batching import Batch
from patchworld.canvas import Canvas, Condition
from patchworld.generate import Sampling, generate

JOBS = [
    (Canvas("a red ball", 9, (32, 32)), Sampling(1, 3)),
    (Canvas("left", 5, (48, 32), negative="a red ball"), Sampling(2, 5, guidance=1.0)),
    (Canvas("一个红色的球", 13, (32, 32), conditions=(Condition(moving_square(5)),)), Sampling(3, 2, solver="heun")),
    (Canvas("a ball", 24, (32, 32)), Sampling(4, 3, window=8, history=8)),
]


def at_once(batch, jobs):
    """The clips of all jobs, each in its thread; none begins before all threads are there."""
    doors = threading.Barrier(len(jobs))

    def dream(job):
        doors.wait()
        return np.stack(list(batch.stream(*job)))

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(dream, jobs))


def test_each_of_several_canvases_is_what_it_is_alone(tiny_model):
    world = Observed(tiny_model)
    together = at_once(Batch(world), JOBS)
    for (canvas, sampling), frames in zip(JOBS, together, strict=True):
        assert np.array_equal(frames, generate(tiny_model, canvas, sampling).frames)
    assert max(map(len, world.denoiser.seen)) > 1


def test_canvases_that_are_dreamed_at_once_share_most_passes(tiny_model):
    world = Observed(tiny_model)
    steps = 20
    at_once(Batch(world), [(Canvas("a red ball", 9, (32, 32)), Sampling(seed, steps)) for seed in range(4)])
    assert len(world.denoiser.seen) < 2 * steps  # the first to come asks before the last is here
    assert sum(len(shapes) in (4, 8) for shapes in world.denoiser.seen) > steps / 2  # guided ones are double


def test_one_that_stops_or_fails_holds_nobody_up(tiny_model):
    batch = Batch(tiny_model)
    canvas, sampling = JOBS[0]

    def stop(done, total, latent):
        raise RuntimeError("stopped")

    def stopped():
        with pytest.raises(RuntimeError, match="stopped"), closing(batch.stream(canvas, sampling, stop)) as frames:
            list(frames)

    def left():
        with closing(batch.stream(canvas, sampling)) as frames:
            next(frames)

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(each) for each in (stopped, left, stopped)]
        clip = pool.submit(lambda: np.stack(list(batch.stream(canvas, sampling)))).result(60)
        for other in others:
            other.result(60)
    assert np.array_equal(clip, generate(tiny_model, canvas, sampling).frames)


def test_an_error_of_a_pass_reaches_everybody_and_the_batch_goes_on(tiny_model):
    world = Observed(tiny_model)
    batch = Batch(world)
    real, world.denoiser.denoiser = world.denoiser.denoiser, None
    with pytest.raises(TypeError):
        at_once(batch, JOBS[:1])
    with ThreadPoolExecutor(3) as pool:
        for failed in [pool.submit(lambda: list(batch.stream(*JOBS[0]))) for _ in range(3)]:
            with pytest.raises(TypeError):
                failed.result(60)
    world.denoiser.denoiser = real
    assert len(at_once(batch, JOBS[:2])) == 2
