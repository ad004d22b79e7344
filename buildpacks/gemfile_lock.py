"""Gemfile.lock, as Bundler writes it: which gems, for which machines, by which Bundler.

GEM
  remote: https://gems.example.com/
  specs:
    rack (3.0.8)
      webrick (~> 1.8)
PLATFORMS
  x86_64-linux
RUBY VERSION
   ruby 3.1.2p20
BUNDLED WITH
   2.3.15
Source: https://bundler.io/man/bundle-lock.1.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

FILE = "Gemfile.lock"
_SPEC = re.compile(r" {4}([\w.-]+) \(([^()]+)\)\Z")
_RUBY = re.compile(r"ruby (\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class GemfileLock:
    """What of it counts here."""

    gems: Mapping[str, str] = field(default_factory=dict)
    """{"rack": "3.0.8"}; `nokogiri` may be "1.16.0-x86_64-linux"."""
    fetched: tuple[str, ...] = ()
    """Those that come as files from a gem server: ("rack-3.0.8",)."""
    platforms: tuple[str, ...] = ()
    ruby: str | None = None
    bundler: str | None = None


def parse_gemfile_lock(text: str) -> GemfileLock:
    """Pure. What it does not know is left out: Bundler itself reads the file too, and refuses what is wrong."""
    gems: dict[str, str] = {}
    fetched: list[str] = []
    lines: dict[str, list[str]] = {}
    section = ""
    for line in text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines():
        if line and not line.startswith(" "):
            section = line.strip()
        elif spec := _SPEC.match(line.rstrip()):
            if section in ("GEM", "GIT", "PATH"):
                gems.setdefault(spec[1], spec[2])
                fetched += [f"{spec[1]}-{spec[2]}"] if section == "GEM" else []
        elif line.strip():
            lines.setdefault(section, []).append(line.strip())
    ruby = next((match[1] for line in lines.get("RUBY VERSION", ()) if (match := _RUBY.match(line))), None)
    bundler = next(iter(lines.get("BUNDLED WITH", ())), None)
    return GemfileLock(gems, tuple(fetched), tuple(lines.get("PLATFORMS", ())), ruby, bundler)


def suits_platform(lock: GemfileLock, machine: str) -> bool:
    """Whether it was resolved for such a machine, as `x86_64-linux`. `ruby` stands for all; an old lock names none."""
    return not lock.platforms or any(
        platform == "ruby" or platform == machine or platform.startswith(f"{machine}-") for platform in lock.platforms
    )
