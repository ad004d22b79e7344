"""Bundler: where it lies beside Ruby, the environment that it is given, and how it installs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpacks.buildpack import Workshop
from buildpacks.gemfile_lock import GemfileLock
from buildpacks.kept_packages import remove
from buildpacks.runtime import Runtime
from buildpacks.source_text import is_plain_file
from buildpacks.uv import hide_credentials, make_folder
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.program import ProgramFailed, find_program

GEMS = "vendor/bundle"
BINS = f"{GEMS}/bin"
_ITS_CONFIG = f"{GEMS}/config"  # instead of .bundle, which holds what was right on another machine
_OPERATORS = re.compile(r"bundle_|gem_host|ssl_cert_|(?:https?|all|no)_proxy\Z", re.IGNORECASE)
_KEYED = re.compile(r"BUNDLE_(?!USER_)|(?:CC|CXX|\w*FLAGS)\Z")
_NOT_SHOWN = ("Using ", "Bundle complete", "Gems in the groups", "Bundled gems are", "Use `bundle info")
_MEANINGS = {
    5: (
        "A gem could not be compiled, as it seems.",
        "On the node: apt-get install ruby-dev build-essential, and the library that it names, as libpq-dev",
    ),
    7: ("Gemfile.lock names a gem that is not to be had.", "bundle install && git add Gemfile.lock"),
    16: ("Gemfile and Gemfile.lock do not say the same.", "bundle install && git add Gemfile Gemfile.lock"),
    17: ("The gem server could not be reached from this node.", "Push again, or bring the gems along: bundle package"),
}
OURS = {
    "BUNDLE_PATH": GEMS,
    "BUNDLE_BIN": BINS,
    "BUNDLE_APP_CONFIG": _ITS_CONFIG,
    "BUNDLE_WITHOUT": "development:test",
    "BUNDLE_DEPLOYMENT": "1",
}
"""In the build and at run time alike. Config vars win."""


@dataclass(frozen=True)
class Bundler:
    """Bundler as one build uses it: by the Ruby that was chosen, as the account, in the source."""

    workshop: Workshop
    runtime: Runtime
    program: Path
    environment: Mapping[str, str]
    console: Console

    def install(self, lock: GemfileLock) -> None:
        """The gems of the lock, from vendor/cache alone when all are there. Raises ToppcloudError."""
        cache = self.workshop.source / "vendor/cache"
        has_all = bool(lock.fetched) and all(is_plain_file(cache / f"{gem}.gem") for gem in lock.fetched)
        words = ["install", "--jobs", "2", "--retry", "2", *(["--local"] if has_all else [])]
        try:
            self.run(words, _is_telling)
        except ProgramFailed as error:
            raise _refuse(error, self.runtime) from error
        remove(self.workshop, self.workshop.source / BINS / "bundle")  # it insists on the Bundler that wrote the lock

    def run(self, words: list[str], is_shown: Callable[[str], bool] = bool, **extra: str) -> None:
        """`bundle WORDS` with `extra` variables. Raises ProgramFailed."""

        def show(line: str) -> None:
            if is_shown(line):
                self.console.detail(hide_credentials(line))

        self.workshop.run([self.program, *words], {**self.environment, **extra}, on_line=show)

    def keyed(self) -> dict[str, str]:
        """The variables that decide what an installation yields."""
        return {key: value for key, value in sorted(self.environment.items()) if _KEYED.match(key)}


def make_bundler(workshop: Workshop, runtime: Runtime, console: Console) -> Bundler:
    """Raises ToppcloudError when the node has Ruby without Bundler."""
    beside = runtime.folder / "bundle"
    program = beside if os.access(beside, os.X_OK) else find_program("bundle")
    if program is None:
        raise ToppcloudError(
            "This node has Ruby, but no Bundler to install gems with.",
            f"Looked beside {runtime.executable}.",
            "On the node: apt-get install bundler",
            reason="Bundler is missing",
        )
    return Bundler(workshop, runtime, program, make_environment(workshop, runtime), console)


def make_environment(workshop: Workshop, runtime: Runtime) -> dict[str, str]:
    """Config and service variables; of the operator's those for gem servers; and our own few where neither says it."""
    given = {key: value for key, value in workshop.environment.install.items() if _OPERATORS.match(key)}
    given |= workshop.step_environment(workshop.source / BINS, runtime.folder)
    cache = workshop.node.layout.bundler_cache
    make_folder(cache, workshop.node.account)
    ours = {
        **OURS,
        "BUNDLE_USER_HOME": str(cache),
        "BUNDLE_GLOBAL_GEM_CACHE": "true",
        "BUNDLE_CLEAN": "true",
        "BUNDLE_SILENCE_ROOT_WARNING": "true",
        "RACK_ENV": "production",
        "RAILS_ENV": "production",
    }
    return {**ours, **given}


def _is_telling(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(_NOT_SHOWN)


def _refuse(error: ProgramFailed, runtime: Runtime) -> ToppcloudError:
    """Bundler's exit status as a sentence and a cure. Source: its lib/bundler/errors.rb."""
    why, cure = _MEANINGS.get(error.status_code or 0, ("", "bundle install && git add Gemfile Gemfile.lock"))
    return ToppcloudError(
        f"bundle install failed: {error.what.removeprefix('bundle ')}",
        f"{why or 'Bundler says why above.'} Ruby is {runtime.version}.",
        f"{cure}, commit, push again." if cure.startswith("bundle") else cure,
        reason="installing gems failed",
    )
