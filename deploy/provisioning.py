"""Services of an app: made when declared or asked for, taken away when their last release is gone.

A tie is written before anything is made, and forgotten after everything is removed; so all of this may run twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.bindings import lock_bindings, read_bindings, remove_binding, write_binding
from deploy.configuration import read_config
from deploy.release import read_environment
from deploy.services.registry import SERVICES, require_service
from deploy.services.service import Binding, BindingState, ServiceStatus
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.durations import render_size
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.slug import ServiceDeclaration


def provision(node: Node, app: AppLayout, declarations: Iterable[ServiceDeclaration], console: Console) -> None:
    """Have every declared and every bound service there, one step said for each. Quick when they are."""
    with lock_bindings(app):
        try:
            finish_leaving(node, app, console)
        except ToppcloudError as error:  # no reason to refuse a push
            console.warning(f"A service that was removed is still there: {error.what}\n{error.why}\n{error.cure}")
        for declaration in declarations:
            _declare(node, app, declaration, console)
        bindings = read_bindings(app).items()
        for name, binding in [(n, b) for n, b in bindings if b.state is not BindingState.LEAVING]:
            began = console.clock()
            status = _attach(node, app, name, binding)
            seconds = console.clock() - began if binding.state is BindingState.MAKING else None
            console.step(f"{name} {_render_attached(node, name, binding, status)}", seconds)


def attach_service(
    node: Node, app: AppLayout, name: str, options: Mapping[str, str], prefix: str, console: Console
) -> tuple[Binding | None, Binding]:
    """Bind one service, or change how it is bound: (as it was, as it is now). Raises ToppcloudError."""
    service = require_service(name)
    options = service.parse_options(options)
    with lock_bindings(app):
        finish_leaving(node, app, console)
        before = read_bindings(app).get(service.name)
        if before is None:
            planned = Binding(BindingState.MAKING, service.plan(node, app), prefix, options)
        else:
            planned = dataclasses.replace(before, prefix=prefix or before.prefix, options={**before.options, **options})
        _refuse_collision(node, app, service.name, planned)
        write_binding(app, service.name, planned)
        _attach(node, app, service.name, planned)
        return before, read_bindings(app)[service.name]


def take_back(node: Node, app: AppLayout, name: str, before: Binding | None) -> None:
    """Undo `attach_service`, unless a release that went live meanwhile uses it."""
    with lock_bindings(app):
        binding = read_bindings(app)[name]
        if before is not None:
            write_binding(app, name, before)
        elif not is_in_use(node, app, name, binding):
            SERVICES[name].destroy(node, binding)
            remove_binding(app, name)


def set_leaving(app: AppLayout, name: str, *, leaving: bool) -> None:
    """No next release gets the service's variables; or they do again."""
    state = BindingState.LEAVING if leaving else BindingState.READY
    with lock_bindings(app):
        write_binding(app, name, dataclasses.replace(read_bindings(app)[name], state=state))


def destroy_service(node: Node, app: AppLayout, name: str, *, keep: bool) -> Path | None:
    """Remove one service and what it holds; the path of its dump when it is to be kept and there was something."""
    with lock_bindings(app):
        return _destroy(node, app, name, keep=keep)


def destroy_services(node: Node, app: AppLayout, keep: bool) -> list[Path]:
    """Remove all services of an app, dumps first. A dump that fails removes nothing. Returns the dumps."""
    with lock_bindings(app):
        dumps = [_destroy(node, app, name, keep=keep) for name in read_bindings(app)]
    return [path for path in dumps if path is not None]


def finish_leaving(node: Node, app: AppLayout, console: Console) -> None:
    """What a crash interrupted: a service that was being removed goes, or stays when the live release still has it."""
    for name, binding in read_bindings(app).items():
        if binding.state is not BindingState.LEAVING:
            continue
        if is_in_use(node, app, name, binding):
            write_binding(app, name, dataclasses.replace(binding, state=BindingState.READY))
        elif dump := _destroy(node, app, name, keep=True):
            console.step(f"{name} removed; its data is in {dump}")


