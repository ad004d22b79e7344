"""SSH keys that are made, and public keys as people send them."""

from __future__ import annotations

import stat

import asyncssh
import pytest

from deploy.ssh_keys import fingerprint, make_host_key, make_user_key, parse_public_key
from toppcloud.errors import ToppcloudError


def test_host_key_is_private_and_made_once(tmp_path):
    path = tmp_path / "host_key"
    make_host_key(path)
    first = path.read_bytes()
    path.with_name("host_key.pub").unlink()
    make_host_key(path)
    assert path.read_bytes() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    public = asyncssh.read_private_key(path).export_public_key()
    assert path.with_name("host_key.pub").read_bytes() == public
    assert fingerprint(public.decode()).startswith("SHA256:")


@pytest.mark.parametrize("there", ["id_ed25519", "id_ed25519.pub"])
def test_user_key_is_never_made_over_a_file(tmp_path, there):
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / there).write_text("mine")
    with pytest.raises(FileExistsError):
        make_user_key(folder / "id_ed25519")
    assert [path.name for path in folder.iterdir()] == [there]
    assert (folder / there).read_text() == "mine"


def test_user_key_makes_its_folder_private(tmp_path):
    make_user_key(tmp_path / ".ssh" / "id_ed25519", "ana@laptop")
    assert stat.S_IMODE((tmp_path / ".ssh").stat().st_mode) == 0o700
    assert (tmp_path / ".ssh" / "id_ed25519.pub").read_text().endswith(" ana@laptop\n")


def test_public_key_is_normalised_to_one_line(tmp_path):
    key = asyncssh.generate_private_key("ssh-ed25519", comment="ana@laptop").export_public_key().decode()
    kind, data, _ = key.split()
    assert parse_public_key(f"\n# mine\n  {kind}   {data}  ana@laptop \r\n") == f"{kind} {data} ana@laptop"
    assert parse_public_key(f"{kind} {data}") == f"{kind} {data}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is no public key."),
        ("hello", "That is not a public key."),
        ("ssh-ed25519 AAAA", "That is not a public key."),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "That is a private key."),
        ("ssh-ed25519 AAAA\nssh-ed25519 AAAA", "There are 2 lines where one public key should be."),
    ],
)
def test_anything_else_is_refused(text, said):
    with pytest.raises(ToppcloudError) as refused:
        parse_public_key(text)
    assert refused.value.what == said


def test_options_before_a_key_are_refused():
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with pytest.raises(ToppcloudError):
        parse_public_key(f'command="id" {key}')


def test_weak_rsa_key_is_refused():
    key = asyncssh.generate_private_key("ssh-rsa", key_size=1024).export_public_key().decode()
    with pytest.raises(ToppcloudError, match="too weak"):
        parse_public_key(key)
