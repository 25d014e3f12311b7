from dataclasses import replace

import pytest

from patchworld.serve.answers import VideoError, video_of, when_to_ask_again
from patchworld.serve.queue import Job, Look

REQUEST = {
    "model": "sora-2",
    "prompt": "a red ball",
    "seconds": "4",
    "size": "160x96",
    "remixed_from_video_id": None,
    "operation": "create",
    "fitted_from": "1280x720",
    "notes": ["cropped"],
    "sampling": {"seed": 7, "steps": 8, "guidance": 3.0},
}
QUEUED = Job("video_1", "ann", REQUEST, "queued", 0, 0, None, False, 1000.5, None, None, None, None, None, 0)


def test_a_job_that_waits_is_told_with_its_place():
    told = video_of(Look(QUEUED, 1010.0, 3))
    assert (told.status, told.queue_position, told.seconds_left, told.created_at) == ("queued", 3, None, 1000)
    assert (told.prompt, told.size, told.fitted_from, told.seed) == ("a red ball", "160x96", "1280x720", 7)
    assert (told.notes, told.error, told.completed_at, told.expires_at) == (["cropped"], None, None, None)


@pytest.mark.parametrize(("progress", "left"), [(0, None), (25, 30.0), (50, 10.0)])
def test_the_time_left_is_told_from_the_speed_so_far(progress, left):
    job = replace(QUEUED, status="in_progress", progress=progress, started=1005.0)
    told = video_of(Look(job, 1015.0, None))
    assert (told.progress, told.seconds_left, told.queue_position) == (progress, left, None)


def test_the_end_of_a_job_is_told():
    done = replace(QUEUED, status="completed", progress=100, started=1005.0, finished=1010.9, expires=2000.0)
    told = video_of(Look(done, 1015.0, None))
    assert (told.status, told.completed_at, told.expires_at, told.seconds_left) == ("completed", 1010, 2000, None)
    failed = replace(done, status="failed", error_code="cancelled", error_message=None)
    told = video_of(Look(failed, 1015.0, None))
    assert (told.error, told.completed_at) == (VideoError(code="cancelled", message=""), None)


@pytest.mark.parametrize(
    ("ahead", "milliseconds"), [(None, 500), (0, 500), (1, 1000), (4, 2500), (5, 3000), (99, 3000)]
)
def test_who_waits_behind_many_is_told_to_ask_later(ahead, milliseconds):
    assert when_to_ask_again(Look(QUEUED, 0.0, ahead)) == {"openai-poll-after-ms": str(milliseconds)}
