"""THE STORY of a build, one call a step: detect, choose processes and Python, virtualenv, collectstatic, bytecode."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from buildpacks.bare_program import BUILDPACK as PROGRAM_BUILDPACK
from buildpacks.bare_program import find_bare_programs, find_uninstalled
from buildpacks.bytecode import Compilation, compile_files, list_compilations, reuse_bytecode
from buildpacks.collectstatic import collect_static, count_files, find_manage_py, render_counts
from buildpacks.dependencies import Dependencies, read_dependencies
from buildpacks.detection import detect
from buildpacks.distributions import describe_changes
from buildpacks.framework_needs import choose_servers
from buildpacks.installer import Installation
from buildpacks.interpreter_choice import ensure_interpreter
from buildpacks.interpreters import Interpreter
from buildpacks.manifest import Manifest, ScannedSource, read_manifest, scan_source, write_manifest
from buildpacks.processes import Declarations, Processes, choose_processes, read_declarations
from buildpacks.python_version import PythonRequest, choose_python_request, refuse_unsuitable
from buildpacks.seal import take_over
from buildpacks.static import BUILDPACK as STATIC_BUILDPACK
from buildpacks.static import find_static_site, refuse_published_source
from buildpacks.uv import BuildEnvironment, make_build_environment
from buildpacks.virtualenv import Virtualenv, ensure_virtualenv
from buildpacks.web_options import check_web_options
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.console import Console
from toppcloud.durations import now_utc, render_iso
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree
from toppcloud.node import Node
from toppcloud.program import BASE_PATH
from toppcloud.slug import Slug, Web

BUILDPACK = "python 1"


@dataclass(frozen=True)
class BuildRequest:
    """A source, exported to `slug.source`, that is to become a slug."""

    node: Node
    app: AppLayout
    slug: SlugLayout
    commit: str
    subject: str
    environment: Mapping[str, str]
    """Config vars, and those service variables that are known already."""
    previous: Slug | None
    """The slug of the live release: what is equal to it is not done again."""
    is_cancelled: Callable[[], str | None]


def choose_slug_id(commit: str, now: datetime) -> str:
    """`a41c9e2f-20261122T144504-1f3a`: sorts by time within a commit, and is never given twice."""
    return f"{commit[:8]}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def build(request: BuildRequest, console: Console) -> Slug:
    """Make everything that the app needs to run. Raises ToppcloudError or Cancelled; then the slug is not real."""
    source = request.slug.source
    declarations = read_declarations(source)
    site = find_static_site(source, declarations)
    if site:
        return build_bare(request, STATIC_BUILDPACK, Processes({}, None, site.why), site.web, declarations, console)
    programs = find_bare_programs(source, declarations)
    if programs:
        return build_bare(request, PROGRAM_BUILDPACK, programs, declarations.toml.options, declarations, console)
    detected = detect(source)
    dependencies = read_dependencies(source, detected)
    processes = choose_processes(source, declarations)
    refuse_published_source(declarations.toml.options, processes.commands)
    environment = make_build_environment(request.node, request.environment, request.slug.tmp)
    try:
        python = choose_python(request, dependencies)
        interpreter = ensure_interpreter(request.node, python, console, request.is_cancelled)
        refuse_unsuitable(interpreter.version, python, dependencies.requires_python)
        venv = make_virtualenv(request, python, interpreter, dependencies, processes, environment, console)
        collect_django_static(request, venv, environment, console)
        check_web_options(source, declarations.toml.options, processes.commands)
        content_hash = finish_source(request, interpreter)
    finally:
        remove_tree(request.slug.tmp)
    console.step(processes.why)
    for warning in declarations.app_json.warnings:
        console.warning(warning)
    return Slug(
        id=request.slug.id,
        commit=request.commit,
        subject=request.subject,
        created_at=render_iso(now_utc()),
        buildpack=BUILDPACK,
        processes=processes.commands,
        release_command=processes.release_command,
        environment={},
        venv_key=venv.key,
        python_version=interpreter.version,
        python_executable=str(interpreter.executable),
        lock_hash=dependencies.lock_hash,
        distributions=dict(venv.distributions),
        content_hash=content_hash,
        services=declarations.services(),
        check=declarations.toml.check,
        web=declarations.toml.options,
        kept_paths=declarations.toml.kept_paths,
        warnings=declarations.app_json.warnings,
    )


def build_bare(
    request: BuildRequest,
    buildpack: str,
    processes: Processes,
    web: Web,
    declarations: Declarations,
    console: Console,
) -> Slug:
    """A slug without a virtualenv: files alone, or programs that bring along all that they need."""
    refuse_published_source(web, processes.commands)
    check_web_options(request.slug.source, web, processes.commands)
    content_hash = take_stock(request).content_hash
    console.step(processes.why)
    uninstalled = find_uninstalled(request.slug.source) if processes.commands else None
    warnings = (*declarations.app_json.warnings, *([uninstalled] if uninstalled else ()))
    for warning in warnings:
        console.warning(warning)
    return Slug(
        id=request.slug.id,
        commit=request.commit,
        subject=request.subject,
        created_at=render_iso(now_utc()),
        buildpack=buildpack,
        processes=processes.commands,
        release_command=processes.release_command,
        environment={},
        venv_key=None,
        python_version=None,
        python_executable=None,
        lock_hash=None,
        distributions={},
        content_hash=content_hash,
        services=declarations.services(),
        check=declarations.toml.check,
        web=web,
        kept_paths=declarations.toml.kept_paths,
        warnings=warnings,
    )


def choose_python(request: BuildRequest, dependencies: Dependencies) -> PythonRequest:
    """What the config var, the project's files, the last build and node.toml ask for, in that order."""
    source, previous = request.slug.source, request.previous
    return choose_python_request(
        config_var=request.environment.get("PYTHON_VERSION"),
        runtime_txt=_read(source / "runtime.txt"),
        python_version_file=_read(source / ".python-version"),
        requires_python=dependencies.requires_python,
        last_version=previous.python_version if previous else None,
        node_default=request.node.settings.python,
    )


