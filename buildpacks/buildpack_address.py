"""Where a classic buildpack comes from: a git URL, an archive, or a folder on the node. Nothing else is an address.

https://github.com/heroku/heroku-buildpack-apt.git#v3      git over HTTPS; a branch, tag or commit after the #
https://example.com/nginx.tgz                              an archive: .tgz or .tar.gz
file:///srv/buildpacks/nginx.git                           a repository on the node
/srv/buildpacks/nginx                                      a folder or a repository on the node
heroku-community/apt                                       a name in Heroku's registry, which keeps archives
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from buildpacks.uv import hide_credentials
from toppcloud.errors import ToppcloudError

UNREACHABLE, MISSING, UNUSABLE = "unreachable", "missing", "unusable"
"""Why a buildpack could not be fetched from its address."""
_REGISTRY = "https://buildpack-registry.s3.amazonaws.com/buildpacks/{name}.tgz"
_NAMESPACED = re.compile(r"[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_.-]*\Z")
_ARCHIVE = re.compile(r"\.(tgz|tar\.gz)\Z")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*\Z")
_SSH = re.compile(r"(?:ssh://|git://|git\+ssh://)?(?:[\w.-]+@)?([\w.-]+\.[\w-]+)[:/]([\w./~-]+)\Z")
_LONGEST = 1000
_EXAMPLE = "heroku/heroku-buildpack-apt"


@dataclass(frozen=True)
class BuildpackAddress:
    """A parsed address. `url` is without the ref; it may hold credentials, `shown` never does."""

    url: str
    ref: str = ""

    @property
    def path(self) -> Path | None:
        """Where it lies on the node; None when it must be fetched from elsewhere."""
        if self.url.startswith("file://"):
            return Path(unquote(urlsplit(self.url).path))
        return Path(self.url) if self.url.startswith("/") else None

    @property
    def is_archive(self) -> bool:
        return bool(_ARCHIVE.search(urlsplit(self.url).path))

    @property
    def text(self) -> str:
        return f"{self.url}#{self.ref}" if self.ref else self.url

    @property
    def shown(self) -> str:
        """For people: without credentials."""
        return hide_credentials(self.text)

    @property
    def digest(self) -> str:
        """A name for folders: differs when the address does."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def is_address(text: str) -> bool:
    """Whether `text` is meant as an address and not as the name of a built-in buildpack."""
    return "/" in text or ":" in text


def parse_buildpack_address(text: str) -> BuildpackAddress:
    """Raises ToppcloudError for all that is none of the forms above: `ext::sh`, ssh, options, relative paths."""
    shown = hide_credentials(text[:200])
    if len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise _refusal(shown, "It holds characters that no address has, or is too long.")
    url, _, ref = text.partition("#")
    if ref and not _REF.match(ref):
        raise _refusal(shown, "After the # comes a branch, a tag or a commit.")
    if _NAMESPACED.match(url):
        return BuildpackAddress(_REGISTRY.format(name=url), ref)
    if url.startswith("/"):
        return BuildpackAddress(url.rstrip("/") or "/", ref)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _refusal(shown, "It is no URL.") from None
    if parts.scheme in ("https", "http") and parts.hostname:
        return BuildpackAddress(url, ref)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return BuildpackAddress(f"file://{parts.path}", ref)
    if match := _SSH.match(url):
        path = match[2].strip("/")
        raise _refusal(shown, "The node has no key to fetch over ssh, and git:// is open to forgery.", match[1], path)
    raise _refusal(shown, "A buildpack comes by https, from an archive, or from a folder of the node.")


def _refusal(shown: str, why: str, host: str = "github.com", path: str = _EXAMPLE) -> ToppcloudError:
    return ToppcloudError(
        f"'{shown}' is no address of a buildpack.",
        why,
        f"Write it as https://{host}/{path}   or as a folder: /srv/buildpacks/NAME",
        reason="wrong address of buildpack",
    )
