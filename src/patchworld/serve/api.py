"""HTTP: the Videos API, whole, and additions under the same path.

A request is checked in full before anything is kept: its canvas is built, so what is accepted can be made. Then its
inputs are files, then it is a row of the queue, and only then it is answered.
"""

import asyncio
import base64
import secrets
import shutil
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from patchworld import __version__
from patchworld.denoise import Sampling
from patchworld.model import DEFAULT, read_description
from patchworld.serve import operations
from patchworld.serve.answers import (
    REFUSED,
    CharacterAnswer,
    Deleted,
    ModelCard,
    ModelList,
    Video,
    VideoList,
    video_of,
    when_to_ask_again,
)
from patchworld.serve.body import BadBody, Parsed, parsed, take_upload
from patchworld.serve.database import Busy
from patchworld.serve.document import describe, request_body
from patchworld.serve.gate import Gate
from patchworld.serve.operations import (
    OPERATIONS,
    Body,
    CreateBody,
    Desk,
    Id,
    Media,
    Plan,
    RemixBody,
    Strict,
    Text,
    fitted_size,
)
from patchworld.serve.page import page
from patchworld.serve.play import Player
from patchworld.serve.problems import Refusal, add_problems
from patchworld.serve.queue import Job, Look, Queue, new_id
from patchworld.serve.settings import Owner, Settings, owner_of
from patchworld.serve.store import MASTER, PREVIEW, VARIANTS, Store, copy_file
from patchworld.verbs import VERBS
from patchworld.video import Clip, read

LOOK_EVERY = 0.3  # seconds between looks of an event stream
PREFIX = "/v1/videos"
COMMON_SIZES = ((1280, 720), (720, 1280), (1024, 1024), (1024, 768), (768, 1024), (1792, 768))
Found = TypeVar("Found", Job, Look)
_NOTING = threading.Lock()  # what Python keeps of warnings, it keeps for all threads


class CharacterBody(Strict):
    name: Annotated[Text, Field(min_length=1, max_length=80)]
    video: Media


def make_app(settings: Settings, queue: Queue, store: Store, *, public: bool = False) -> FastAPI:
    """The HTTP side of a server. Workers are other processes. public: whether others than this machine may ask."""
    app = FastAPI(
        title="patchworld",
        version=__version__,
        description="The Videos API on your own machine, and what else can be done with a canvas.",
        docs_url=None,
        redoc_url=None,
    )
    schemas: dict[str, Any] = {}
    app.include_router(_videos(settings, queue, store, schemas))
    app.include_router(_models(settings))
    app.include_router(_machine(queue))
    app.include_router(page())
    app.add_api_websocket_route(f"{PREFIX}/play", Player(settings).play)
    add_problems(app)
    describe(app, schemas)
    app.add_middleware(Gate, limit=settings.limits.upload, public=public)
    return app


def _authorize(settings: Settings) -> Callable[[Request], Awaitable[Owner]]:
    async def authorize(request: Request) -> Owner:
        if (owner := owner_of(settings, request.headers.get("authorization"))) is None:
            raise Refusal(401, "invalid_api_key", "the API key is missing or wrong: send Authorization: Bearer KEY")
        return owner

    return authorize


