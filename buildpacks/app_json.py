"""app.json: what of it counts here. So far its add-ons, of which heroku-postgresql is a service of the node.

{"addons": ["heroku-postgresql", {"plan": "heroku-redis:mini"}]}   // comments are tolerated
Source: https://devcenter.heroku.com/articles/app-json-schema
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from toppcloud.slug import ServiceDeclaration

_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_SERVICES = {"heroku-postgresql": "postgres"}


@dataclass(frozen=True)
class AppJson:
    """The services that it declares, and what the pusher should know of it. It never refuses a push."""

    services: tuple[ServiceDeclaration, ...] = ()
    warnings: tuple[str, ...] = ()


def parse_app_json(text: str) -> AppJson:
    """The add-ons of app.json; a warning for those that the node does not have, or when it is not JSON."""
    try:
        value = json.loads(remove_comments(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")))
    except (ValueError, RecursionError) as error:
        return AppJson(warnings=(f"app.json is not read: {error}",))
    addons = value.get("addons", []) if isinstance(value, dict) else []
    names = [name for name in map(_read_name, addons) if name] if isinstance(addons, list) else []
    known = dict.fromkeys(_SERVICES[name] for name in names if name in _SERVICES)
    unknown = [name for name in dict.fromkeys(names) if name not in _SERVICES]
    return AppJson(
        tuple(ServiceDeclaration(name) for name in known),
        tuple(f"app.json asks for {name}: no such service here. Set what it gives: config:set" for name in unknown),
    )


def remove_comments(text: str) -> str:
    """JSON without `//` and `/* */` comments; strings stay as they are, line numbers too."""
    return _STRING_OR_COMMENT.sub(lambda m: m[0] if m[0].startswith('"') else "\n" * m[0].count("\n"), text)


def _read_name(addon: Any) -> str | None:
    """`heroku-postgresql` of "heroku-postgresql:mini" or {"plan": "heroku-postgresql:mini"}."""
    plan = addon.get("plan") if isinstance(addon, dict) else addon
    return plan.partition(":")[0] if isinstance(plan, str) else None
