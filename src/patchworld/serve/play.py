"""A live world behind a websocket: actions go in, pictures come out.

    -> {"prompt": "a red ball on grass", "size": "64x64", "seed": 3}        and "key" where the server has keys
    <- {"actions": ["none", "push left"], "fps": 8, "seed": 3}
    -> {"action": "push left"}         holds until another one is sent
    <- {"action": "push left", "frame": 5}    whenever it changes: from which frame on, the first one is frame 0
    <- a webp picture, frame by frame
    -> {"end": true}

What was played is dreamed again, as a video that is kept, by POST /v1/videos/simulate with its prompt, size and seed
and the action of each frame after the first.

Each play has a process of its own, which ends with it, so that neither the server nor its jobs wait for a player.
"""

import asyncio
import itertools
import json
import multiprocessing
import os
import secrets
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Annotated, Any

from pydantic import Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from patchworld.errors import InputError, PatchworldError, first_problem
from patchworld.serve.operations import LIVE, Size, Strict, Text, fitted_size
from patchworld.serve.settings import Settings, owner_of

PATIENCE = 30.0  # seconds for the first message
LONGEST_MESSAGE = 40_000  # letters
REST = "none"


class Start(Strict):
    """The first message."""

    prompt: Text = ""
    size: Size = "64x64"
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    steps: Annotated[int, Field(ge=1, le=64)] = LIVE["steps"]
    guidance: Annotated[float, Field(ge=0, le=100)] = LIVE["guidance"]
    key: Annotated[str, Field(max_length=200)] = ""


class Player:
    """Plays worlds, as many at once as the limits allow."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.playing = settings, 0

    async def play(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            start = Start.model_validate_json(await asyncio.wait_for(_heard(socket), PATIENCE), strict=True)
            header = socket.headers.get("authorization") or f"Bearer {start.key}"
            if owner_of(self.settings, header) is None:
                raise InputError("the API key is missing or wrong: send it as key")
            size = fitted_size(tuple(map(int, start.size.split("x"))), self.settings.limits.pixels)  # type: ignore[arg-type]
            if self.settings.moderation:
                raise InputError("this server looks at videos before it shows them, so no world can be played live")
            if self.playing >= self.settings.limits.plays:
                raise InputError("as many worlds are played as may be: come again later")
        except (ValidationError, InputError, TimeoutError) as error:
            await _fail(
                socket, first_problem(error) if isinstance(error, ValidationError) else str(error) or "too late"
            )
            return
        except WebSocketDisconnect:
            return
        self.playing += 1
        try:
            await self._session(socket, start, size)
        finally:
            self.playing -= 1

    async def _session(self, socket: WebSocket, start: Start, size: tuple[int, int]) -> None:
        spawn = multiprocessing.get_context("spawn")
        here, there = spawn.Pipe()
        limits = {"size": size, "fps": self.settings.fps, "seconds": self.settings.limits.seconds}
        asked = {**start.model_dump(exclude={"key"}), **limits, "label": self.settings.label}
        world = spawn.Process(
            target=_live, args=(self.settings.without_secrets(), json.dumps(asked), there), daemon=True
        )
        world.start()
        there.close()
        tasks = [asyncio.create_task(_listen(socket, here)), asyncio.create_task(_show(socket, here))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            world.kill()
            await asyncio.to_thread(world.join)  # the pipe ends, and with it the thread that reads it
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            here.close()


async def _heard(socket: WebSocket) -> str:
    message = await socket.receive_text()
    if len(message) > LONGEST_MESSAGE:
        raise InputError("the message is too long")
    return message


async def _listen(socket: WebSocket, world: Connection) -> None:
    """Pass actions on until the player goes."""
    while True:
        try:
            said = json.loads(await _heard(socket))
            action = said["action"] if not said.get("end") else None
        except (WebSocketDisconnect, RuntimeError):
            return
        except (ValueError, LookupError, AttributeError, RecursionError):
            await _fail(socket, 'not understood: say {"action": "…"} or {"end": true}')
            return
        if not isinstance(action, str):
            await socket.close()
            return
        world.send_bytes(action[:100].encode(errors="replace"))


async def _show(socket: WebSocket, world: Connection) -> None:
    """Pass pictures on until the world ends."""
    while True:
        try:
            told = await asyncio.to_thread(world.recv_bytes)
            if told[:1] != b"{":
                await socket.send_bytes(told)
            elif b'"error"' in told[:9]:
                await _fail(socket, json.loads(told)["error"])
                return
            else:
                await socket.send_text(told.decode())
        except (EOFError, OSError):  # the world has ended
            await socket.close()
            return
        except (WebSocketDisconnect, RuntimeError):
            return


async def _fail(socket: WebSocket, message: str) -> None:
    try:
        await socket.send_json({"error": {"code": "invalid_request", "message": message}})
        await socket.close(1008)
    except (WebSocketDisconnect, RuntimeError):
        pass


def _live(settings: Settings, asked: str, player: Connection) -> None:
    """The process of one world."""
    from patchworld import verbs
    from patchworld.generate import Sampling
    from patchworld.model import load
    from patchworld.video.images import webp
    from patchworld.video.label import labelled

    os.setsid() if hasattr(os, "setsid") else None
    try:
        start: dict[str, Any] = json.loads(asked)
        world = load(settings.model, settings.lora, settings.lora_strength)
        if not world.actions:
            raise InputError("this model was trained without actions: serve one that knows some")
        fps = start["fps"]
        seed = secrets.randbelow(2**31) if start["seed"] is None else start["seed"]
        player.send_bytes(json.dumps({"actions": world.actions, "fps": fps, "seed": seed}).encode())
        done = _actions(player, world.actions)
        canvas = verbs.simulate(
            start["prompt"], actions=done, size=tuple(start["size"]), fps=fps, seconds=start["seconds"]
        )
        sampling = Sampling(seed, **{**LIVE, "steps": start["steps"], "guidance": start["guidance"]})
        due = time.monotonic()
        for frame in world.stream(canvas, sampling):
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic()) + 1 / fps
            player.send_bytes(webp(labelled(frame) if start["label"] else frame))
    except PatchworldError as error:
        player.send_bytes(json.dumps({"error": str(error)}).encode())
    except (BrokenPipeError, EOFError):
        pass


def _actions(player: Connection, known: tuple[str, ...]) -> Iterator[str]:
    """For each frame after the first what the player does, which is what was said last; the player is told."""
    action = REST if REST in known else ""
    told = REST
    for frame in itertools.count(1):
        while player.poll():
            action = player.recv_bytes().decode()
        if action != told:
            told = action
            player.send_bytes(json.dumps({"action": action, "frame": frame}).encode())
        yield action
