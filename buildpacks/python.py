"""The Python buildpack: interpreter, virtualenv, collectstatic. One call a step in `build`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from buildpacks.buildpack import Contribution, PythonPart, Workshop
from buildpacks.committed_python import refuse_committed_python
from buildpacks.dependencies import Dependencies, read_dependencies
from buildpacks.detection import detect, has_dependencies
from buildpacks.distributions import describe_changes
from buildpacks.django_static import collect_django_static
from buildpacks.framework_needs import choose_servers
from buildpacks.installer import Installation
from buildpacks.interpreter_choice import ensure_project_interpreter, make_rules
from buildpacks.interpreters import Interpreter
from buildpacks.lock_in_step import refuse_out_of_step
from buildpacks.nltk import NLTK, fetch_corpora
from buildpacks.package_json import find_unbuilt
from buildpacks.processes import Declarations, Processes, choose_processes, needs_default
from buildpacks.python_choice import choose_python_request
from buildpacks.python_version import Lock, PythonRequest, refuse_unsuitable
from buildpacks.python_version_files import read_python_version_files
from buildpacks.recipe import explain
from buildpacks.static import refuse_published_source
from buildpacks.virtualenv import Virtualenv, ensure_virtualenv, read_virtualenv
from buildpacks.web_default import choose_web_default
from toppcloud.console import Console
from toppcloud.slug import Slug

NAME = "python"
VERSION = "python 2"


def find(source: Path, declarations: Declarations) -> str | None:
    """Whether a file says what Python packages to install."""
    return "a list of Python packages" if has_dependencies(source) else None


def build(workshop: Workshop, console: Console) -> Contribution:
    """Make everything that a Python app needs. Raises ToppcloudError or Cancelled."""
    source, declarations = workshop.source, workshop.declarations
    refuse_committed_python(source)
    detected = detect(source)
    dependencies = read_dependencies(source, detected)
    refuse_out_of_step(source, detected)
    default = choose_web_default(source) if needs_default(declarations) else None
    processes = choose_processes(source, declarations, default, is_required=workshop.must_run)
    refuse_published_source(declarations.toml.options, processes.commands)
    lock = Lock(dependencies.locked_python, dependencies.locked_python_origin, dependencies.requires_python)
    python = choose_python(workshop, lock)
    interpreter = ensure_project_interpreter(workshop.node, python, console, workshop.is_cancelled)
    refuse_unsuitable(interpreter.version, python, lock)
    venv = make_virtualenv(workshop, python, interpreter, dependencies, processes, console)
    if NLTK in venv.distributions:
        data = fetch_corpora(workshop, workshop.slug.venv / "bin/python", console)
        workshop = dataclasses.replace(workshop, exported={**workshop.exported, **data})
    static = collect_django_static(workshop, venv.distributions, console)
    return Contribution(
        buildpack=VERSION,
        processes=processes,
        warnings=find_unbuilt(source, workshop.paths),
        python=PythonPart(
            venv_key=venv.key,
            version=interpreter.version,
            executable=str(interpreter.executable),
            build=interpreter.build,
            cache_tag=interpreter.cache_tag,
            manager=dependencies.manager,
            lock_hash=dependencies.lock_hash,
            distributions=venv.distributions,
        ),
        exported=workshop.exported,
        static=static,
    )


def choose_python(workshop: Workshop, lock: Lock) -> PythonRequest:
    """What the config var, the project's files, the last build and node.toml ask for, in that order."""
    source, previous = workshop.source, workshop.previous
    return choose_python_request(
        config_var=workshop.environment.app.get("PYTHON_VERSION"),
        files=read_python_version_files(source),
        lock=lock,
        last_version=previous.python_version if previous else None,
        rules=make_rules(workshop.node),
    )


def make_virtualenv(
    workshop: Workshop,
    python: PythonRequest,
    interpreter: Interpreter,
    dependencies: Dependencies,
    processes: Processes,
    console: Console,
) -> Virtualenv:
    """The virtualenv, and the line that says why it is a new one or an old one."""
    commands = [*processes.commands.values(), processes.release_command or ""]
    installation = Installation(
        workshop.node,
        workshop.source,
        interpreter,
        dependencies,
        workshop.install_environment(),
        choose_servers(commands),
        is_cancelled=workshop.is_cancelled,
        is_fresh=not workshop.uses_cache,
    )
    keyed = workshop.environment.keyed(dependencies.variables)
    before = read_virtualenv(workshop.app.slug(workshop.previous.id).venv, None) if workshop.previous else None
    older = before.path if before and workshop.uses_cache else None
    with console.timed_step("") as timed:
        venv = ensure_virtualenv(workshop.app, workshop.slug, installation, keyed, older, console)
        timed.text = f"Python {interpreter.version} ({python.origin}), " + describe_virtualenv(
            venv, dependencies, workshop.previous, explain_new(before, venv, workshop)
        )
    if venv.is_new and venv.added:
        console.detail(f"{' and '.join(venv.added)} added: not in {dependencies.file}, and needed to run it")
    return venv


def explain_new(before: Virtualenv | None, venv: Virtualenv, workshop: Workshop) -> list[str]:
    """Why the virtualenv of the live release is not used again, but for its lock."""
    if not workshop.uses_cache:
        return ["no-cache"]
    if before is None:
        return ["the one before is gone"]
    if before.recipe is None or venv.recipe is None:
        return ["an older toppcloud made the one before"]
    return explain(before.recipe, venv.recipe)


def describe_virtualenv(venv: Virtualenv, dependencies: Dependencies, previous: Slug | None, reasons: list[str]) -> str:
    """`requirements.txt changed (+httpx 0.28.1, django 5.2.8 -> 5.2.9): new virtualenv`"""
    file = dependencies.file
    is_same_lock = previous is not None and previous.lock_hash == dependencies.lock_hash
    if not venv.is_new:
        said = "unchanged" if is_same_lock or previous is None else "as it was before"
        return f"{file} {said}: virtualenv reused"
    count = f"{len(venv.distributions)} package{'' if len(venv.distributions) == 1 else 's'}"
    if venv.key is None:
        return f"{file}: the project installs itself, so a virtualenv of its own, {count}"
    if previous is None or previous.python_version is None:
        return f"{file}: new virtualenv, {count}"
    changes = describe_changes(previous.distributions, venv.distributions)
    if is_same_lock:
        why = [*reasons, *([f"other packages ({changes})"] if changes else [])] or ["the one before was not whole"]
        return f"{file} unchanged, but {', '.join(why)}: new virtualenv, {count}"
    said = f"{file} changed{f' ({changes})' if changes else ''}"
    return f"{', '.join([*reasons, said])}: new virtualenv"
