import pytest

from buildpacks.detection import Detected, detect, find_python, has_dependencies
from toppcloud.errors import ToppcloudError

PROJECT = '[project]\nname = "blog"\nversion = "1"\ndependencies = ["flask"]\n'
POETRY = '[tool.poetry.dependencies]\npython = "^3.9"\n'


@pytest.mark.parametrize(
    ("files", "detected"),
    [
        ({"requirements.txt": ""}, Detected("pip", "requirements.txt")),
        ({"requirements.txt": "", "pyproject.toml": PROJECT}, Detected("pip", "requirements.txt")),
        ({"uv.lock": "", "pyproject.toml": PROJECT}, Detected("uv", "uv.lock")),
        ({"Pipfile": "", "Pipfile.lock": "{}"}, Detected("pipenv", "Pipfile.lock")),
        ({"poetry.lock": "", "pyproject.toml": POETRY}, Detected("poetry", "poetry.lock")),
        ({"pyproject.toml": PROJECT}, Detected("pyproject", "pyproject.toml")),
        ({"pyproject.toml": '[project]\nname="a"\ndynamic=["dependencies"]'}, Detected("pyproject", "pyproject.toml")),
    ],
)
def test_what_is_there_says_how(write_project, files, detected):
    source = write_project(files)
    assert detect(source) == detected
    assert has_dependencies(source)
    assert find_python(source)


def refuse(source):
    with pytest.raises(ToppcloudError) as refused:
        detect(source)
    return "\n".join(refused.value.lines())


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"requirements.txt": "", "uv.lock": ""}, "To keep requirements.txt: git rm uv.lock"),
        ({"uv.lock": ""}, "git add pyproject.toml"),
        ({"poetry.lock": ""}, "git add pyproject.toml"),
        ({"Pipfile.lock": "{}"}, "git add Pipfile"),
        ({"Requirements.txt": ""}, "git mv Requirements.txt requirements.txt"),
        ({"requirments.txt": ""}, "git mv requirments.txt requirements.txt"),
        ({"requirements txt": ""}, "git mv 'requirements txt' requirements.txt"),
        ({"pipfile.lock": "{}"}, "git mv pipfile.lock Pipfile.lock"),
        ({"procfile": ""}, "git mv procfile Procfile"),
        ({"Pipfile": ""}, "pipenv lock && git add Pipfile.lock"),
        ({"Pipfile": "", "requirements.txt": ""}, "git rm requirements.txt"),
        ({"pyproject.toml": POETRY}, "poetry lock && git add poetry.lock"),
        ({"pyproject.toml": '[project]\nname = "blog"\n'}, "without [project] dependencies"),
        ({"pdm.lock": ""}, "pdm export"),
        ({"setup.py": ""}, "echo '--editable .' > requirements.txt"),
        ({"backend/requirements.txt": ""}, "backend/requirements.txt is there, in a folder"),
        ({"api/Pipfile.lock": ""}, "api/Pipfile.lock is there, in a folder"),
        ({".gitignore": "*.lock\n"}, ".gitignore has the line *.lock, which leaves poetry.lock out"),
        ({".slugignore": "/requirements.txt\n"}, ".slugignore has the line /requirements.txt"),
        ({"README.md": "", "docs/index.html": "", "dist/index.html": ""}, '[web] static = "dist"'),
        ({"pyproject.toml": "[project"}, "pyproject.toml cannot be read"),
        ({"x": "", "src/y": ""}, "There is: src/, x"),
        ({"app.py": ""}, "app.py is Python's"),
        ({"venv/pyvenv.cfg": ""}, "venv is Python's"),
        ({"package-lock.json": "{}"}, "package-lock.json is there, without its package.json"),
        ({"package.json": '{"main": "web.js"}', "web.js": ""}, "npm pkg set 'scripts.start=node web.js'"),
        ({"package.json": "{}", "index.js": ""}, "npm pkg set 'scripts.start=node index.js'"),
    ],
)
def test_refusal_names_what_is_near(write_project, files, said):
    assert said in refuse(write_project(files))


def test_a_lock_beside_its_package_json_is_not_called_alone(write_project):
    said = refuse(write_project({"package.json": "{}", "package-lock.json": "{}", "index.js": ""}))
    assert "without its package.json" not in said
    assert "Node.js: package.json with a start or build script" in said


def test_all_four_lists_at_once_are_named_with_the_line_that_keeps_one(write_project):
    text = refuse(write_project({"requirements.txt": "", "Pipfile.lock": "", "poetry.lock": "", "uv.lock": ""}))
    assert "requirements.txt, Pipfile.lock, poetry.lock and uv.lock are all there." in text
    assert "To keep poetry.lock: git rm requirements.txt Pipfile.lock uv.lock" in text


def test_nothing_known_lists_every_kind_of_project_that_was_looked_for(write_project):
    text = refuse(write_project({"notes.md": ""}))
    for looked in ("requirements.txt", "Pipfile.lock", "package.json", "Gemfile", "index.html", "Procfile"):
        assert looked in text


def test_names_at_the_top_are_not_too_many(write_project):
    text = refuse(write_project({f"chapter{number:02}.md": "" for number in range(40)}))
    assert "(24 more)" in text


def test_a_project_of_another_language_is_not_pythons(write_project):
    assert find_python(write_project({"package.json": "{}", "index.js": "", "README.md": ""})) is None
