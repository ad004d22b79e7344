"""A virtualenv that is gone, or whose interpreter is gone, made again for an old slug with the versions that it had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildpacks.dependencies import read_dependencies
from buildpacks.detection import detect
from buildpacks.framework_needs import choose_servers
from buildpacks.installer import Installation
from buildpacks.interpreter_choice import ensure_interpreter
from buildpacks.interpreters import Interpreter, choose_interpreter, find_interpreters
from buildpacks.python_version import PythonRequest
from buildpacks.uv import make_build_environment
from buildpacks.virtualenv import ensure_virtualenv, read_virtualenv
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.console import Console
from toppcloud.files import remove_tree
from toppcloud.node import Node
from toppcloud.program import run
from toppcloud.slug import Slug

_COPY_TIMEOUT_S = 600.0


def rebuild_venv(
    node: Node,
    app: AppLayout,
    slug: Slug,
    layout: SlugLayout,
    console: Console,
    variables: Mapping[str, str] | None = None,
) -> bool:
    """Make sure that the slug can run. True when its virtualenv had to be made again, which the console is told.

    `variables` are the app's config vars (an index's address, say). The slug's own files are not touched: installers
    work on a copy of the source. Raises ToppcloudError when the versions cannot be had any more.
    """
    if slug.python_version is None or read_virtualenv(layout.venv, slug.venv_key) is not None:
        return False
    try:
        environment = make_build_environment(node, variables or {}, layout.tmp)
        source = _copy_source(node, layout)
        with console.timed_step("") as timed:
            interpreter = choose_nearest(node, slug, console)
            dependencies = read_dependencies(source, detect(source))
            commands = [*slug.processes.values(), slug.release_command or ""]
            installation = Installation(
                node,
                source,
                interpreter,
                dependencies,
                environment.install,
                choose_servers(commands),
                pins=slug.distributions,
            )
            keyed = environment.keyed(dependencies.variables)
            ensure_virtualenv(app, layout, installation, keyed, None, console)
            timed.text = render_rebuilt(slug, interpreter)
    finally:
        remove_tree(layout.tmp)
    return True


def choose_nearest(node: Node, slug: Slug, console: Console) -> Interpreter:
    """The interpreter that the slug was built with; else its version; else another patch of it; else a fetched one."""
    assert slug.python_version is not None
    usable = find_interpreters(node).usable
    same = [i for i in usable if str(i.executable) == slug.python_executable and i.version == slug.python_version]
    if same:
        return same[0]
    exact = PythonRequest(slug.python_version, "slug.json")
    minor = PythonRequest(".".join(slug.python_version.split(".")[:2]), "slug.json")
    found = choose_interpreter(exact, usable) or choose_interpreter(minor, usable)
    return found or ensure_interpreter(node, minor, console)


def render_rebuilt(slug: Slug, interpreter: Interpreter) -> str:
    """`virtualenv of a41c9e2 was gone: made again, 12 packages, Python 3.12.8 instead of 3.12.7`"""
    count = len(slug.distributions)
    other = "" if interpreter.version == slug.python_version else f" instead of {slug.python_version}"
    return (
        f"virtualenv of {slug.commit[:7]} was gone: made again, {count} package{'' if count == 1 else 's'},"
        f" Python {interpreter.version}{other}"
    )


def _copy_source(node: Node, layout: SlugLayout) -> Path:
    """Where installers may write beside what they read. Made by them: the folder that it lies in is theirs."""
    copy = layout.tmp / "source"
    run(
        ["cp", "--archive", "--reflink=auto", "--", layout.source, copy],
        account=node.account,
        timeout_s=_COPY_TIMEOUT_S,
    )
    return copy