def make_virtualenv(
    request: BuildRequest,
    python: PythonRequest,
    interpreter: Interpreter,
    dependencies: Dependencies,
    processes: Processes,
    environment: BuildEnvironment,
    console: Console,
) -> Virtualenv:
    """The virtualenv, and the line that says why it is a new one or an old one."""
    commands = [*processes.commands.values(), processes.release_command or ""]
    installation = Installation(
        request.node,
        request.slug.source,
        interpreter,
        dependencies,
        environment.install,
        choose_servers(commands),
        is_cancelled=request.is_cancelled,
    )
    keyed = environment.keyed(dependencies.variables)
    older = request.app.slug(request.previous.id).venv if request.previous else None
    with console.timed_step("") as timed:
        venv = ensure_virtualenv(request.app, request.slug, installation, keyed, older, console)
        timed.text = f"Python {interpreter.version} ({python.origin}), " + describe_virtualenv(
            venv, interpreter, dependencies, request.previous
        )
    if venv.is_new and venv.added:
        console.detail(f"{' and '.join(venv.added)} added: not in {dependencies.file}, and needed to run it")
    return venv


def describe_virtualenv(
    venv: Virtualenv, interpreter: Interpreter, dependencies: Dependencies, previous: Slug | None
) -> str:
    """`requirements.txt changed (+httpx 0.28.1, django 5.2.8 -> 5.2.9): new virtualenv`"""
    file = dependencies.file
    is_same_lock = previous is not None and previous.lock_hash == dependencies.lock_hash
    if not venv.is_new:
        said = "unchanged" if is_same_lock or previous is None else "as it was before"
        return f"{file} {said}: virtualenv reused"
    count = f"{len(venv.distributions)} package{'' if len(venv.distributions) == 1 else 's'}"
    if venv.key is None:
        return f"{file}: the project installs itself, so a virtualenv of its own, {count}"
    if previous is None:
        return f"{file}: new virtualenv, {count}"
    changes = describe_changes(previous.distributions, venv.distributions)
    if not is_same_lock:
        return f"{file} changed{f' ({changes})' if changes else ''}: new virtualenv"
    if previous.python_version != interpreter.version:
        return f"before it was {previous.python_version}: new virtualenv, {count}"
    reason = f"other packages ({changes})" if changes else "its settings changed, or it was gone"
    return f"{file} unchanged, but {reason}: new virtualenv"


