"""The Python of a push, from the files of a project to its slug, on the Python that this machine has."""

import pytest

from buildpacks.interpreters import choose_interpreter, find_interpreters
from buildpacks.python_version import ANY_PYTHON
from toppcloud.errors import ToppcloudError

pytestmark = pytest.mark.node


@pytest.fixture
def here(node):
    """The newest Python of this machine."""
    return choose_interpreter(ANY_PYTHON, find_interpreters(node).usable)


def app(**files):
    return {"requirements.txt": "", "Procfile": "web: python app.py", "app.py": "", **files}


@pytest.mark.parametrize(
    ("files", "reason", "what"),
    [
        ({".python-version": "2.7\n"}, "Python past end of life", "Python 2.7 (.python-version) has"),
        ({"runtime.txt": "python-3.9.1\n"}, "Python past end of life", "Python 3.9 (runtime.txt) has"),
        ({".python-version": "\n"}, "invalid Python version", ".python-version names no version"),
        ({".python-version": "3.12\n3.13\n"}, "invalid Python version", ".python-version names 2 versions"),
        ({".python-version": "\u200b3.12\n"}, "invalid Python version", ".python-version holds a character"),
        ({".python-version": "\ufeff3.12\n"}, "unsupported text encoding", ".python-version cannot be read"),
        ({".python-version": "3.12\n".encode("utf-16")}, "unsupported text encoding", ".python-version cannot be"),
        ({"runtime.txt": "pypy3.10\n"}, "invalid Python version", "runtime.txt asks for 'pypy3.10'"),
        ({".python_version": "3.12\n"}, "misspelt .python-version", "'.python_version' is a misspelt"),
        ({".python-version ": "", ".python-version": "3.14\n"}, "misspelt .python-version", "'.python-version ' is"),
        ({".python-version": "4.0\n"}, "no such Python", "There is no Python 4.0 (.python-version)"),
        (
            {".python-version": "3.12\n", "pyproject.toml": "[project]\nname='x'\nrequires-python='>=3.13'\n"},
            "Python version does not fit",
            "Python 3.12 is not what the project needs.",
        ),
    ],
)
def test_wrong_wish_is_refused_before_anything_is_installed(builder, files, reason, what):
    with pytest.raises(ToppcloudError) as refused:
        builder.push(app(**files))
    assert refused.value.reason == reason
    assert refused.value.what.startswith(what)
    assert refused.value.cure
    assert builder.lines == []


def test_line_of_the_push_says_where_the_version_was_said(builder, here):
    slug = builder.push(app(**{".python-version": f"# ours\r\n  {here.minor}  \r\n"}))
    assert slug.python_version == here.version
    assert f"Python {here.version} (.python-version), requirements.txt: new virtualenv" in builder.text
    builder.push(app(**{"runtime.txt": f"python-{here.minor}"}), {"PYTHON_VERSION": here.minor})
    assert f"Python {here.version} (PYTHON_VERSION), " in builder.text


def test_runtime_txt_counts_beside_another_version_and_the_author_is_told(builder, here):
    builder.push(app(**{"runtime.txt": f"  python-{here.minor}  \n \n", ".python-version": "3.9\n"}))
    assert f"runtime.txt says {here.minor} and .python-version 3.9: runtime.txt counts." in builder.text
    assert f"Python {here.version} (runtime.txt), " in builder.text


def test_no_version_anywhere_is_a_line_at_the_first_push_and_none_later(builder, here):
    builder.push(app())
    keep = f"no version of Python is asked for; to stay on {here.minor}: echo {here.minor} > .python-version"
    assert keep in builder.text
    builder.push(app(**{"app.py": "x = 1"}))
    assert f"Python {here.version} (as before), " in builder.text
    assert keep not in builder.text
