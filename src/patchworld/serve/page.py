"""The studio, a page to play in: built from `studio/` at the top of the repository, served as it is.

It asks the API like any other client, with the key as a header and no cookie, so that it opens no door. Its policy
allows nothing from elsewhere, and no script in the page itself.
"""

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

BUILT = Path(__file__).parent / "studio"
FILES = {"/": "index.html", "/studio.js": "studio.js", "/studio.css": "studio.css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page() -> APIRouter:
    """The three files of the page; a browser asks each time whether they have changed."""
    router = APIRouter(include_in_schema=False)
    for path, name in FILES.items():
        router.add_api_route(path, _answer(BUILT / name), response_class=FileResponse)
    return router


def _answer(path: Path) -> Callable[[], FileResponse]:
    def answer() -> FileResponse:
        return FileResponse(path, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})

    return answer
