"""services.json of an app: its ties to services, by service name (0600).

{"postgres": {"state": "ready", "prefix": "", "options": {}, "facts": {"database": "blog_3fa9c17d0b52", ...}}}
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from deploy.app_settings import read_app_settings
from deploy.services.registry import SERVICES
from deploy.services.service import Binding, BindingState
from toppcloud.app_layout import AppLayout
from toppcloud.files import read_json, write_json
from toppcloud.lock import hold_lock
from toppcloud.node import Node

_LOCK_TIMEOUT_S = 180.0  # the embedded server may be set up meanwhile


def service_variables(node: Node, app: AppLayout) -> dict[str, str]:
    """What all services of the app give to its next release. Asks no server."""
    variables: dict[str, str] = {}
    for name, binding in read_bindings(app).items():
        if binding.state is BindingState.READY:
            variables |= SERVICES[name].render_variables(node, binding)
    return variables


def linked_variables(node: Node, app: AppLayout) -> dict[str, str]:
    """Those of all services, and the config vars that follow one of them."""
    variables = service_variables(node, app)
    links = read_app_settings(app).links
    return variables | {name: variables[target] for name, target in links.items() if target in variables}


def read_bindings(app: AppLayout) -> dict[str, Binding]:
    """The app's ties, by service name."""
    values: dict[str, dict[str, Any]] = read_json(app.bindings, {})
    return {name: Binding(**{**value, "state": BindingState(value["state"])}) for name, value in values.items()}


def write_binding(app: AppLayout, name: str, binding: Binding) -> Binding:
    """Record a tie. The caller holds `lock_bindings`."""
    _write(app, {**read_bindings(app), name: binding})
    return binding


def remove_binding(app: AppLayout, name: str) -> None:
    """Forget a tie. The caller holds `lock_bindings`."""
    _write(app, {key: value for key, value in read_bindings(app).items() if key != name})


@contextlib.contextmanager
def lock_bindings(app: AppLayout) -> Iterator[None]:
    """Nobody else makes or removes the app's services meanwhile."""
    with hold_lock(app.bindings_lock, by="node", doing="changing services", timeout_s=_LOCK_TIMEOUT_S):
        yield


def _write(app: AppLayout, bindings: dict[str, Binding]) -> None:
    values = {name: {**dataclasses.asdict(b), "state": b.state.value} for name, b in bindings.items()}
    write_json(app.bindings, values, mode=0o600)
