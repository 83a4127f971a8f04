"""Headers of every page: a strict policy of content, and nothing kept by caches."""

from __future__ import annotations

from flask import Flask, Response, request

from app.services.installation import installation

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_STRICT = "max-age=31536000"


def bind(app: Flask) -> None:
    """Add the headers to every page of `app`; what an answer has already stays."""
    https = installation(app).settings.public_url.startswith("https:")

    @app.after_request
    def add(response: Response) -> Response:
        if (request.endpoint or "").startswith("api."):
            return response
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if https:
            response.headers.setdefault("Strict-Transport-Security", _STRICT)
        return response
