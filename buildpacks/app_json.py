"""app.json: what an app says of itself to Heroku and Dokku, as far as it counts here.

{ // comments are tolerated
  "env": {"DEBUG": "0", "SECRET_KEY": {"generator": "secret"}, "TOKEN": {"required": true}},
  "addons": ["heroku-postgresql", {"plan": "heroku-redis:mini"}],
  "buildpacks": [{"url": "heroku/python"}],
  "formation": {"web": {"quantity": 2}},
  "scripts": {"postdeploy": "python manage.py loaddata first"},
  "healthchecks": {"web": [{"type": "startup", "path": "/health", "timeout": 5, "attempts": 3}]}
}
What is of the wrong type is left aside, with a warning that names the key; it never refuses a push.
Source: https://devcenter.heroku.com/articles/app-json-schema and https://dokku.com/docs/appendices/file-formats/app-json/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toppcloud.errors import ToppcloudError
from toppcloud.names import parse_config_key, parse_process_type
from toppcloud.slug import ServiceDeclaration

# An end that is missing matches too: else each beginning would be looked through to the end of the file.
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"?|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_SERVICES = {"heroku-postgresql": "postgres"}
_MOST_PROCESSES = 100
_MOST_WARNINGS = 20
_LONGEST_VALUE = 32_000
_CHECK_TYPES = ("startup", "readiness", "liveness")
_DOKKU_CHECK = {"attempts": 3, "timeout": 5, "wait": 5}


@dataclass(frozen=True)
class EnvEntry:
    """One of `env`: a config var that the app may need."""

    name: str
    description: str = ""
    value: str | None = None
    """The default. None: there is none, or an empty one."""
    is_secret: bool = False
    """`"generator": "secret"`: to be made up, once."""
    required: bool | None = None
    """None: the file does not say, which Heroku takes for true."""


@dataclass(frozen=True)
class AppJson:
    """The file's content. What it is silent about is empty or None."""

    services: tuple[ServiceDeclaration, ...] = ()
    env: tuple[EnvEntry, ...] = ()
    buildpacks: tuple[str, ...] = ()
    """Names and addresses, in order: ("heroku/nodejs", "heroku/python")."""
    formation: Mapping[str, int] = field(default_factory=dict)
    postdeploy: str | None = None
    check_path: str | None = None
    check_timeout_s: float | None = None
    """All attempts of the check together."""
    warnings: tuple[str, ...] = ()


