from pathlib import Path

import pytest

from buildpacks.web_options import check_web_options
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Web

WEB = Web(static="public", sleeps_with=("worker",), unavailable_page="errors/503.html")


def make_source(folder: Path) -> Path:
    (folder / "public").mkdir()
    (folder / "errors").mkdir()
    (folder / "errors/503.html").write_text("<p>Back soon")
    return folder


def test_what_is_named_and_there_is_accepted(tmp_path: Path) -> None:
    check_web_options(make_source(tmp_path), WEB, ["web", "worker"])
    check_web_options(tmp_path, Web(), [])


@pytest.mark.parametrize(
    ("missing", "said"), [("public", "missing folder in [web] static: public"), ("errors/503.html", "errors/503.html")]
)
def test_named_path_that_is_missing_is_refused(tmp_path: Path, missing: str, said: str) -> None:
    (make_source(tmp_path) / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(ToppcloudError) as refused:
        check_web_options(tmp_path, WEB, ["web", "worker"])
    assert said in " ".join(refused.value.lines())


def test_link_out_of_the_project_is_no_folder_of_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "public").symlink_to("/etc")
    with pytest.raises(ToppcloudError):
        check_web_options(source, Web(static="public"), ["web"])


def test_mistyped_process_type_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ToppcloudError) as refused:
        check_web_options(tmp_path, Web(sleeps_with=("wroker",)), ["web", "worker"])
    assert "Did you mean 'worker'?" in " ".join(refused.value.lines())
