"""What does a person see of the buyer app? One web page: a journey by hand, and every message beside it."""

from pathlib import Path

from aiohttp import web

WEB = Path(__file__).parent / "web"
PARTS = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'"
)


def add_page_routes(app: web.Application) -> None:
    """Serve the page on this application; it asks nobody but its own server."""

    async def part(request: web.Request) -> web.StreamResponse:
        name, content_type = PARTS[request.path]
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        return web.Response(body=(WEB / name).read_bytes(), content_type=content_type, charset="utf-8", headers=headers)

    for path in PARTS:
        app.router.add_get(path, part)
