import pytest

from buildpacks.processes import choose_processes, read_declarations
from buildpacks.python_source import Definition, parse_definitions
from buildpacks.web_default import choose_web_default
from toppcloud.errors import ToppcloudError

MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', '{}')\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FACTORY = "from flask import Flask\ndef create_app(config=None):\n    a = Flask(__name__)\n    return a\n"
FASTAPI = "import fastapi\n\napplication: object = fastapi.FastAPI()\n"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"manage.py": MANAGE.format("blog.settings"), "blog/wsgi.py": ""}, "gunicorn blog.wsgi"),
        ({"manage.py": MANAGE.format("config.settings.prod"), "config/wsgi.py": ""}, "gunicorn config.wsgi"),
        ({"manage.py": "", "site/core/wsgi.py": ""}, "gunicorn site.core.wsgi"),
        (
            {"back end/manage.py": MANAGE.format("blog.settings"), "back end/blog/wsgi.py": ""},
            "gunicorn --chdir 'back end' blog.wsgi",
        ),
        ({"app.py": FLASK}, "gunicorn app:app"),
        ({"zoo.py": FLASK.replace("app =", "zoo =")}, "gunicorn zoo:zoo"),
        ({"flaskr/__init__.py": FACTORY}, "gunicorn 'flaskr:create_app()'"),
        ({"src/flaskr/__init__.py": FACTORY}, "gunicorn --pythonpath src 'flaskr:create_app()'"),
        (
            {"blog/__init__.py": FACTORY, "wsgi.py": "from blog import create_app\napp = create_app()"},
            "gunicorn wsgi:app",
        ),
        ({"tests/app.py": FLASK, "server.py": FLASK}, "gunicorn server:app"),
        ({"main.py": FASTAPI}, "gunicorn -k uvicorn_worker.UvicornWorker main:application"),
        (
            {"app/__init__.py": "", "app/main.py": FASTAPI},
            "gunicorn -k uvicorn_worker.UvicornWorker app.main:application",
        ),
        ({"app.py": FLASK + "type X = int\nf'{'a'}'\n"}, "gunicorn app:app"),
    ],
)
def test_web_process_is_found(write_project, files, command):
    default = choose_web_default(write_project(files))
    assert default is not None
    assert default.command == command


@pytest.mark.parametrize(
    "text",
    [
        "app = 3",
        "def f():\n    app = Flask(__name__)",
        "if __name__ == '__main__':\n    app = Flask(__name__)",
        "def create_app(config):\n    return Flask(__name__)",
        "'''\napp = Flask(__name__)\n'''",
        "app = Flask(" + "(" * 5000,
        "x = " + "-" * 100_000 + "1",
        "\0",
    ],
)
def test_nothing_is_found_where_nothing_is(write_project, text):
    assert parse_definitions(text) is not None
    if "((" not in text:
        assert choose_web_default(write_project({"app.py": text})) is None


def test_hostile_file_is_never_run(write_project, tmp_path):
    choose_web_default(write_project({"app.py": f"open({str(tmp_path / 'ran')!r}, 'w')\n" + FLASK}))
    assert not (tmp_path / "ran").exists()


def test_definitions_of_a_file_in_a_newer_syntax():
    text = "def create_app():\n    return Flask(__name__)\n\nmatch = f'{'a'}'\nxs = [\n  *:]\n"
    assert Definition("create_app", "def", frozenset({"create_app", "Flask"})) in [
        Definition(d.name, d.kind, d.makes | {"create_app"}) for d in parse_definitions(text)
    ]


def choose(source):
    return choose_processes(source, read_declarations(source), choose_web_default(source))


def test_procfile_beats_toml_beats_default(write_project):
    source = write_project(
        {"app.py": FLASK, "toppcloud.toml": "[web]\nasgi = 'a:b'", "Procfile": "web: x\nrelease: y\nw: z"}
    )
    assert choose(source).commands == {"web": "x", "w": "z"}
    assert choose(source).release_command == "y"
    (source / "Procfile").unlink()
    assert choose(source).commands == {"web": "gunicorn -k uvicorn_worker.UvicornWorker a:b"}
    (source / "toppcloud.toml").unlink()
    assert choose(source).commands == {"web": "gunicorn app:app"}


def test_procfile_with_release_only_gets_the_default_web(write_project):
    processes = choose(write_project({"app.py": FLASK, "Procfile": "release: migrate"}))
    assert (processes.commands, processes.release_command) == ({"web": "gunicorn app:app"}, "migrate")
    assert "Procfile has no web process" in processes.why


def test_procfile_with_a_worker_only_stays_without_web(write_project):
    assert choose(write_project({"app.py": FLASK, "Procfile": "worker: x"})).commands == {"worker": "x"}


@pytest.mark.parametrize(
    ("files", "said"), [({}, "Looked for Procfile"), ({"procfile": "web: x"}, "git mv procfile Procfile")]
)
def test_nothing_to_run_is_refused(write_project, files, said):
    with pytest.raises(ToppcloudError) as refused:
        choose(write_project({"x.py": "", **files}))
    assert refused.value.reason == "missing Procfile"
    assert said in "\n".join(refused.value.lines())


def test_services_of_both_files_count_once(write_project):
    toml = "[services.postgres]\nscheme = 'postgres'"
    source = write_project({"app.json": '{"addons": ["heroku-postgresql"]}', "toppcloud.toml": toml})
    (service,) = read_declarations(source).services()
    assert service.options == {"scheme": "postgres"}
