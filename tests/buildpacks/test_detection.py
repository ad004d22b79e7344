import pytest

from buildpacks.detection import Detected, detect
from toppcloud.errors import ToppcloudError

PROJECT = '[project]\nname = "blog"\nversion = "1"\ndependencies = ["flask"]\n'


@pytest.mark.parametrize(
    ("files", "detected"),
    [
        ({"requirements.txt": ""}, Detected("pip", "requirements.txt")),
        ({"requirements.txt": "", "pyproject.toml": PROJECT}, Detected("pip", "requirements.txt")),
        ({"uv.lock": "", "pyproject.toml": PROJECT}, Detected("uv", "uv.lock")),
        ({"pyproject.toml": PROJECT}, Detected("pyproject", "pyproject.toml")),
        ({"pyproject.toml": '[project]\nname="a"\ndynamic=["dependencies"]'}, Detected("pyproject", "pyproject.toml")),
    ],
)
def test_what_is_there_says_how(write_project, files, detected):
    assert detect(write_project(files)) == detected


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"requirements.txt": "", "uv.lock": ""}, "git rm uv.lock"),
        ({"uv.lock": ""}, "git add pyproject.toml"),
        ({"Requirements.txt": ""}, "Requirements.txt is there"),
        ({"Pipfile": ""}, "pipenv lock"),
        ({"Pipfile": "", "Pipfile.lock": ""}, "pipenv requirements > requirements.txt"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython="3"'}, "poetry export"),
        ({"setup.py": ""}, "echo . > requirements.txt"),
        ({"backend/requirements.txt": ""}, "backend/requirements.txt is there, in a folder"),
        ({"venv/pyvenv.cfg": ""}, "venv/ is a virtualenv"),
        ({"package.json": ""}, "Node.js"),
        ({"package.json": "", "docs/index.html": "", "dist/index.html": ""}, '[web] static = "dist"'),
        ({"pyproject.toml": "[project"}, "pyproject.toml cannot be read"),
        ({"x": ""}, "requirements.txt, uv.lock, or a pyproject.toml with dependencies"),
    ],
)
def test_refusal_names_what_is_near(write_project, files, said):
    with pytest.raises(ToppcloudError) as refused:
        detect(write_project(files))
    assert said in "\n".join(refused.value.lines())