def parse_app_json(text: str) -> AppJson:
    """What the file says; warnings for what of it cannot be used."""
    try:
        value = json.loads(remove_comments(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")))
    except (ValueError, RecursionError) as error:
        return AppJson(warnings=(f"app.json is not read: {error}",))
    if not isinstance(value, dict):
        return AppJson(warnings=("app.json is not read: it holds no object, {…}",))
    return _Reader().read(value)


def remove_comments(text: str) -> str:
    """JSON without `//` and `/* */` comments; strings stay as they are, line numbers too."""
    return _STRING_OR_COMMENT.sub(lambda m: m[0] if m[0].startswith('"') else "\n" * m[0].count("\n"), text)


@dataclass
class _Reader:
    """Reads one file and gathers what is wrong with it."""

    warnings: list[str] = field(default_factory=list)

    def read(self, value: dict[str, Any]) -> AppJson:
        path, timeout_s = self.read_check(value)
        return AppJson(
            services=self.read_addons(value),
            env=tuple(entry for name, item in self.table(value, "env").items() if (entry := self.read_env(name, item))),
            buildpacks=self.read_buildpacks(value),
            formation=self.read_formation(value),
            postdeploy=self.read_postdeploy(value),
            check_path=path,
            check_timeout_s=timeout_s,
            warnings=self.list_warnings(),
        )

    def list_warnings(self) -> tuple[str, ...]:
        more = len(self.warnings) - _MOST_WARNINGS
        rest = (f"app.json: {more} more of its keys are left aside",) if more > 0 else ()
        return (*self.warnings[:_MOST_WARNINGS], *rest)

    def wrong(self, key: str, wanted: str) -> None:
        self.warnings.append(f"app.json: {key[:100]} is left aside: it is not {wanted}")

    def table(self, value: Mapping[str, Any], key: str, where: str = "") -> dict[str, Any]:
        found = value.get(key)
        if found is not None and not isinstance(found, dict):
            self.wrong(where + key, "an object, {…}")
        return found if isinstance(found, dict) else {}

    def items(self, value: Mapping[str, Any], key: str, where: str = "") -> list[Any]:
        found = value.get(key)
        if found is not None and not isinstance(found, list):
            self.wrong(where + key, "a list, […]")
        return found if isinstance(found, list) else []

    def text(self, value: Mapping[str, Any], key: str, where: str) -> str:
        found = value.get(key)
        if found is not None and not isinstance(found, str):
            self.wrong(where + key, "a text")
        return found if isinstance(found, str) else ""

    def read_addons(self, value: Mapping[str, Any]) -> tuple[ServiceDeclaration, ...]:
        plans = [item.get("plan") if isinstance(item, dict) else item for item in self.items(value, "addons")]
        names = dict.fromkeys(plan.partition(":")[0] for plan in plans if isinstance(plan, str))
        self.warnings += [
            f"app.json asks for {name}: no such service here. Set what it gives: config:set"
            for name in names
            if name not in _SERVICES
        ]
        if not all(isinstance(plan, str) for plan in plans):
            self.wrong("one of addons", 'a text or {"plan": "…"}')
        known = dict.fromkeys(_SERVICES[name] for name in names if name in _SERVICES)
        return tuple(ServiceDeclaration(name) for name in known)

    def read_env(self, name: str, item: Any) -> EnvEntry | None:
        where = f"env {name}"
        try:
            parse_config_key(name)
        except ToppcloudError:
            self.wrong(where, "a config var that can be set")
            return None
        if not isinstance(item, dict):
            value = self.read_value(item, where)
            return None if value is None else EnvEntry(name, value=value or None)
        required, generator = item.get("required"), item.get("generator")
        if required is not None and not isinstance(required, bool):
            self.wrong(f"{where} required", "true or false")
            required = None
        if generator not in (None, "secret"):
            self.wrong(f"{where} generator", '"secret"')
        return EnvEntry(
            name,
            " ".join(self.text(item, "description", f"{where} ").split()),
            None if item.get("value") is None else self.read_value(item["value"], where) or None,
            generator == "secret",
            required,
        )

    def read_value(self, value: Any, where: str) -> str | None:
        """A number or a truth value is taken as it is written."""
        if isinstance(value, bool | int | float):
            value = json.dumps(value)
        if not isinstance(value, str) or "\0" in value or len(value) > _LONGEST_VALUE:
            self.wrong(where, "a text of usable length, or an object with `value`")
            return None
        return value

    def read_buildpacks(self, value: Mapping[str, Any]) -> tuple[str, ...]:
        found = []
        for item in self.items(value, "buildpacks"):
            url = item.get("url") if isinstance(item, dict) else item
            if isinstance(url, str) and url.strip():
                found.append(url.strip())
            else:
                self.wrong("one of buildpacks", '{"url": "…"}')
        return tuple(found)

    def read_formation(self, value: Mapping[str, Any]) -> dict[str, int]:
        formation = {}
        for name, item in self.table(value, "formation").items():
            quantity = item.get("quantity", 1) if isinstance(item, dict) else item
            try:
                parse_process_type(name)
            except ToppcloudError:
                self.wrong(f"formation {name}", "a process type")
                continue
            if type(quantity) is not int or not 0 <= quantity <= _MOST_PROCESSES:
                self.wrong(f"formation {name}", f'{{"quantity": …}} with 0 to {_MOST_PROCESSES}')
            else:
                formation[name] = quantity
        return formation

    def read_postdeploy(self, value: Mapping[str, Any]) -> str | None:
        """A text, or {"command": "…", "size": "…"}."""
        scripts = self.table(value, "scripts")
        script = scripts.get("postdeploy")
        found = script if isinstance(script, dict) else scripts
        command = self.text(found, "command" if isinstance(script, dict) else "postdeploy", "scripts ").strip()
        if "\0" in command or len(command) > _LONGEST_VALUE:
            self.wrong("scripts postdeploy", "a command of usable length")
            return None
        return command or None

    def read_check(self, value: Mapping[str, Any]) -> tuple[str | None, float | None]:
        """Path and time of web's first check over HTTP, the one at startup before others."""
        where = "healthchecks web "
        checks = []
        for item in self.items(self.table(value, "healthchecks"), "web", "healthchecks "):
            if not isinstance(item, dict):
                self.wrong(where.strip(), "a list of objects")
            elif item.get("command") is not None:
                self.wrong(f"{where}command", "a check that this node makes: it asks over HTTP")
            elif item.get("path") is not None and item.get("type", "startup") in _CHECK_TYPES:
                checks.append(item)
        if not checks:
            return None, None
        check = min(checks, key=lambda one: _CHECK_TYPES.index(one.get("type", "startup")))
        path = self.text(check, "path", where)
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
            self.wrong(f"{where}path", "a path such as /health")
            return None, None
        return path, self.read_check_time(check, where)

    def read_check_time(self, check: Mapping[str, Any], where: str) -> float | None:
        """Attempts, each with its timeout and the wait after it. None when the file says nothing of them."""
        given = {key: check[key] for key in (*_DOKKU_CHECK, "initialDelay") if check.get(key) is not None}
        for key, number in given.items():
            if type(number) not in (int, float) or not 0 <= number < 100_000:
                self.wrong(where + key, "a number of seconds or attempts")
                return None
        said: dict[str, float] = {**_DOKKU_CHECK, "initialDelay": 0, **given}
        total_s = said["initialDelay"] + said["attempts"] * (said["timeout"] + said["wait"])
        return float(total_s) if given and total_s > 0 else None