def collect_django_static(
    request: BuildRequest, venv: Virtualenv, environment: BuildEnvironment, console: Console
) -> None:
    """Django's collectstatic, when this is a project of Django's and nobody turned it off."""
    source = request.slug.source
    manage_py = find_manage_py(source) if "django" in venv.distributions else None
    if manage_py is None:
        return
    if request.environment.get("DISABLE_COLLECTSTATIC", "").strip().lower() not in ("", "0", "false"):
        console.step("collectstatic: off (DISABLE_COLLECTSTATIC)")
        return
    bin_folder = request.slug.venv / "bin"
    path = environment.app.get("PATH") or BASE_PATH
    with console.timed_step("") as timed:
        request.node.account.own_tree(source)
        found = collect_static(
            source,
            manage_py,
            bin_folder / "python",
            {**environment.app, "PATH": f"{bin_folder}:{path}"},
            request.node.account,
            console,
            timeout_s=request.node.settings.build_timeout_s,
            is_cancelled=request.is_cancelled,
        )
        timed.text = describe_static(request, found.root) if found.root else f"collectstatic: off, {found.skipped}"


def describe_static(request: BuildRequest, root: Path) -> str:
    """`collectstatic: 131 files, 4 new`; a STATIC_ROOT elsewhere is named, since no release will have those files."""
    source = request.slug.source
    if not root.is_relative_to(source):
        return f"collectstatic: into {root}, which is outside the project and no part of the release"
    previous = request.app.slug(request.previous.id).source if request.previous else None
    older = previous / root.relative_to(source) if previous else None
    return render_counts(*count_files(root, older if older and older.is_dir() else None))


def finish_source(request: BuildRequest, interpreter: Interpreter) -> str:
    """The source's manifest, and bytecode for it: linked where the file is as before. Returns the content hash."""
    account = request.node.account
    scanned = take_stock(request)
    compilations: list[Compilation] = list(list_compilations(request.slug.source, interpreter.cache_tag))
    if request.previous:
        older = request.app.slug(request.previous.id)
        find = find_equal_source(request.slug.source, scanned.manifest, older)
        compilations = reuse_bytecode(compilations, find)
    for folder in {compilation.target.parent for compilation in compilations}:
        folder.mkdir(exist_ok=True)
        account.own(folder)
    compile_files(
        interpreter.executable,
        compilations,
        account,
        timeout_s=request.node.settings.build_timeout_s,
        is_cancelled=request.is_cancelled,
    )
    return scanned.content_hash


def take_stock(request: BuildRequest) -> ScannedSource:
    """The source's manifest, once no build step of the app's runs any more."""
    take_over(request.slug.source, request.node.account)
    scanned = scan_source(request.slug.source)
    write_manifest(request.slug.manifest, scanned.manifest)
    return scanned


def find_equal_source(source: Path, manifest: Manifest, older: SlugLayout) -> Callable[[Compilation], Path | None]:
    """For `reuse_bytecode`: the older slug has a file of the same content at the same place."""
    older_files = read_manifest(older.manifest).files

    def find(compilation: Compilation) -> Path | None:
        path = compilation.source.relative_to(source)
        digest = manifest.files.get(bytes(path))
        if digest is None or older_files.get(bytes(path)) != digest:
            return None
        return older.source / path.parent / "__pycache__" / compilation.target.name

    return find


def _read(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise ToppcloudError(f"{path.name} cannot be read.", str(error.strerror)) from error
