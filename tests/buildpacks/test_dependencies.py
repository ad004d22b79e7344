from pathlib import PurePosixPath

import pytest

from buildpacks.dependencies import hash_local, read_dependencies
from buildpacks.detection import detect
from buildpacks.requirements_txt import (
    LocalRequirement,
    find_invalid_line,
    plan_editable_repositories,
    read_requirements,
    split_lines,
)
from toppcloud.errors import ToppcloudError


def read(source):
    return read_dependencies(source, detect(source))


def local(path, is_editable=False):
    return LocalRequirement(PurePosixPath(path), is_editable)


def test_includes_and_constraints_are_part_of_the_lock(write_project):
    files = {
        "requirements.txt": "-r req/base.txt\n-c limits.txt\n",
        "req/base.txt": "-rmore.txt\nsix",
        "req/more.txt": "a",
    }
    source = write_project({**files, "limits.txt": "six<2"})
    before = read(source).lock_hash
    assert read(source).lock_text.count("# ") == 4
    (source / "req/more.txt").write_text("b")
    assert read(source).lock_hash != before


def test_include_in_a_circle_ends(write_project):
    assert read(write_project({"requirements.txt": "-r a.txt", "a.txt": "-r requirements.txt\nsix"})).names == {"six"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (".", local(".")),
        ("-e .", local(".", True)),
        ("-e.", local(".", True)),
        ("--editable=./libs/x", local("libs/x", True)),
        ("-e 'libs/x'", local("libs/x", True)),
        (".[dev]", local(".")),
        ("./libs/x ; python_version > '3'", local("libs/x")),
        ("libs/x", local("libs/x")),
        ("x @ file:libs/x", local("libs/x")),
        ("file:./libs/x#egg=x", local("libs/x")),
    ],
)
def test_local_requirement_is_found(write_project, line, found):
    source = write_project({"requirements.txt": line, "libs/x/setup.py": ""})
    assert read_requirements(source).local == (found,)
    assert read(source).installs_itself is (found.is_editable or found.is_project)


@pytest.mark.parametrize(
    "line",
    [
        "flask==3.1.0",
        "-e git+https://example.com/x.git#egg=x",
        "x @ https://example.com/x.whl",
        "https://example.com/x.whl",
        "--index-url https://example.com/simple/",
        "--find-links ./wheels",
        "# ./commented",
        "file:///opt/wheels/x.whl",
        "/opt/wheels/x.whl",
    ],
)
def test_what_is_no_local_requirement(write_project, line):
    assert read_requirements(write_project({"requirements.txt": line})).local == ()


def test_names_variables_and_hashes(write_project):
    text = (
        "Flask_SQLAlchemy[x]>=3 \\\n  --hash=sha256:ab\n--index-url https://${USER}:${TOKEN}@example.com/\ngunicorn\n"
    )
    requirements = read_requirements(write_project({"requirements.txt": text}))
    assert requirements.names == {"flask-sqlalchemy", "gunicorn"}
    assert requirements.variables == {"USER", "TOKEN"}
    assert requirements.has_hashes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("six\n-r gone.txt", "requirements.txt, line 2"),
        ("-r ../outside.txt", "line 1 names ../outside.txt"),
        ("-r /etc/passwd", "outside the project"),
        (f"-r {'a' * 300}", "what no file can be called"),
        (f"./{'a/' * 600}", "what no file can be called"),
        ("\n./libs/../../x", "line 2 names"),
        ("-e ./gone", "gone, which is not in the commit"),
    ],
)
def test_what_is_not_there_is_refused_with_its_line(write_project, text, said):
    with pytest.raises(ToppcloudError) as refused:
        read(write_project({"requirements.txt": text}))
    assert said in "\n".join(refused.value.lines())


def test_lines_go_on_after_a_backslash_and_keep_their_number():
    assert list(split_lines("a \\\n b\n# c \\\nd # e\n")) == [(1, "a   b"), (4, "d")]


def test_content_of_local_folders_counts(write_project):
    source = write_project({"requirements.txt": "./libs/x", "libs/x/setup.py": "1", "other": "1"})
    before = hash_local(source, read(source).local)
    (source / "other").write_text("2")
    assert hash_local(source, read(source).local) == before
    (source / "libs/x/setup.py").write_text("2")
    assert hash_local(source, read(source).local) != before


