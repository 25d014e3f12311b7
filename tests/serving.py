"""A whole server on loopback: HTTP in a thread, one worker with a tiny model in another."""

import threading
import time

import uvicorn

from patchworld.serve.api import make_app
from patchworld.serve.connection import HTTP
from patchworld.serve.settings import Key, Limits, Settings
from patchworld.serve.store import Store
from patchworld.serve.worker import open_queue, work

ANN, BOB = "ann-has-a-long-key", "bob-has-another-key"


class Server:
    def __init__(self, settings, model, working=True):
        self.settings, self.queue, self.store = settings, open_queue(settings), Store(settings.folder)
        self.leaving = threading.Event()
        app = make_app(settings, self.queue, self.store)
        config = uvicorn.Config(app, port=0, timeout_graceful_shutdown=1, **HTTP)
        self.http = uvicorn.Server(config)
        self.threads = [threading.Thread(target=self.http.run, daemon=True)]
        if working:
            self.threads.append(threading.Thread(target=work, args=(model, settings, self.leaving), daemon=True))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        while not self.http.started:
            time.sleep(0.01)
        port = self.http.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_):
        self.leaving.set()
        self.http.should_exit = True
        for thread in self.threads:
            thread.join()


def settings_in(folder, **more):
    keys = {"ann": Key(key=ANN), "bob": Key(key=BOB)}
    limits = Limits(pixels=32 * 32, frames=64, steps=8, waiting=3, upload=300_000, decoding=60)
    return Settings(**{"folder": folder, "keys": keys, "limits": limits, "fps": 4.0, "lease": 20.0, **more})
