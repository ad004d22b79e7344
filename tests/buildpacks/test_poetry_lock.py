import pytest

from buildpacks.dependencies import read_dependencies
from buildpacks.detection import detect
from buildpacks.locked import batch
from buildpacks.poetry_constraint import parse_constraint, render_python_marker
from buildpacks.poetry_lock import hash_pyproject, parse_poetry_lock
from toppcloud.errors import ToppcloudError

NEW = """
[[package]]
name = "flask"
version = "3.1.0"
groups = ["main"]
files = [{file = "flask.whl", hash = "sha256:ab"}, {file = "flask.tar.gz", hash = "sha256:cd"}]
[[package]]
name = "colorama"
version = "0.4.6"
groups = ["main", "dev"]
markers = {main = "sys_platform == \\"win32\\"", dev = "os_name == \\"nt\\""}
files = []
[[package]]
name = "pytest"
version = "8.0"
groups = ["dev"]
files = []
[metadata]
lock-version = "2.1"
python-versions = "^3.10"
content-hash = "f0f2"
"""
PYPROJECT = '[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = "^3.10"\n'


def lines(lock, pyproject=PYPROJECT, python="3.11.2"):
    return [package.line for package in parse_poetry_lock(lock, pyproject).choose_packages(python)]


def test_main_group_of_a_new_lock_is_installed():
    assert lines(NEW) == [
        "flask==3.1.0 --hash=sha256:ab --hash=sha256:cd",
        'colorama==0.4.6 ; sys_platform == "win32"',
    ]


def source_lock(source, extra=""):
    package = (
        f'[[package]]\nname = "x"\nversion = "1"\ngroups = ["main"]\nfiles = []\n{extra}[package.source]\n{source}'
    )
    return f'{package}\n[metadata]\nlock-version = "2.1"\n'


@pytest.mark.parametrize(
    ("source", "extra", "line"),
    [
        (
            'type = "git"\nurl = "https://example.com/x.git"\nresolved_reference = "1f3a"\nsubdirectory = "py"',
            "develop = true\n",
            "x @ git+https://example.com/x.git@1f3a#subdirectory=py",
        ),
        ('type = "directory"\nurl = "libs/x"', "develop = true\n", "-e ./libs/x"),
        ('type = "directory"\nurl = "libs/x"', "", "./libs/x"),
        ('type = "file"\nurl = "wheels/x.whl"', "", "./wheels/x.whl"),
        ('type = "url"\nurl = "https://example.com/x.whl"', "", "x @ https://example.com/x.whl"),
        ('type = "legacy"\nurl = "https://pypi.example.com/simple"\nreference = "mine"', "", "x==1"),
    ],
)
def test_source_of_a_package_becomes_a_line_for_uv(source, extra, line):
    assert lines(source_lock(source, extra)) == [line]


def test_a_source_of_its_own_is_an_index():
    lock = source_lock('type = "legacy"\nurl = "https://pypi.example.com/simple"\nreference = "mine"')
    (part,) = batch(parse_poetry_lock(lock, PYPROJECT).choose_packages("3.11.2"))
    assert part.index and (part.index.name, part.index.url) == ("mine", "https://pypi.example.com/simple")


OLD = """
[[package]]
name = "shop"
version = "1"
[package.dependencies]
numpy = [
    {version = ">=1.22", markers = "python_version < \\"3.11\\""},
    {version = ">=1.23", markers = "python_version >= \\"3.11\\""},
]
Redis = {version = ">=5", optional = true, markers = "python_version >= \\"3.8\\" and extra == \\"cache\\""}
colorama = {version = "*", markers = "sys_platform == 'win32'"}
[package.extras]
cache = ["redis (>=5)"]
[[package]]
name = "numpy"
version = "1.24.4"
[[package]]
name = "numpy"
version = "1.26.4"
[[package]]
name = "redis"
version = "5.2"
[[package]]
name = "colorama"
version = "0.4.6"
[[package]]
name = "pytest"
version = "8"
category = "dev"
[[package]]
name = "sentry"
version = "1"
optional = true
[metadata]
lock-version = "1.1"
python-versions = "~2.7 || ^3.8"
content-hash = ""
[metadata.files]
redis = [{file = "redis.whl", hash = "sha256:ab"}]
"""
OLD_PYPROJECT = """
[tool.poetry.dependencies]
python = "^3.8"
shop = {version = "^1", extras = ["cache"]}
numpy = [{version = "<1.25", python = "<3.9"}, {version = ">=1.26,<2", python = ">=3.9"}]
sentry = {version = "*", optional = true}
[tool.poetry.dev-dependencies]
pytest = "*"
"""


@pytest.mark.parametrize(("python", "numpy"), [("3.8.10", "1.24.4"), ("3.9.0", "1.26.4"), ("3.12.1", "1.26.4")])
def test_old_lock_is_followed_from_the_project_for_the_python_at_hand(python, numpy):
    assert lines(OLD, OLD_PYPROJECT, python) == ["shop==1", f"numpy=={numpy}", "redis==5.2 --hash=sha256:ab"]


