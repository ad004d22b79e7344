"""Names of apps, process types, hosts and config vars: parsed once, at the edge. Never repaired."""

from __future__ import annotations

import re
from collections.abc import Iterable

from toppcloud.errors import ToppcloudError

_RESERVED = "admin api apps console git help localhost mail node root routes ssh status system toppcloud www"
RESERVED_APP_NAMES = frozenset(_RESERVED.split())
HOST_LENGTH = 80  # "routes/HOST/current/web.sock" must fit into the 107 bytes of a unix socket's path
_APP = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]\Z")
_PROCESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}\Z")
_PERSON = re.compile(r"[a-z0-9][a-z0-9._-]{0,38}\Z")
_HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_CONFIG_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REPOSITORY = re.compile(r"/?([^/]+?)(?:\.git|/)?\Z")
PLATFORM_KEYS = frozenset({"PORT", "SOURCE_VERSION"})
PLATFORM_PREFIXES = ("TOPPCLOUD_", "LISTEN_")


def parse_app_name(text: str) -> str:
    """`blog` as an app's name: 3 to 30 of a-z, 0-9 and single hyphens, a letter first, no hyphen last."""
    if not _APP.match(text) or "--" in text:
        raise ToppcloudError(
            f"'{text}' cannot be an app's name.",
            "Names have 3 to 30 characters of a-z, 0-9 and single hyphens, a letter first and no hyphen last.",
            "Choose another, for example: my-blog",
            reason="invalid app name",
        )
    if text in RESERVED_APP_NAMES:
        raise ToppcloudError(
            f"'{text}' is a reserved name.",
            "The node keeps it for itself.",
            f"Choose another, for example: toppcloud apps:create {text}-app",
            reason="reserved app name",
        )
    return text


def parse_repository_path(text: str) -> str:
    """The app that a git client means by `blog`, `/blog`, `blog.git`, `/blog.git`, `blog/` or `/blog/`."""
    match = _REPOSITORY.match(text)
    if not match:
        raise ToppcloudError(
            f"'{text}' is not the address of a repository here.",
            "A repository's address is the app's name and nothing more.",
            "Set it again: toppcloud git:remote NAME",
            reason="no such repository",
        )
    return parse_app_name(match[1])


def parse_process_type(text: str) -> str:
    """`web`, `worker`, `celery_beat`: what stands before the colon of a Procfile line."""
    if not _PROCESS_TYPE.match(text):
        raise ToppcloudError(
            f"'{text}' cannot be a process type.", "Use letters, digits, '-' and '_'.", reason="invalid process type"
        )
    return text


def parse_person_name(text: str) -> str:
    """The name that a key stands under in `people/`."""
    if not _PERSON.match(text):
        raise ToppcloudError(
            f"'{text}' cannot be a person's name.",
            "Names have 1 to 39 characters of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit.",
        )
    return text


def parse_host(text: str) -> str:
    """A host name for a route, lower-cased as DNS does: `Blog.Example.com` -> `blog.example.com`, `*.example.com`."""
    host = text.lower()
    labels = host.split(".")
    if labels[0] == "*":
        labels = labels[1:]
    if len(labels) < 2 or not all(_HOST_LABEL.match(label) for label in labels) or labels[-1].isdigit():
        raise ToppcloudError(
            f"'{text}' is not a host name.",
            "A domain looks like blog.example.com, or *.example.com for all names below it.",
        )
    if len(host) > HOST_LENGTH:
        raise ToppcloudError(
            f"'{text}' is too long: {len(host)} characters.",
            f"The router reaches an app through a socket whose path holds the host name: {HOST_LENGTH} at most.",
        )
    return host


def parse_config_key(text: str) -> str:
    """A config var's name that a person may set: not one that the platform sets itself."""
    if not _CONFIG_KEY.match(text):
        raise ToppcloudError(
            f"'{text}' cannot be a config var's name.",
            "Names have letters, digits and '_', and do not begin with a digit.",
        )
    if text in PLATFORM_KEYS or text.startswith(PLATFORM_PREFIXES):
        raise ToppcloudError(
            f"{text} cannot be set.", "toppcloud sets it for each process itself.", "Read it in the app; set another."
        )
    return text


def parse_release_number(text: str) -> int:
    """`v18` or `18` -> 18."""
    digits = text[1:] if text[:1] in ("v", "V") else text
    if not (digits.isascii() and digits.isdigit()) or int(digits) == 0 or len(digits) > 9:
        raise ToppcloudError(f"'{text}' is not a release.", "Releases are called v1, v2, …", "See: toppcloud releases")
    return int(digits)


def find_near_app(name: str, apps: Iterable[str]) -> str | None:
    """The existing app that `name` is within one edit of (insertion, deletion, replacement), or None."""
    return next((app for app in sorted(apps) if app != name and _within_one_edit(app, name)), None)


def _within_one_edit(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    return rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:]
