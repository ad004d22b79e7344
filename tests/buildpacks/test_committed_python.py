import pytest

from buildpacks.committed_python import find_committed_virtualenvs, refuse_committed_python
from toppcloud.errors import ToppcloudError


@pytest.mark.parametrize(
    "files",
    [
        {".venv/pyvenv.cfg": ""},
        {"venv/bin/python": ""},
        {"mine/bin/python": "", "mine/lib/python3.11/site-packages/six.py": ""},
    ],
)
def test_virtualenv_in_the_repository_is_refused_with_what_takes_it_out(write_project, files):
    name = next(iter(files)).partition("/")[0]
    with pytest.raises(ToppcloudError) as refused:
        refuse_committed_python(write_project({**files, "requirements.txt": ""}))
    assert f"git rm -r --cached {name} && echo {name}/ >> .gitignore" in refused.value.cure


def test_folder_of_herokus_python_is_refused(write_project):
    with pytest.raises(ToppcloudError, match=r"\.heroku/python/"):
        refuse_committed_python(write_project({".heroku/python/bin/python": ""}))


def test_other_folders_are_none_of_it(write_project):
    source = write_project({"bin/python": "", "tools/bin/python": "", "docs/pyvenv.cfg.md": "", ".heroku/run.yml": ""})
    (source / "link").symlink_to("tools")
    assert find_committed_virtualenvs(source) == []
    refuse_committed_python(source)