def is_in_use(node: Node, app: AppLayout, name: str, binding: Binding) -> bool:
    """Whether the live release has this very binding's variables."""
    number = app.live_number()
    if number is None:
        return False
    frozen = read_environment(app.release(number)).services
    return any(frozen.get(key) == value for key, value in _identity(node, name, binding).items())


def inspect_service(node: Node, app: AppLayout, name: str) -> ServiceStatus:
    """What the service says of the app's part of it. Raises ToppcloudError when it does not answer."""
    return SERVICES[name].inspect(node, app, read_bindings(app)[name])


def require_binding(app: AppLayout, name: str) -> tuple[str, Binding]:
    """The service's own name and the app's tie to it. Raises ToppcloudError when there is none."""
    service = require_service(name)
    binding = read_bindings(app).get(service.name)
    if binding is None:
        raise ToppcloudError(
            f"{app.name} has no {service.name}.",
            "No file of the app declares it, and it was not added.",
            f"toppcloud services:add {service.name}",
            reason="no such service",
        )
    return service.name, binding


def _declare(node: Node, app: AppLayout, declaration: ServiceDeclaration, console: Console) -> None:
    service = require_service(declaration.name)
    options = service.parse_options(declaration.options)
    before = read_bindings(app).get(service.name)
    if before is not None:
        if {**before.options, **options} != before.options:
            write_binding(app, service.name, dataclasses.replace(before, options={**before.options, **options}))
        return
    planned = Binding(BindingState.MAKING, service.plan(node, app), options=options)
    taken = _find_collision(node, app, service.name, planned)
    if taken:
        console.step(f"{service.name} not attached: {taken} is set by you, and yours wins")
    else:
        write_binding(app, service.name, planned)


def _attach(node: Node, app: AppLayout, name: str, binding: Binding) -> ServiceStatus:
    status = SERVICES[name].attach(node, app, binding)
    if binding.state is BindingState.MAKING:
        write_binding(app, name, dataclasses.replace(binding, state=BindingState.READY))
    return status


def _destroy(node: Node, app: AppLayout, name: str, *, keep: bool) -> Path | None:
    binding = read_bindings(app)[name]
    dump = SERVICES[name].dump(node, app, binding) if keep and binding.state is not BindingState.MAKING else None
    SERVICES[name].destroy(node, binding)
    remove_binding(app, name)
    return dump


def _render_attached(node: Node, name: str, binding: Binding, status: ServiceStatus) -> str:
    count = len(SERVICES[name].render_variables(node, binding))
    if binding.state is BindingState.MAKING:
        return f"created ({status.version}), {count} variables"
    return f"attached ({status.version}, {render_size(status.size_bytes)}), {count} variables"


def _identity(node: Node, name: str, binding: Binding) -> dict[str, str]:
    """Those variables that no other binding has: they hold a password."""
    password = binding.facts["password"]
    return {key: value for key, value in SERVICES[name].render_variables(node, binding).items() if password in value}


def _find_collision(node: Node, app: AppLayout, name: str, binding: Binding) -> str | None:
    """The app's own config var that would hide the service's URL."""
    config = read_config(app)
    urls = [key for key in SERVICES[name].render_variables(node, binding) if key.endswith("_URL")]
    return next((key for key in urls if key in config), None)


def _refuse_collision(node: Node, app: AppLayout, name: str, binding: Binding) -> None:
    taken = _find_collision(node, app, name, binding)
    if taken:
        raise ToppcloudError(
            f"{app.name} has a {taken} of its own.",
            "A config var wins over a service's variable, so the app would not see the new one.",
            f"Give it another name: toppcloud services:add {name} --as OTHER\n"
            f"or take yours away first: toppcloud config:unset {taken}",
            reason=f"{taken} is set",
        )
