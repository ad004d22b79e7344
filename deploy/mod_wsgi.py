"""An Apache of one app's own, with mod_wsgi: found on the node or in the app's virtualenv, and configured.

It listens on its $PORT and answers for nothing but the app. The app's own process is empty until somebody asks for
something: process and application group stand in <Location>, so that nothing is loaded beforehand.
Source: mod_wsgi's documentation, "Configuration Directives"; httpd's manual, "core" and "event".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.render import render_template
from toppcloud.errors import ToppcloudError

PROGRAM = "mod_wsgi"
"""`mod_wsgi blog.wsgi:application` is how the process type reads. There is no program of that name."""
CONF, SCRIPT = "httpd.conf", "app.wsgi"
DEBIAN = Path("/usr/lib/apache2/modules"), Path("/usr/sbin/apache2")
_FROM_PYPI = (
    "Or have it compiled: mod_wsgi in requirements.txt, for which the node needs apache2-dev; or mod_wsgi-standalone, "
    "which compiles an Apache of its own, for some minutes."
)
_OF_MINOR = re.compile(r"mod_wsgi\.so-(\d+\.\d+)\Z")


@dataclass(frozen=True)
class Httpd:
    """An Apache and its modules."""

    program: Path
    modules: Path
    mod_wsgi: Path


def find_httpd(venv: Path | None, python_version: str | None, debian: tuple[Path, Path] = DEBIAN) -> Httpd:
    """PyPI's mod_wsgi when the app's virtualenv has it, else Debian's. Raises ToppcloudError when neither will do."""
    modules, program = debian
    own = sorted(venv.glob("lib/python3*/site-packages/mod_wsgi/server/mod_wsgi-py*.so")) if venv else []
    if own:
        bundled = own[0].parents[2] / "mod_wsgi_packages" / "httpd"
        if (bundled / "bin" / "httpd").exists():
            return Httpd(bundled / "bin" / "httpd", bundled / "modules", own[0])
    if not program.exists():
        raise ToppcloudError(
            'runner = "mod_wsgi" needs Apache, and this node has none.',
            f"Looked for {program}.",
            "On the node: apt install apache2 libapache2-mod-wsgi-py3. Or take another runner: gunicorn.",
            reason="no Apache",
        )
    if own:
        return Httpd(program, modules, own[0])
    return Httpd(program, modules, _find_debians(modules, python_version))


def _find_debians(modules: Path, python_version: str | None) -> Path:
    """The module for the app's own minor version: another one would not read its virtualenv."""
    found = {match[1]: path for path in modules.glob("mod_wsgi.so-*") if (match := _OF_MINOR.search(path.name))}
    wanted = ".".join((python_version or "").split(".")[:2])
    if wanted in found:
        return found[wanted]
    if not found:
        raise ToppcloudError(
            'runner = "mod_wsgi" needs mod_wsgi, and this node has none.',
            f"It is neither in {modules} nor in the app's requirements.",
            f"On the node: apt install libapache2-mod-wsgi-py3. {_FROM_PYPI}",
            reason="no mod_wsgi",
        )
    has = " and ".join(sorted(found))
    raise ToppcloudError(
        f"The node's mod_wsgi is for Python {has}, and the app runs on {wanted or 'another'}.",
        f"{modules} has it for no other version.",
        f"Write {max(found)} into .python-version, or take another runner. {_FROM_PYPI}",
        reason="mod_wsgi for another Python",
    )


def render_httpd(
    httpd: Httpd, target: Sequence[str], program: str, source: Path, conf: Path, tmp: Path, venv: Path | None
) -> dict[str, str]:
    """{"httpd.conf": "...", "app.wsgi": "..."} for the callable `blog.wsgi:application`. Raises ToppcloudError."""
    if len(target) != 1:
        raise ToppcloudError(
            "mod_wsgi is not told what to run.",
            f"The line is: {PROGRAM} {' '.join(target)}",
            'Name a callable in toppcloud.toml: [web] wsgi = "blog.wsgi:application"',
        )
    module, _, callable_text = target[0].partition(":")
    paths = {"source": source, "folder": conf.parent, "tmp": tmp, "venv": venv or "", "modules": httpd.modules}
    for path in paths.values():
        if re.search(r'["\\\n$%]', str(path)):
            raise ToppcloudError(
                "A path of this node cannot stand in an Apache configuration.", str(path), "Move the node."
            )
    return {
        CONF: render_template(
            "httpd.conf.j2",
            program=program,
            group=program.split(".", 1)[0],
            script=conf.parent / SCRIPT,
            mod_wsgi=httpd.mod_wsgi,
            **paths,
        ),
        SCRIPT: render_template(
            "app.wsgi.j2", program=program, module=module, callable_text=callable_text or "application"
        ),
    }