LOCK = 'version = 1\nrequires-python = ">=3.11"\n[[package]]\nname = "blog"\nsource = {{ {kind} = "." }}\n'


def test_uv_lock_tells_whether_the_project_is_a_package(write_project):
    project = '[project]\nname = "blog"\ndependencies = []\n'
    source = write_project({"uv.lock": LOCK.format(kind="virtual"), "pyproject.toml": project})
    assert (read(source).installs_itself, read(source).requires_python) == (False, ">=3.11")
    (source / "uv.lock").write_text(LOCK.format(kind="editable"))
    assert read(source).installs_itself


def test_uv_lock_that_is_none_is_refused(write_project):
    for text in ("<<<<<<< HEAD", "package = 3", "package = [3]"):
        with pytest.raises(ToppcloudError, match=r"uv\.lock cannot be read"):
            read(write_project({"uv.lock": text, "pyproject.toml": ""}))


def test_pyproject_with_a_build_system_installs_itself(write_project):
    text = '[project]\nname = "blog"\nrequires-python = ">=3.9"\ndependencies = ["Flask>=3"]\n'
    source = write_project({"pyproject.toml": text})
    assert (read(source).installs_itself, read(source).names) == (False, {"flask"})
    (source / "pyproject.toml").write_text(text + '[build-system]\nrequires = ["flit_core"]\n')
    assert read(source).installs_itself


def test_uv_lock_that_leads_outside_is_refused(write_project):
    lock = LOCK.format(kind="directory").replace('"."', '"../../other"')
    with pytest.raises(ToppcloudError, match="outside the project"):
        read(write_project({"uv.lock": lock, "pyproject.toml": ""}))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-e git+https://example.com/x@1#egg=x", "x @ git+https://example.com/x@1"),
        ("--editable=git+https://example.com/x#egg=x&subdirectory=py", "x @ git+https://example.com/x#subdirectory=py"),
        ("-e git+ssh://git@example.com/x@1", "git+ssh://git@example.com/x@1"),
    ],
)
def test_repository_in_place_is_installed_like_any_other(write_project, line, said):
    files = {"requirements.txt": "-r req/base.txt\nsix\n", "req/base.txt": f"{line}\nidna # why\n"}
    planned = plan_editable_repositories(read_requirements(write_project(files)))
    assert {str(path): text for path, text in planned.items()} == {
        "requirements.txt": "-r req/base.txt\nsix\n",
        "req/base.txt": f"{said}\nidna # why\n",
    }


def test_without_a_repository_in_place_files_are_given_as_they_are(write_project):
    text = "-e ./libs/x\nx @ git+https://example.com/x\n"
    source = write_project({"requirements.txt": text, "libs/x/setup.py": ""})
    assert plan_editable_repositories(read_requirements(source)) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("six\nan-invalid-requirement!\n", "requirements.txt, line 2: an-invalid-requirement!"),
        ("flask=3.1\n", "requirements.txt, line 1: flask=3.1"),
        ("-r more.txt\n", "more.txt, line 1: six>>1"),
        ("six==1.0 --hash=sha256:ab\nx @ git+https://example.com/x\nlibs/x\n--no-binary :all:\nx-1.0.whl\n", None),
        ("private @ https://${TOKEN}@example.com/x.whl\nidna>=3 ; python_version > '3'\n", None),
    ],
)
def test_first_line_that_is_no_requirement(write_project, text, said):
    source = write_project({"requirements.txt": text, "more.txt": "six>>1", "libs/x/setup.py": ""})
    assert find_invalid_line(read_requirements(source)) == said


def test_requirements_behind_a_link_are_read_inside_the_project_only(write_project):
    source = write_project({"req/all.txt": "six"})
    (source / "requirements.txt").symlink_to("req/all.txt")
    assert read(source).names == {"six"}
    (source / "requirements.txt").unlink()
    (source / "requirements.txt").symlink_to("/etc/passwd")
    with pytest.raises(ToppcloudError, match=r"requirements\.txt cannot be read"):
        read(source)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_requirements_of_windows_are_read(write_project, encoding):
    source = write_project({"libs/x/setup.py": ""})
    (source / "requirements.txt").write_bytes("six\r\n-e ./libs/x\r\n".encode(encoding))
    assert (read(source).names, read(source).local) == ({"six"}, (local("libs/x", True),))
