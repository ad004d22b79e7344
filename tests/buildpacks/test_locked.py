import pytest

from buildpacks.locked import Index, LockedPackage, batch, choose_index, render_index
from toppcloud.errors import ToppcloudError


def test_pypi_is_the_nodes_own_index():
    assert choose_index("pypi", "https://pypi.org/simple") is None
    assert choose_index("pypi", "https://me:secret@pypi.org/simple") is not None
    assert choose_index("mine", "https://pypi.example.com/simple") == Index("mine", "https://pypi.example.com/simple")


def test_index_of_a_lock_is_asked_before_those_of_the_node():
    index = Index("my-index", "https://${USER}:$TOKEN@pypi.example.com/simple", is_verified=False)
    environment = {
        "USER": "me",
        "TOKEN": "hunter2",
        "UV_INDEX": "https://more.example.com/simple",
        "UV_INSECURE_HOST": "old.example.com",
        "POETRY_HTTP_BASIC_MY_INDEX_PASSWORD": "p",
    }
    assert render_index(index, environment, "Pipfile.lock") == {
        "UV_INDEX": "my-index=https://me:hunter2@pypi.example.com/simple https://more.example.com/simple",
        "UV_INSECURE_HOST": "old.example.com pypi.example.com",
        "UV_INDEX_MY_INDEX_PASSWORD": "p",
    }


def test_variable_that_the_app_lacks_is_named():
    with pytest.raises(ToppcloudError, match=r"poetry\.lock needs the config var TOKEN"):
        render_index(Index("a", "https://${TOKEN}@pypi.example.com/simple"), {}, "poetry.lock")


def test_packages_are_put_together_by_index():
    index = Index("mine", "https://pypi.example.com/simple")
    packages = [LockedPackage("b==1", index), LockedPackage("a==1 --hash=sha256:ab")]
    found = batch(packages)
    assert [(part.index, part.text, part.is_hashed) for part in found] == [
        (None, "a==1 --hash=sha256:ab\n", True),
        (index, "b==1\n", False),
    ]
    assert batch([]) == ()
