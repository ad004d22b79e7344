"""The site of files that a build made: dist/index.html, or the folder that `[web] static` names."""

from __future__ import annotations

from pathlib import Path

from buildpacks.node_project import FOLDER
from buildpacks.package_json import PackageJson
from buildpacks.source_text import is_plain_file
from toppcloud.errors import ToppcloudError

_SITES = ("dist", "build", "out", "public", "_site")


def find_built_site(source: Path, said: str | None, package: PackageJson) -> str:
    """`dist`, or what toppcloud.toml has `said`. Raises ToppcloudError when the build made none."""
    folder = said or next((name for name in _SITES if has_index(source / name)), None)
    if folder is not None and (source / folder).is_dir():
        return folder
    made = sorted({str(path.parent.relative_to(source)) for path in list_indexes(source)})
    what = f"{folder}/" if folder else "site, and nothing says what to start"
    there = f"there is one in {', '.join(made[:4])}." if made else "there is none anywhere."
    raise ToppcloudError(
        f"npm run {package.build_script} made no {what}.",
        f"Looked for an index.html in {folder or ', '.join(_SITES)}; {there}",
        f'Name its folder in toppcloud.toml: [web] static = "{made[0] if made else "dist"}"\n'
        f"or, for an app that runs: npm pkg set scripts.start='node {package.main or 'index.js'}'",
        reason="the build made no site",
    )


def has_index(folder: Path) -> bool:
    """Whether it is a site."""
    return not folder.is_symlink() and is_plain_file(folder / "index.html")


def list_indexes(source: Path) -> list[Path]:
    """Where a site may be instead: at most three folders down."""
    patterns = ("*/index.html", "*/*/index.html", "*/*/*/index.html")
    found = [path for pattern in patterns for path in source.glob(pattern) if has_index(path.parent)]
    return [path for path in found if FOLDER not in path.parts and not path.parts[-2].startswith(".")]
