"""What the Videos API answers with, as the official client knows it, and how a job is told as a video."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from patchworld.serve.problems import ErrorAnswer
from patchworld.serve.queue import Look

POLL_AFTER, POLL_AT_MOST = 500, 3000  # milliseconds
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 401, 403, 404, 409, 413, 429, 503, 507)
}


class VideoError(BaseModel):
    code: str
    message: str


class Video(BaseModel):
    """A video, as the official client knows it. The fields from `operation` on are additions."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int = Field(ge=0, le=100)
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    prompt: str | None = None
    seconds: str
    size: str
    quality: str = "standard"
    remixed_from_video_id: str | None = None
    error: VideoError | None = None
    operation: str = Field(description="What made it: create, remix, edits, extensions, loop, …")
    seed: int
    fitted_from: str | None = Field(None, description="The size that was asked for, where the server makes it smaller.")
    notes: list[str] = Field([], description="What was done to inputs that nobody asked for, such as cropping.")
    queue_position: int | None = Field(None, description="While it waits: how many are made or wait before it, about.")
    seconds_left: float | None = Field(None, description="While it is made: how long it takes at the speed so far.")


class VideoList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool


class ModelCard(BaseModel):
    """The model of this server, and how much may be asked of it. The fields from `fps` on are additions."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "patchworld"
    fps: float
    seconds: float = Field(description="The longest video.")
    steps: int = Field(description="The most steps of the solver.")
    sizes: dict[str, str] = Field(description="Common sizes, and what each is fitted to.")
    actions: list[str] = Field(description="What can be done in a world that is played.")


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class Deleted(BaseModel):
    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = True


class CharacterAnswer(BaseModel):
    id: str
    name: str
    created_at: int


def video_of(look: Look) -> Video:
    """A job as it is told."""
    job, asked = look.job, look.job.request
    done, making = job.status == "completed", job.status == "in_progress" and job.progress and job.started
    took = max(0.0, look.moment - (job.started or 0))
    return Video(
        id=job.id,
        status=job.status,
        progress=job.progress,
        created_at=int(job.created),
        completed_at=int(job.finished) if done and job.finished else None,
        expires_at=int(job.expires) if done and job.expires else None,
        error=VideoError(code=job.error_code, message=job.error_message or "") if job.error_code else None,
        seed=asked["sampling"]["seed"],
        queue_position=look.ahead,
        seconds_left=round(took * (100 - job.progress) / job.progress, 1) if making else None,
        **{
            name: asked[name]
            for name in (
                "model",
                "prompt",
                "seconds",
                "size",
                "remixed_from_video_id",
                "operation",
                "fitted_from",
                "notes",
            )
        },
    )


def when_to_ask_again(look: Look) -> dict[str, str]:
    """A header: the later, the more videos are before this one."""
    return {"openai-poll-after-ms": str(min(POLL_AT_MOST, POLL_AFTER * (1 + (look.ahead or 0))))}