def _videos(settings: Settings, queue: Queue, store: Store, schemas: dict[str, Any]) -> APIRouter:
    authorize = _authorize(settings)
    Asker = Annotated[Owner, Depends(authorize)]
    router = APIRouter(prefix=PREFIX, responses=REFUSED, dependencies=[Depends(authorize)])
    actions = known_actions(settings)

    def shown(owner: Owner, id: str, response: Response) -> Video:
        look = _there(queue.look(owner.name, id), id)
        response.headers.update(when_to_ask_again(look))
        return video_of(look)

    def found(owner: Owner, id: str) -> Job:
        return _there(queue.get(owner.name, id), id)

    def completed(owner: Owner, id: str) -> Job:
        job = found(owner, id)
        if job.status != "completed":
            status = 409 if job.finished is None else 404
            raise Refusal(status, "not_ready", f"the video {id} is {job.status}, not completed", "video_id")
        return job

    @contextmanager
    def desk(owner: Owner) -> Iterator[tuple[Desk, Path]]:
        """What an operation asks for, and the folder in which its inputs gather; removed if nobody takes it."""
        folder = Path(tempfile.mkdtemp(dir=store.folder / "videos", prefix=".asked-"))
        count = 0

        def kept(fill: Callable[[Path], Any]) -> Clip:
            nonlocal count
            count += 1
            path = folder / f"input-{count}{MASTER}"
            fill(path)
            return replace(read(path), recipe=None, source={"path": path.name})

        def clip(media: Media) -> Clip:
            if media.id is not None:
                source = store.file(completed(owner, media.id), MASTER)
                return kept(lambda path: copy_file(source, path))
            return kept(lambda path: take_upload(media, path, settings))

        def character(id: str) -> Clip:
            if (one := store.character(owner.name, id)) is None:
                raise Refusal(404, "not_found", f"there is no character {id}", "characters")
            return kept(read(one[1], max_frames=1).save)

        try:
            yield Desk(settings.limits, settings.fps, actions, clip, character), folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def accept(
        request: Request,
        owner: Owner,
        asked: Parsed,
        operation: str,
        plan: Callable[[Any, Desk], Plan],
        source: str | None = None,
    ) -> str:
        """Check a request and keep its job; the id."""
        key = request.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= 255:
            raise Refusal(400, "invalid_request", "Idempotency-Key has 1 to 255 letters")
        id, body = new_id(), asked.body
        if key is not None and (known := queue.again(owner.name, key, asked.fingerprint)):
            return known.id
        with desk(owner) as (at, folder):
            verb, arguments = plan(body, at)
            described = _checked(verb, arguments, body, settings)
            wanted = getattr(body, "size", None)
            told = {
                "operation": operation,
                "model": body.model,
                "remixed_from_video_id": source,
                "fitted_from": wanted if wanted and wanted != described["size"] else None,
            }
            target = store.job_folder(id)
            folder.rename(target)
            try:
                job = queue.submit(
                    owner.name,
                    {**told, **described, "verb": verb, "arguments": operations.written(arguments)},
                    id=id,
                    priority=owner.priority,
                    idempotency_key=key,
                    fingerprint=asked.fingerprint,
                    most=settings.limits.waiting,
                    tell=settings.webhook is not None,
                )
            except BaseException:
                store.delete(id)
                raise
            if job.id != id:  # the same key, at the same moment
                store.delete(id)
        return job.id

    def post(path: str, model: type[BaseModel], answer: type[BaseModel]) -> Callable[..., Any]:
        extra = request_body(model, schemas)
        return router.post(path, response_model=answer, response_model_exclude_none=False, openapi_extra=extra)

    @router.get("/{video_id}", response_model=Video)  # routes are tried in this order, and this is what most ask for
    async def retrieve(owner: Asker, video_id: Id) -> Response:
        """A video: how far it is, and what became of it."""
        try:  # a thread for it would cost more than what it does
            look = queue.look(owner.name, video_id, wait=False)
        except Busy:
            look = await run_in_threadpool(queue.look, owner.name, video_id)
        look = _there(look, video_id)
        return Response(
            video_of(look).model_dump_json(), media_type="application/json", headers=when_to_ask_again(look)
        )

    @post("", CreateBody, Video)
    def create(
        request: Request, owner: Asker, asked: Annotated[Parsed, Depends(parsed(CreateBody))], response: Response
    ) -> Video:
        """A video from words, from an image and words, or with a character."""
        return shown(owner, accept(request, owner, asked, "create", operations.create), response)

    def add(path: str, model: type[Body], plan: Callable[..., Plan]) -> None:
        def operate(
            request: Request, owner: Asker, asked: Annotated[Parsed, Depends(parsed(model))], response: Response
        ) -> Video:
            return shown(owner, accept(request, owner, asked, path, plan), response)

        operate.__doc__ = DOCUMENTED.get(path, VERBS.get(path, VERBS["extend"])).__doc__
        operate.__name__ = path
        post(f"/{path}", model, Video)(operate)

    for path, (model, plan) in OPERATIONS.items():
        add(path, model, plan)

    @post("/characters", CharacterBody, CharacterAnswer)
    def create_character(owner: Asker, asked: Annotated[Parsed, Depends(parsed(CharacterBody))]) -> CharacterAnswer:
        """A subject from a video or image. A video that is created with it begins with its first frame."""
        with desk(owner) as (at, folder):
            clip = at.clip(asked.body.video)
            made = store.add_character(owner.name, asked.body.name, folder / str((clip.source or {})["path"]))
        return CharacterAnswer(**made.model_dump(exclude={"owner"}))

    @router.get("/characters/{character_id}")
    def get_character(owner: Asker, character_id: Id) -> CharacterAnswer:
        one = store.character(owner.name, character_id) if character_id.startswith("char_") else None
        if one is None:
            raise Refusal(404, "not_found", f"there is no character {character_id}", "character_id")
        return CharacterAnswer(**one[0].model_dump(exclude={"owner"}))

    @router.get("")
    def list_videos(
        owner: Asker,
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=0, le=100)] = 20,
        order: Literal["asc", "desc"] = "desc",
        search: Annotated[str, Query(max_length=1000, description="An addition: words of the prompt.")] = "",
    ) -> VideoList:
        """One's own videos, page by page."""
        try:
            looks, more = _page(queue, owner.name, after, limit, order == "desc", search.casefold().split())
        except KeyError:
            raise Refusal(404, "not_found", "there is no video with the id in after", "after") from None
        data = [video_of(look) for look in looks]
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return VideoList(data=data, first_id=first, last_id=last, has_more=more)

    @router.delete("/{video_id}")
    def delete(owner: Asker, video_id: Id) -> Deleted:
        """Delete a video that is completed or failed, with its files."""
        found(owner, video_id)
        if not queue.delete(owner.name, video_id):
            raise Refusal(409, "not_finished", f"the video {video_id} is still made: cancel it first", "video_id")
        store.delete(video_id)
        return Deleted(id=video_id)

    @router.get("/{video_id}/content", response_class=FileResponse)
    def content(
        owner: Asker, video_id: Id, variant: Literal["video", "thumbnail", "spritesheet"] = "video"
    ) -> FileResponse:
        """The file: the video as mp4, or a picture of it as webp."""
        job = completed(owner, video_id)
        suffix, kind = VARIANTS[variant]
        path = store.file(job, suffix)
        if not path.exists():
            raise Refusal(404, "expired", f"the files of {video_id} are no longer kept", "video_id")
        return FileResponse(path, media_type=kind, filename=video_id + suffix, content_disposition_type="inline")

    @post("/{video_id}/remix", RemixBody, Video)
    def remix(
        request: Request,
        owner: Asker,
        video_id: Id,
        asked: Annotated[Parsed, Depends(parsed(RemixBody))],
        response: Response,
    ) -> Video:
        """A video again by another prompt; at a strength near 0 hardly anything changes."""
        job = completed(owner, video_id)
        body = asked.body
        if body.seed is None:  # the noise of the video itself, so that what is alike stays alike
            asked = replace(asked, body=body.model_copy(update={"seed": job.request["sampling"]["seed"]}))

        def plan(body: RemixBody, at: Desk) -> Plan:
            clip = at.clip(Media(id=video_id))
            return "restyle", {"clip": clip, "prompt": body.prompt, "strength": body.strength}

        return shown(owner, accept(request, owner, asked, "remix", plan, video_id), response)

    @router.post("/{video_id}/cancel")
    def cancel(owner: Asker, video_id: Id, response: Response) -> Video:
        """Stop a video that waits or is made: it fails with the code `cancelled`. A finished one stays as it is."""
        _there(queue.cancel(owner.name, video_id), video_id)
        return shown(owner, video_id, response)

    def known(owner: Asker, video_id: Id) -> None:  # before a stream begins, which can no longer say 404
        found(owner, video_id)

    @router.get("/{video_id}/events", response_class=EventSourceResponse, dependencies=[Depends(known)])
    async def events(owner: Asker, video_id: Id) -> AsyncIterator[ServerSentEvent]:
        """`progress` whenever it moves, `preview` with frames of what emerges, then `completed` or `failed`."""
        before, shown = None, 0.0
        while (look := await run_in_threadpool(queue.look, owner.name, video_id)) is not None:
            job, told = look.job, video_of(look)
            if job.status == "in_progress":
                path = store.file(job, PREVIEW)
                if path.exists() and path.stat().st_mtime > shown:
                    shown = path.stat().st_mtime
                    picture = base64.b64encode(path.read_bytes()).decode()
                    yield ServerSentEvent(event="preview", data={"image_url": f"data:image/webp;base64,{picture}"})
            if (told.status, told.progress, told.queue_position) != before:
                before = told.status, told.progress, told.queue_position
                name = job.status if job.finished is not None else "progress"
                yield ServerSentEvent(event=name, data=told.model_dump())
            if job.finished is not None:
                return
            await asyncio.sleep(LOOK_EVERY)
        yield ServerSentEvent(event="failed", data={"id": video_id, "error": {"code": "not_found"}})

    return router


