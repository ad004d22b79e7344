"""collectstatic on projects of Django's, each with one trait or one fault, and the address that the router gets."""

from __future__ import annotations

import pytest

from buildpacks.django_static import parse_static_url
from tests.buildpacks.test_build import MANAGE
from toppcloud.errors import ToppcloudError

SETTINGS = """from pathlib import Path
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.staticfiles", "blog"]
STATIC_URL = "static/"
STATIC_ROOT = Path(__file__).parent.parent / "collected"
"""
HASHED = """
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
"""
STORE = """
from django.core.files.storage import Storage
class Elsewhere(Storage):
    def exists(self, name): return False
    def _save(self, name, content): print("sent", name); return name
    def url(self, name): return "https://cdn.example.com/" + name
"""


def project(settings: str = SETTINGS, **files: str) -> dict[str, str]:
    return {
        "requirements.txt": "django>=4.2,<5.3\n",
        "manage.py": MANAGE,
        "blog/__init__.py": "",
        "blog/settings.py": settings,
        "blog/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
        "blog/static/a.css": "a {}",
        **files,
    }


def refuse(builder, files, environment=None) -> ToppcloudError:
    with pytest.raises(ToppcloudError) as refused:
        builder.push(files, environment)
    assert refused.value.reason == "collectstatic failed"
    assert "DISABLE_COLLECTSTATIC=1" in refused.value.cure
    return refused.value


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/static/", "static"),
        ("static/", "static"),
        ("/app/static/", "app/static"),
        ("/a-b_c.d/", "a-b_c.d"),
        ("/", ""),
        ("", ""),
        ("https://cdn.example.com/static/", ""),
        ("//cdn.example.com/static/", ""),
        ("/../static/", ""),
        ("/.static/", ""),
        ("/sta tic/", ""),
        ("/sta%2ftic/", ""),
        ("/sta//tic/", ""),
        ("/sta\ntic/", ""),
        ("/" + "x" * 300, ""),
    ],
)
def test_address_is_a_plain_path_on_this_host(text, address):
    found, reason = parse_static_url(text)
    assert found == address
    assert bool(reason) != bool(address)
    assert "\n" not in reason


def test_project_in_a_folder_is_collected_with_its_config_vars(builder):
    settings = SETTINGS + 'import os\nassert os.environ["EXPECTED"] == "1"\n'
    files = {f"backend/{path}": text for path, text in project(settings).items()}
    files |= {
        "requirements.txt": "-r backend/requirements.txt\n",
        "Procfile": "web: gunicorn --chdir backend blog.wsgi",
    }
    slug = builder.push(
        files,
        {
            "EXPECTED": "1",
            "PYTHONPATH": "/invalid",
            "LD_LIBRARY_PATH": "/invalid",
            "PATH": "/invalid",
            "PYTHONHOME": "/invalid",
        },
    )
    assert slug.static == (("static", "backend/collected"),)
    assert "collectstatic: 1 file at /static/" in builder.text
    assert (builder.app.slug(slug.id).public / "static/a.css").read_text() == "a {}"


def test_address_has_the_prefix_of_force_script_name(builder):
    slug = builder.push(project(SETTINGS + 'FORCE_SCRIPT_NAME = "/shop"\n'))
    assert slug.static == (("shop/static", "collected"),)


def test_hashed_names_are_known_as_such(builder):
    slug = builder.push(project(SETTINGS + HASHED))
    names = [path.name for path in builder.app.slug(slug.id).public_hashed.rglob("*.css")]
    assert len(names) == 1
    assert names[0].startswith("a.")
    assert names[0] != "a.css"


def test_database_that_nobody_reaches_is_not_asked(builder):
    database = '"ENGINE": "django.db.backends.sqlite3", "NAME": "/nowhere/at/all/db.sqlite3"'
    slug = builder.push(project(SETTINGS + f'DATABASES = {{"default": {{{database}}}}}\n'))
    assert slug.static


def test_project_that_asks_its_database_at_import_is_told_so(builder):
    settings = SETTINGS + 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/no/db"}}\n'
    asking = "from django.db import connection\nconnection.cursor()\n"
    error = refuse(builder, project(settings, **{"blog/models.py": asking}))
    assert "asks its database while it is imported" in error.why


