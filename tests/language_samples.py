"""Small projects of other languages whose packages lie beside them: nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from toppcloud.program import find_program, run

SERVER = """
const greet = require("greeting")
const server = require("http").createServer((request, response) => response.end(greet()))
server.listen(process.env.PORT, "127.0.0.1")
process.on("SIGTERM", () => server.close(() => process.exit(0)))
"""
_GEMSPEC = """
Gem::Specification.new do |spec|
  spec.name, spec.version, spec.authors, spec.summary = "rackup", "1.0.0", ["Ana"], "Starts config.ru"
  spec.license, spec.homepage = "MIT", "https://example.com"
  spec.files, spec.executables = ["bin/rackup"], ["rackup"]
end
"""
_RACKUP = """#!/usr/bin/env ruby
require "socket"
config = ARGV.shift
port = Integer(ARGV[ARGV.index("-p") + 1])
def run(app) = $app = app
load File.expand_path(config)
server = TCPServer.new("127.0.0.1", port)
trap("TERM") { exit }
loop do
  client = server.accept
  Thread.new do
    nil until [nil, "\\r\\n"].include?(client.gets)
    _, _, body = $app.call({})
    text = body.join
    client.write("HTTP/1.1 200 OK\\r\\nContent-Length: #{text.bytesize}\\r\\nConnection: close\\r\\n\\r\\n#{text}")
    client.close
  end
end
"""


def need_node() -> None:
    if find_program("node") is None:
        pytest.skip("needs Debian's package nodejs")


def need_npm() -> None:
    if find_program("npm") is None:
        pytest.skip("needs Debian's package npm")


def need_bundler() -> None:
    for program, package in (("ruby", "ruby"), ("bundle", "bundler")):
        if find_program(program) is None:
            pytest.skip(f"needs Debian's package {package}")


def pack(name: str, files: dict[str, str]) -> bytes:
    """An npm package as a tarball."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, text in {"package.json": json.dumps({"name": name, "version": "1.0.0"}), **files}.items():
            item = tarfile.TarInfo(f"package/{path}")
            item.size, item.mode = len(text), 0o644
            archive.addfile(item, io.BytesIO(text.encode()))
    return gzip.compress(packed.getvalue(), mtime=0)


def node_files(
    *, greeting: str = "hello", scripts: dict[str, str] | None = None, **more: Any
) -> dict[str | bytes, object]:
    """A project whose package `greeting` it needs to run, and whose package `tool` only its build needs."""
    packages = {
        "greeting": pack("greeting", {"index.js": f"module.exports = () => {json.dumps(greeting)}\n"}),
        "tool": pack("tool", {"index.js": "module.exports = 'made by tool'\n"}),
    }
    lists = {"dependencies": {"greeting": "file:greeting.tgz"}, "devDependencies": {"tool": "file:tool.tgz"}}
    locked = {
        f"node_modules/{name}": {
            "version": "1.0.0",
            "resolved": f"file:{name}.tgz",
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode(),
            "dev": name == "tool",
        }
        for name, content in packages.items()
    }
    about = {"name": "app", "version": "1.2.3"}
    lock = {**about, "lockfileVersion": 3, "requires": True, "packages": {"": {**about, **lists}, **locked}}
    return {
        "package.json": json.dumps({**about, **lists, "scripts": scripts or {"start": "node server.js"}, **more}),
        "package-lock.json": json.dumps(lock),
        "server.js": SERVER,
        **{f"{name}.tgz": content for name, content in packages.items()},
    }


def ruby_files(greeting: str = "hello") -> dict[str | bytes, object]:
    """A project of a config.ru, with the gem that starts it in vendor/cache."""
    return {
        "Gemfile": 'source "https://gems.example.com"\ngem "rackup"\n',
        "Gemfile.lock": "GEM\n  remote: https://gems.example.com/\n  specs:\n    rackup (1.0.0)\n\n"
        "PLATFORMS\n  ruby\n\nDEPENDENCIES\n  rackup\n",
        "config.ru": f'run ->(env) {{ [200, {{}}, ["{greeting} from #{{ENV["RACK_ENV"]}}"]] }}\n',
        "vendor/cache/rackup-1.0.0.gem": build_gem(),
    }


@functools.cache
def build_gem() -> bytes:
    """The gem `rackup`, made by this machine's RubyGems."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        (folder / "rackup.gemspec").write_text(_GEMSPEC)
        (folder / "bin/rackup").write_text(_RACKUP)
        (folder / "bin/rackup").chmod(0o755)
        run(["gem", "build", "--quiet", "rackup.gemspec"], cwd=folder)
        return (folder / "rackup-1.0.0.gem").read_bytes()