def test_circle_of_an_old_lock_ends():
    package = '[[package]]\nname = "{}"\nversion = "1"\n[package.dependencies]\n{} = "*"\n'
    lock = package.format("a", "b") + package.format("b", "a") + '[metadata]\nlock-version = "2.0"\n'
    assert lines(lock, '[tool.poetry.dependencies]\na = "*"\n') == ["a==1", "b==1"]


@pytest.mark.parametrize(
    "lock",
    [
        "<<<<<<< HEAD",
        "",
        "[metadata]\nlock-version = '3.0'\n",
        "[metadata]\nlock-version = 'x'\n",
        "package = 3\n[metadata]\nlock-version = '2.1'\n",
        "[[package]]\nname = 'x'\n[metadata]\nlock-version = '2.1'\n",
        source_lock('type = "hg"\nurl = "x"'),
        source_lock('type = "directory"\nurl = "../x"'),
        source_lock('type = "url"\nurl = "https://x\\n-r /etc/passwd"'),
    ],
)
def test_what_is_no_lock_is_refused(lock):
    with pytest.raises(ToppcloudError):
        lines(lock)


def test_python_of_the_lock_and_whether_the_project_installs_itself(write_project):
    source = write_project({"poetry.lock": OLD, "pyproject.toml": OLD_PYPROJECT})
    dependencies = read_dependencies(source, detect(source))
    assert (dependencies.requires_python, dependencies.locked_python_origin) == (">=3.8,<4", "poetry.lock")
    assert not dependencies.installs_itself
    build = '[build-system]\nrequires = ["poetry-core"]\n'
    (source / "pyproject.toml").write_text(OLD_PYPROJECT + build)
    assert read_dependencies(source, detect(source)).installs_itself
    (source / "pyproject.toml").write_text("[tool.poetry]\npackage-mode = false\n" + OLD_PYPROJECT + build)
    assert not read_dependencies(source, detect(source)).installs_itself


GROUPED = """
[tool.poetry]
name = "a"
version = "1"
description = "ü"
authors = []
[tool.poetry.dependencies]
python = "^3.8"
requests = {version="^2", extras=["socks"]}
[tool.poetry.group.dev.dependencies]
pytest = "*"
[tool.poetry.extras]
x = ["requests"]
"""
STANDARD = """
[project]
name = "a"
version = "1"
requires-python = ">=3.9"
dependencies = ["requests (>=2)"]
[project.optional-dependencies]
x = ["idna"]
[dependency-groups]
dev = ["pytest"]
[tool.poetry]
package-mode = false
[tool.poetry.group.docs.dependencies]
sphinx = "*"
"""


@pytest.mark.parametrize(
    ("pyproject", "made_by", "digest"),
    [
        (GROUPED, "1.4.2", "de54eead97812e96c5af9e1e9b29590689841aeebbbe58a5af232c706b348b32"),
        (GROUPED, "2.5.1", "de54eead97812e96c5af9e1e9b29590689841aeebbbe58a5af232c706b348b32"),
        (STANDARD, "2.5.1", "e6da7dd56f38826df4e8c6a3ca36cac7f7ae2f3cb70fed09ba6056405fb9ba68"),
        (STANDARD, "2.2.1", "63889d10cb78426244e9bbc9cca728b9d14da7def495782384d4d60b01265f6a"),
    ],
)
def test_hash_is_the_one_of_poetry(pyproject, made_by, digest):
    """As these versions of Poetry say for these very files."""
    assert hash_pyproject(pyproject, f"# This file is made by Poetry {made_by} and …\n") == digest


@pytest.mark.parametrize(
    ("constraint", "specifiers"),
    [
        ("^3.8", [">=3.8,<4"]),
        ("^0.2.3", [">=0.2.3,<0.3"]),
        ("^0.0.3", [">=0.0.3,<0.0.4"]),
        ("^0", [">=0,<1"]),
        ("~3.8", [">=3.8,<3.9"]),
        ("~3", [">=3,<4"]),
        ("~=3.8", ["~=3.8"]),
        ("3.8.*", ["==3.8.*"]),
        ("3.8", ["==3.8"]),
        (">=3.8, <4", [">=3.8,<4"]),
        (">= 3.8 <4", [">=3.8,<4"]),
        ("<3.9 || ^3.11", ["<3.9", ">=3.11,<4"]),
        ("*", [""]),
    ],
)
def test_constraint_is_said_as_pep_440_says_it(constraint, specifiers):
    assert parse_constraint(constraint) == specifiers


def test_python_constraint_is_said_as_a_marker():
    assert render_python_marker("<3.9 || ^3.11") == (
        'python_full_version < "3.9" or (python_full_version >= "3.11" and python_full_version < "4")'
    )
    assert render_python_marker("*") == ""
