"""The Ruby buildpack: Bundler installs what Gemfile.lock says, Rails compiles its assets. One call a step: `build`."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpacks.buildpack import Contribution, Workshop
from buildpacks.bundler import BINS, GEMS, OURS, Bundler, make_bundler
from buildpacks.gemfile_lock import FILE, GemfileLock, parse_gemfile_lock, suits_platform
from buildpacks.kept_packages import KeptPackages, describe_changed, digest
from buildpacks.package_json import find_unbuilt
from buildpacks.processes import Declarations, choose_processes
from buildpacks.runtime import Language, Runtime, choose_runtime
from buildpacks.source_text import is_plain_file
from buildpacks.web_default import WebDefault
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import read_plain_file
from toppcloud.node import Node
from toppcloud.program import ProgramFailed, run

NAME = "ruby"
VERSION = "ruby 1"
RUBY = Language("Ruby", "ruby", ("--disable-gems", "-e", "puts RUBY_VERSION"), "ruby bundler ruby-dev build-essential")
_LARGEST_BYTES = 4 * 1024 * 1024
_WANTED = re.compile(r"^\s*ruby[\s(]+([^#\n]+)", re.MULTILINE)
_QUOTED = re.compile(r"""["']([^"']+)["']""")
_FROM_FILE = re.compile(r"""file:\s*["']([\w.-]+)["']""")
_OPTION = re.compile(r",?\s*(?:engine|engine_version|patchlevel)(?::|\s*=>).*")
_VERSION = re.compile(r"(?:ruby[- ])?(\d+(?:\.\d+)*)")
_ASSET_GEMS = frozenset({"sprockets", "sprockets-rails", "propshaft", "importmap-rails", "shakapacker"})
_MANIFESTS = (".sprockets-manifest-*.json", "manifest-*.json", ".manifest.json")
_SUITS_TIMEOUT_S = 20
_SUITS = 'exit Gem::Requirement.new(ENV["WANTED"].split("\n")).satisfied_by?(Gem::Version.new(RUBY_VERSION)) ? 0 : 4'
_NO = 4


@dataclass(frozen=True)
class Project:
    """What the files of a Ruby project say."""

    lock: GemfileLock
    lock_text: str
    wanted: tuple[str, ...]
    """What Gemfile asks of Ruby's version: ("~> 3.1",). Bundler insists on it at each start."""
    is_rails: bool


def find(source: Path, _declarations: Declarations) -> str | None:
    """Whether there is a Gemfile."""
    return "Gemfile" if is_plain_file(source / "Gemfile") else None


def build(workshop: Workshop, console: Console) -> Contribution:
    """Make everything that a Ruby app needs. Raises ToppcloudError or Cancelled."""
    project = read_project(workshop.source)
    default = choose_web(workshop.source, project)
    processes = choose_processes(workshop.source, workshop.declarations, default, is_required=workshop.is_last)
    runtime = choose_ruby(workshop.node, project)
    bundler = make_bundler(workshop, runtime, console)
    workshop.node.account.own_tree(workshop.source)
    install(bundler, project, console)
    if project.is_rails:
        precompile_assets(bundler, project, console)
    environment = choose_environment(project)
    return Contribution(
        VERSION,
        processes,
        paths=("bin", BINS, *runtime.paths),
        environment=environment,
        exported={key: value for key, value in environment.items() if key.startswith("BUNDLE_")},
        warnings=(*list_warnings(workshop, project, runtime), *find_unbuilt(workshop.source, workshop.paths)),
    )


def read_project(source: Path) -> Project:
    """Raises ToppcloudError without Gemfile.lock, or with one for other machines."""
    if not is_plain_file(source / "Gemfile"):
        raise ToppcloudError(
            "There is no Gemfile at the top of the repository.",
            "The buildpack ruby builds what it says.",
            "Add one: bundle init   or leave this buildpack out: toppcloud buildpacks:remove ruby",
            reason="missing Gemfile",
        )
    if not is_plain_file(source / FILE):
        raise ToppcloudError(
            "Gemfile is there without Gemfile.lock.",
            "The lock says which versions work together. It may be in .gitignore.",
            "bundle lock --add-platform x86_64-linux && git add -f Gemfile.lock, commit, push again.",
            reason="missing Gemfile.lock",
        )
    text = _read(source / FILE)
    lock = parse_gemfile_lock(text)
    machine = f"{os.uname().machine}-linux"
    if not suits_platform(lock, machine):
        raise ToppcloudError(
            f"Gemfile.lock is not for this node, which is {machine}.",
            f"It was made for {', '.join(lock.platforms)}.",
            f"bundle lock --add-platform {machine} && git add Gemfile.lock, commit, push again.",
            reason="Gemfile.lock lacks this platform",
        )
    return Project(lock, text, read_wanted(source), "railties" in lock.gems)


def read_wanted(source: Path) -> tuple[str, ...]:
    """`ruby "~> 3.1"` or `ruby file: ".ruby-version"` of the Gemfile; () when it says neither."""
    match = _WANTED.search(_read(source / "Gemfile"))
    if not match:
        return ()
    file = _FROM_FILE.search(match[1])
    if file is None:
        return tuple(_QUOTED.findall(_OPTION.sub("", match[1])))
    path = source / file[1]
    version = _VERSION.match(_read(path).strip()) if is_plain_file(path) else None
    return (version[1],) if version else ()


def choose_web(source: Path, project: Project) -> WebDefault | None:
    """Puma when it is there, else what the framework starts. Never an address that others than the node can reach."""
    has_rack = is_plain_file(source / "config.ru")
    kind = "Rails" if project.is_rails else "config.ru" if has_rack else None
    if kind is None:
        return None
    if has_rack and "puma" in project.lock.gems:
        return WebDefault("bundle exec puma -b tcp://127.0.0.1:$PORT", f"{kind}, with puma")
    if project.is_rails:
        return WebDefault("bundle exec rails server -b 127.0.0.1 -p $PORT", "Rails")
    return WebDefault("bundle exec rackup config.ru -o 127.0.0.1 -p $PORT", "config.ru is there")


def choose_ruby(node: Node, project: Project) -> Runtime:
    """The Ruby that suits the Gemfile. Raises ToppcloudError when the node has none."""
    wish = f"Gemfile wants Ruby {', '.join(project.wanted)}"
    return choose_runtime(node, RUBY, node.settings.ruby, lambda runtime: _suits(node, runtime, project.wanted), wish)


def _suits(node: Node, runtime: Runtime, wanted: tuple[str, ...]) -> bool:
    """As RubyGems reads such requirements."""
    if not wanted:
        return True
    try:
        run(
            [runtime.executable, "-e", _SUITS],
            env={"WANTED": "\n".join(wanted)},
            cwd=Path("/"),
            account=node.account,
            timeout_s=_SUITS_TIMEOUT_S,
        )
    except ProgramFailed as error:
        return error.status_code != _NO  # what RubyGems cannot read, Bundler refuses in its own words
    return True


def install(bundler: Bundler, project: Project, console: Console) -> None:
    """vendor/bundle, and the line that says where it came from. Gems of another lock are a start: Bundler tidies."""
    workshop, version = bundler.workshop, bundler.runtime.version
    kept = KeptPackages(workshop, NAME, GEMS, list_facts(bundler, project))
    changed = kept.list_changed()
    with console.timed_step("") as timed:
        if changed is not None and set(changed) <= {FILE}:
            kept.take()
        if changed == []:
            timed.text = f"Ruby {version}, {FILE} unchanged: gems reused"
            return
        bundler.install(project.lock)
        why = describe_changed(changed, uses_cache=workshop.uses_cache)
        timed.text = f"Ruby {version}, {why}bundle install, {len(project.lock.gems)} gems in {FILE}"
    kept.keep()


def list_facts(bundler: Bundler, project: Project) -> dict[str, str]:
    """Everything that decides what Bundler installs, by the name that the pusher is told when it changed."""
    source = bundler.workshop.source
    return {
        "Ruby": f"{bundler.runtime.version} {bundler.runtime.executable}",
        FILE: digest(project.lock_text, _read(source / "Gemfile")),
        "variables for Bundler": digest(bundler.keyed()),
    }


def precompile_assets(bundler: Bundler, project: Project, console: Console) -> None:
    """Rails' assets:precompile, when a gem brings that task and nobody committed its outcome. Raises ToppcloudError."""
    assets = bundler.workshop.source / "public/assets"
    if not _ASSET_GEMS.intersection(project.lock.gems) or any(any(assets.glob(name)) for name in _MANIFESTS):
        return
    dummies = {"SECRET_KEY_BASE_DUMMY": "1", "SECRET_KEY_BASE": secrets.token_hex(64)}
    given = bundler.environment
    try:
        with console.timed_step("assets:precompile"):
            extra = {} if "SECRET_KEY_BASE" in given else dummies
            bundler.run(["exec", "rake", "assets:precompile"], lambda line: bool(line.strip()), **extra)
    except ProgramFailed as error:
        raise ToppcloudError(
            f"assets:precompile failed{'' if error.status_code else ': it did not end in time'}.",
            "Its last lines are above. It ran with this app's config vars and RAILS_ENV="
            f"{given['RAILS_ENV']}. Usual causes: a config var that is not set, or npm packages that nobody installed.",
            "Set it: toppcloud config:set NAME=…   or have npm run first: toppcloud buildpacks:add nodejs --index 1",
            reason="assets:precompile failed",
        ) from error


def choose_environment(project: Project) -> Mapping[str, str]:
    """At run time, as on Heroku."""
    rails = {"RAILS_ENV": "production", "RAILS_LOG_TO_STDOUT": "enabled", "RAILS_SERVE_STATIC_FILES": "enabled"}
    return {**OURS, "RACK_ENV": "production", "MALLOC_ARENA_MAX": "2", **(rails if project.is_rails else {})}


def list_warnings(workshop: Workshop, project: Project, runtime: Runtime) -> list[str]:
    """What may go wrong later."""
    found = []
    if (workshop.source / ".bundle/config").is_file():
        found.append(".bundle/config is committed, and not heeded: git rm -r --cached .bundle")
    locked = project.lock.ruby
    if locked and not project.wanted and locked.split(".")[:2] != runtime.version.split(".")[:2]:
        found.append(f"Gemfile.lock was made with Ruby {locked}, and this node has {runtime.version}")
    has_secret = {"SECRET_KEY_BASE", "RAILS_MASTER_KEY"} & set(workshop.environment.app)
    if project.is_rails and not has_secret and not (workshop.source / "config/master.key").is_file():
        found.append("Rails wants SECRET_KEY_BASE: toppcloud config:set SECRET_KEY_BASE=$(openssl rand -hex 64)")
    return found


def _read(path: Path) -> str:
    return (read_plain_file(path, _LARGEST_BYTES) or b"").decode(errors="replace").replace("\r\n", "\n")