def test_folder_that_the_build_may_not_write_to_is_named(builder, folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o555)
    error = refuse(builder, project(SETTINGS + f'STATIC_ROOT = "{closed}/static"\n'))
    assert f"It may not write to {closed}" in error.why
    assert 'STATIC_ROOT = BASE_DIR / "staticfiles"' in error.cure


ASKING = """
import os
try:
    SECRET_KEY = os.environ["MY_KEY"]
except KeyError as error:
    raise RuntimeError("Set it") from error
"""


@pytest.mark.parametrize("settings", ['import os\nSECRET_KEY = os.environ["MY_KEY"]\n', ASKING])
def test_missing_variable_is_named(builder, settings):
    error = refuse(builder, project(settings))
    assert "the variable MY_KEY" in error.why
    assert "toppcloud config:set MY_KEY=" in error.cure


def test_settings_module_that_is_not_there_is_named(builder):
    files = project(**{"manage.py": MANAGE.replace("blog.settings", "nowhere-at-all.settings")})
    error = refuse(builder, files)
    assert "DJANGO_SETTINGS_MODULE is nowhere-at-all.settings" in error.why
    assert "No module named 'nowhere-at-all'" in builder.text


def test_module_that_is_not_installed_is_named(builder):
    error = refuse(builder, project(SETTINGS + "import whitenoise_of_nobody\n"))
    assert "imports whitenoise_of_nobody" in error.why
    assert "runpy" not in builder.text


def test_missing_static_url_is_django_s_to_tell(builder):
    settings = 'SECRET_KEY = "x"\nINSTALLED_APPS = ["django.contrib.staticfiles"]\nSTATIC_ROOT = None\n'
    refuse(builder, project(settings))
    assert "without having set the required STATIC_URL setting" in builder.text


def test_names_of_variables_are_shown_when_asked_for(builder):
    refuse(builder, project("1 / 0\n"), {"DEBUG_COLLECTSTATIC": "1", "TOKEN": "hush"})
    assert "TOKEN" in builder.text
    assert "hush" not in builder.text


def test_marker_file_turns_it_off_and_says_what_is_better(builder):
    slug = builder.push(project(**{".heroku/collectstatic_disabled": "", "blog/settings.py": "1 / 0\n"}))
    assert slug.static == ()
    assert "collectstatic: off (.heroku/collectstatic_disabled)" in builder.text
    assert "config:set DISABLE_COLLECTSTATIC=1" in builder.text


def test_django_without_manage_py_collects_nothing(builder):
    files = {**project(), "Procfile": "web: gunicorn blog.wsgi"}
    del files["manage.py"]
    slug = builder.push(files)
    assert slug.static == ()
    assert "collectstatic: off, no manage.py" in builder.text


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('STATIC_URL = "/"\nMEDIA_URL = "/media/"', "STATIC_URL is /"),
        ('STATIC_URL = "https://cdn.example.com/"', "another host's"),
        ("STATIC_ROOT = Path(__file__).parent.parent", "project's code"),
        (
            'STATIC_ROOT = Path(__file__).parent / "static2"\nINSTALLED_APPS.append("blog.static2.app")',
            "project's code",
        ),
    ],
)
def test_what_the_router_must_not_serve_stays_the_app_s(builder, more, reason):
    slug = builder.push(project(f"{SETTINGS}{more}\n", **{"blog/static2/app/__init__.py": ""}))
    assert slug.static == ()
    assert "for the app to serve itself" in builder.text
    assert reason in builder.text
    assert not builder.app.slug(slug.id).public.exists()


def test_root_outside_the_project_is_named(builder, folder):
    outside = folder / "static"
    outside.mkdir()
    builder.node.account.own(outside)
    slug = builder.push(project(SETTINGS + f'STATIC_ROOT = "{outside}"\n'))
    assert slug.static == ()
    assert "outside the project" in builder.text


def test_storage_elsewhere_needs_no_root(builder):
    settings = (
        SETTINGS.replace("STATIC_ROOT", "OTHER") + 'STORAGES = {"staticfiles": {"BACKEND": "blog.store.Elsewhere"}}\n'
    )
    slug = builder.push(project(settings, **{"blog/store.py": STORE}))
    assert slug.static == ()
    assert "sent a.css" in builder.text
    assert "into the storage that the settings name" in builder.text


def test_django_of_long_ago_is_collected(builder):
    slug = builder.push({**project(), "requirements.txt": "django==2.1.15\n"})
    assert slug.static == (("static", "collected"),)
