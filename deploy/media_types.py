"""What a static file is, by the end of its name: one table for both routers, whatever the machine's own says.

Source: IANA's media types, as browsers expect them.
"""

from __future__ import annotations

UTF_8 = frozenset(
    {
        "text/plain",
        "text/css",
        "text/csv",
        "text/javascript",
        "text/markdown",
        "text/xml",
        "text/calendar",
        "text/vtt",
        "application/json",
        "application/manifest+json",
        "application/xml",
        "application/rss+xml",
        "application/atom+xml",
        "application/xhtml+xml",
        "image/svg+xml",
    }
)
"""Told with `; charset=utf-8`; so is text/html."""
MEDIA_TYPES: dict[str, tuple[str, ...]] = {
    "text/html": ("html", "htm"),
    "text/css": ("css",),
    "text/javascript": ("js", "mjs"),
    "text/plain": ("txt", "text", "log"),
    "text/csv": ("csv",),
    "text/markdown": ("md",),
    "text/calendar": ("ics",),
    "text/vtt": ("vtt",),
    "application/json": ("json", "map"),
    "application/manifest+json": ("webmanifest",),
    "application/xml": ("xml", "xsl"),
    "application/rss+xml": ("rss",),
    "application/atom+xml": ("atom",),
    "application/xhtml+xml": ("xhtml",),
    "application/wasm": ("wasm",),
    "application/pdf": ("pdf",),
    "application/zip": ("zip",),
    "application/gzip": ("gz", "tgz"),
    "application/epub+zip": ("epub",),
    "image/svg+xml": ("svg",),
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/avif": ("avif",),
    "image/x-icon": ("ico",),
    "image/bmp": ("bmp",),
    "image/tiff": ("tif", "tiff"),
    "font/woff": ("woff",),
    "font/woff2": ("woff2",),
    "font/ttf": ("ttf",),
    "font/otf": ("otf",),
    "audio/mpeg": ("mp3",),
    "audio/mp4": ("m4a",),
    "audio/ogg": ("ogg", "oga", "opus"),
    "audio/wav": ("wav",),
    "audio/flac": ("flac",),
    "video/mp4": ("mp4", "m4v"),
    "video/webm": ("webm",),
    "video/ogg": ("ogv",),
    "video/quicktime": ("mov",),
}
