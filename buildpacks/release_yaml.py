"""What bin/release of a classic buildpack prints: process types and variables, as YAML.

---
default_process_types:
  web: vendor/nginx/start
config_vars:
  PATH: vendor/nginx/bin:/usr/bin:/bin
Source: https://devcenter.heroku.com/articles/buildpack-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toppcloud.errors import ToppcloudError
from toppcloud.names import parse_process_type

LARGEST_BYTES = 64 * 1024
_BY_HAND = frozenset({"console", "rake"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DEEPEST = 20


@dataclass(frozen=True)
class ReleaseYaml:
    """`processes` may include `release`; `paths` are the folders of the project that a PATH in it names."""

    processes: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()


def parse_release_yaml(content: bytes, shown: str) -> ReleaseYaml:
    """Keys that are not known here are left out. Raises ToppcloudError naming the buildpack `shown`."""
    if len(content) > LARGEST_BYTES:
        raise _refusal(shown, "It is longer than 64 KB.")
    import yaml  # takes longer to import than a small build, and most builds do without

    try:
        value = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _refusal(shown, f"It is no YAML: {' '.join(str(error).split())[:200]}") from None
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise _refusal(shown, "It is no mapping.")
    processes = _read_texts(value, "default_process_types", shown)
    variables = _read_texts(value, "config_vars", shown)
    for name, command in processes.items():
        parse_process_type(name)
        if not command or "\0" in command:
            raise _refusal(shown, f"The process type {name} has no command.")
    for name, text in variables.items():
        if not _VARIABLE.match(name) or "\0" in text:
            raise _refusal(shown, f"{name[:100]} is no name of a variable.")
    folders = [part for part in variables.pop("PATH", "").split(":") if part and not part.startswith(("/", "$", "~"))]
    addons = value.get("addons")
    return ReleaseYaml(
        processes={name: command for name, command in processes.items() if name not in _BY_HAND},
        environment=variables,
        paths=tuple(part for part in folders if ".." not in part.split("/")),
        addons=tuple(str(name)[:100] for name in addons[:_DEEPEST]) if isinstance(addons, list) else (),
    )


def _read_texts(value: Mapping[Any, Any], key: str, shown: str) -> dict[str, str]:
    """`{"web": "start"}`; numbers and truth values are taken as they would be written."""
    given = value.get(key)
    if given is None:
        return {}
    if not isinstance(given, dict) or any(isinstance(item, (dict, list)) for item in given.values()):
        raise _refusal(shown, f"{key} is no mapping of names to texts.")
    return {str(name): _as_text(item) for name, item in given.items() if item is not None}


def _as_text(item: Any) -> str:
    return str(item).lower() if isinstance(item, bool) else str(item).strip()


def _refusal(shown: str, why: str) -> ToppcloudError:
    return ToppcloudError(
        f"What bin/release of {shown} prints cannot be understood.",
        why,
        "Correct the buildpack, or name another version of it: URL#TAG",
        reason="buildpack failed",
    )
