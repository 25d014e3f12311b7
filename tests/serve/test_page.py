import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from patchworld.serve.page import BUILT, FILES

SOURCES = Path(__file__).parents[2] / "studio"
REBUILD = "run `npm ci && npm run build` in studio/ and commit what comes out"


def hashes(root, names):
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names}


def test_the_page_that_is_shipped_was_built_from_the_sources_and_not_touched_since():
    told = json.loads((BUILT / "built.json").read_text())
    outer = ("index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.ts")
    names = [*outer, *(path.relative_to(SOURCES).as_posix() for path in SOURCES.glob("src/**/*") if path.is_file())]
    assert hashes(SOURCES, names) == told["sources"], REBUILD
    assert hashes(BUILT, FILES.values()) == told["built"], REBUILD


def test_the_page_may_load_nothing_from_elsewhere_and_run_no_script_of_its_text(server):
    for path, kind in (("/", "text/html"), ("/studio.js", "text/javascript"), ("/studio.css", "text/css")):
        with urllib.request.urlopen(server.url + path) as answer:
            assert answer.headers["Content-Type"].startswith(kind)
            policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
        assert "http" not in json.dumps(policy)
    with urllib.request.urlopen(f"{server.url}/healthz") as answer:
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", ["/built.json", "/studio/built.json", "/../api.py", "/%2e%2e/api.py"])
def test_nothing_but_the_page_is_served(server, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(server.url + path)
    with refused.value as answer:
        assert answer.code == 404


def test_the_page_is_small():
    assert sum((BUILT / name).stat().st_size for name in FILES.values()) < 280_000