DOCUMENTED = {"edits": VERBS["restyle"], "uploads": operations.keep}


def known_actions(settings: Settings) -> tuple[str, ...]:
    transformer = read_description(settings.model or DEFAULT).transformer
    return tuple(transformer.actions) if transformer else ()


def _models(settings: Settings) -> APIRouter:
    folder, limits = settings.model or DEFAULT, settings.limits
    sizes = {f"{size[0]}x{size[1]}": fitted_size(size, limits.pixels) for size in COMMON_SIZES}
    card = ModelCard(
        id="+".join(part.name for part in (folder, settings.lora) if part),
        created=int((folder / "model.json").stat().st_mtime),
        fps=settings.fps,
        seconds=min(limits.seconds, limits.frames / settings.fps),
        steps=limits.steps,
        sizes={size: f"{width}x{height}" for size, (width, height) in sizes.items()},
        actions=list(known_actions(settings)),
    )
    router = APIRouter(prefix="/v1/models", responses=REFUSED, dependencies=[Depends(_authorize(settings))])

    @router.get("")
    def list_models() -> ModelList:
        """The one model of this server."""
        return ModelList(data=[card])

    return router


def _page(
    queue: Queue, owner: str, after: str | None, limit: int, newest_first: bool, words: list[str]
) -> tuple[list[Look], bool]:
    """As Queue.page, of the jobs whose prompts have all the words. Prompts are read here, so that SQL needs no JSON."""
    if not words:
        return queue.page(owner, after=after, limit=limit, newest_first=newest_first)
    found: list[Look] = []
    more = True
    while more and len(found) <= limit:
        looks, more = queue.page(owner, after=after, limit=100, newest_first=newest_first)
        found += [one for one in looks if all(word in str(one.job.request["prompt"]).casefold() for word in words)]
        after = looks[-1].job.id if looks else after
    return found[:limit], len(found) > limit


