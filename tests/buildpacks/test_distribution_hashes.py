"""One hash for each installed distribution: equal wherever the same wheel lies, another as soon as a file is."""

import os
from pathlib import Path

from buildpacks.distributions import hash_distributions

FLASK = {
    "flask/app.py": "sha256=aa,10",
    "flask-3.1.0.dist-info/METADATA": "sha256=bb,20",
    "flask-3.1.0.dist-info/RECORD": ",",
    "flask/__pycache__/app.cpython-312.pyc": ",",
}


def install(venv: Path, record: dict[str, str], name: str = "Flask-3.1.0") -> Path:
    """A virtualenv whose one distribution has that RECORD."""
    folder = venv / "lib/python3.12/site-packages" / f"{name}.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text("".join(f"{path},{rest}\n" for path, rest in record.items()))
    return venv


def test_what_an_installer_adds_for_the_place_changes_nothing(tmp_path: Path) -> None:
    plain = install(tmp_path / "plain", FLASK)
    added = {
        "../../../bin/flask": "sha256=cc,300",
        "flask-3.1.0.dist-info/INSTALLER": "sha256=dd,2",
        "flask-3.1.0.dist-info/REQUESTED": "sha256=ee,0",
        "flask/__pycache__/cli.cpython-312.pyc": "sha256=ff,7",
    }
    placed = install(tmp_path / "placed", {**added, **FLASK})
    (placed / "bin").mkdir()
    (placed / "bin/flask").write_text(f"#!{placed}/bin/python\n")
    assert hash_distributions(placed) == hash_distributions(plain)
    assert hash_distributions(plain)["flask"].startswith("sha256:")


def test_another_file_makes_another_hash(tmp_path: Path) -> None:
    hashes = [
        hash_distributions(install(tmp_path / str(number), record))["flask"]
        for number, record in enumerate(
            [FLASK, {**FLASK, "flask/app.py": "sha256=ab,10"}, {**FLASK, "flask/cli.py": "sha256=aa,1"}]
        )
    ]
    assert len(set(hashes)) == 3


def test_a_compiled_program_counts_and_a_script_does_not(tmp_path: Path) -> None:
    venv = install(tmp_path / "venv", {**FLASK, "../../../bin/ruff": "sha256=cc,300"})
    (venv / "bin").mkdir()
    (venv / "bin/ruff").write_bytes(b"\x7fELF")
    assert hash_distributions(venv) != hash_distributions(install(tmp_path / "plain", FLASK))


def test_link_to_a_source_changes_nothing(tmp_path: Path) -> None:
    metadata = {"blog-1.dist-info/METADATA": "sha256=bb,20", "blog-1.dist-info/direct_url.json": "sha256=aa,80"}
    one, other = (
        install(tmp_path / name, {**metadata, "__editable__.blog-1.pth": f"sha256={name},9"}, "blog-1")
        for name in ("one", "other")
    )
    assert hash_distributions(one) == hash_distributions(other)


def test_record_that_is_no_file_gives_no_hash(tmp_path: Path) -> None:
    venv = install(tmp_path / "venv", FLASK)
    record = next(venv.rglob("RECORD"))
    record.unlink()
    record.symlink_to("/etc/passwd")
    assert hash_distributions(venv) == {}
    record.unlink()
    os.mkfifo(record)
    assert hash_distributions(venv) == {}