def _machine(queue: Queue) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    def health() -> dict[str, str]:
        """Whether the server answers and its queue can be read."""
        queue.counts()
        return {"status": "ok", "version": __version__}

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """How many jobs there are of each status, for Prometheus."""
        registry = CollectorRegistry()
        jobs = Gauge("patchworld_jobs", "Jobs in the queue", ["status"], registry=registry)
        for status, number in queue.counts().items():
            jobs.labels(status).set(number)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _checked(verb: str, arguments: dict[str, Any], body: Body, settings: Settings) -> dict[str, Any]:
    """What is told and kept about a request whose canvas can be laid out. Raises InputError for others."""
    limits = settings.limits
    steps = body.steps or min(Sampling.steps, limits.steps)
    if steps > limits.steps:
        raise BadBody(f"steps={steps} is more than this server makes: use at most {limits.steps}", "steps")
    with _NOTING, warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        canvas = operations.canvas_of(verb, arguments)
    seconds = canvas.frames / canvas.fps
    if canvas.frames > limits.frames or seconds > limits.seconds:
        most = min(limits.seconds, limits.frames / canvas.fps)
        raise BadBody(f"the video would be {seconds:g} s long, this server makes at most {most:g}", "seconds")
    if canvas.circular and not canvas.conditions and canvas.frames > Sampling.window:
        most = Sampling.window / canvas.fps
        raise BadBody(
            f"a loop from words is dreamed as a whole, {seconds:g} s are too long: use {most:g} or less", "seconds"
        )
    seed = secrets.randbelow(2**31) if body.seed is None else body.seed
    usual = operations.LIVE if verb == "simulate" else {}  # so that a world that was played comes back
    sampling = Sampling(seed, **{**usual, "steps": steps, "guidance": body.guidance})
    return {
        "prompt": body.prompt or canvas.prompt,
        "negative": body.negative,
        "seconds": f"{seconds:g}",
        "size": f"{canvas.size[0]}x{canvas.size[1]}",
        "frames": canvas.frames,
        "sampling": vars(sampling),
        "notes": [str(note.message) for note in notes if issubclass(note.category, UserWarning)],
    }


def _there(found: Found | None, id: str) -> Found:
    if found is None:
        raise Refusal(404, "not_found", f"there is no video {id}", "video_id")
    return found
