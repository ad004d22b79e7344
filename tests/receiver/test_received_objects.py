"""Packs by bytes on the wire: damaged, incomplete, against git's rules, too large. Nothing of them stays."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zlib

import pytest

from receiver.pack_meter import BLOB, COMMIT, OFS_DELTA, REF_DELTA, TREE

pytestmark = pytest.mark.git

ZERO = b"0" * 40
NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}


def hash_object(kind: int, raw: bytes) -> str:
    return hashlib.sha1(NAMES[kind] + b" %d\0" % len(raw) + raw).hexdigest()


def render_entry(kind: int, raw: bytes, *, size: int | None = None, base: bytes = b"") -> bytes:
    left = len(raw) if size is None else size
    byte, left = (kind << 4) | (left & 15), left >> 4
    head = bytearray()
    while left:
        head.append(byte | 0x80)
        byte, left = left & 0x7F, left >> 7
    return bytes([*head, byte]) + base + zlib.compress(raw)


def render_pack(*entries: bytes, count: int | None = None) -> bytes:
    body = b"PACK" + (2).to_bytes(4) + (len(entries) if count is None else count).to_bytes(4) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def render_commit(tree: str, parent: str = "") -> bytes:
    who = "ana <ana@x> 1700000000 +0000"
    parents = f"parent {parent}\n" if parent else ""
    return f"tree {tree}\n{parents}author {who}\ncommitter {who}\n\nMade by hand\n".encode()


def render_tree(*entries: tuple[str, bytes, str]) -> bytes:
    return b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(target) for mode, name, target in entries)


def packet(data: bytes) -> bytes:
    return b"%04x" % (len(data) + 4) + data


def send(pusher, commit: str, pack: bytes, *, old: bytes = ZERO, name: bytes = b"refs/heads/main") -> str:
    """Push `pack` as a client would that trusts itself. Returns all that the node answers, side-bands unpacked."""
    line = old + b" " + commit.encode() + b" " + name + b"\0 report-status side-band-64k agent=test"
    return exchange(pusher, packet(line) + b"0000" + pack)


def exchange(pusher, request: bytes) -> str:
    serve = pusher.environment["GIT_SSH_COMMAND"].split()
    done = subprocess.run(
        [*serve, "node", "git-receive-pack '/blog'"],
        input=request,
        env=pusher.environment,
        capture_output=True,
        timeout=60,
    )
    return done.stdout.decode("utf-8", "replace") + done.stderr.decode()


def push_tree(pusher, tree: bytes, *more: bytes) -> str:
    commit = render_commit(hash_object(TREE, tree))
    entries = [render_entry(COMMIT, commit), render_entry(TREE, tree), render_entry(BLOB, b"x"), *more]
    return send(pusher, hash_object(COMMIT, commit), render_pack(*entries))


def assert_refused(pusher, answer: str, reason: str) -> None:
    assert f"ng refs/heads/main {reason}" in answer
    assert pusher.references() == {}
    assert list((pusher.repository / "objects" / "pack").iterdir()) == []
    pusher.assert_clean()


X = hash_object(BLOB, b"x")
EMPTY_TREE = hash_object(TREE, b"")


def test_sound_pack_is_accepted(pusher):
    assert "ok refs/heads/main" in push_tree(pusher, render_tree(("100644", b"a", X), ("100755", b"b", X)))
    pusher.assert_clean()


BAD_TREES = [
    [("40000", b"..", EMPTY_TREE)],
    [("40000", b".", EMPTY_TREE)],
    [("100644", b"../evil", X)],
    [("100644", b"a/b", X)],
    [("40000", b".git", EMPTY_TREE)],
    [("40000", b".GIT", EMPTY_TREE)],
    [("40000", b".git . ", EMPTY_TREE)],
    [("40000", b"git~1", EMPTY_TREE)],
    [("40000", b".git::$INDEX_ALLOCATION", EMPTY_TREE)],
    [("40000", ".g\u200cit".encode(), EMPTY_TREE)],
    [("100644", b"a\\.git", X)],
    [("100644", b"", X)],
    [("100644", b"a", X), ("100644", b"a", X)],
    [("100644", b"a", X), ("40000", b"a", EMPTY_TREE)],
    [("100644", b"b", X), ("100644", b"a", X)],
    [("104755", b"a", X)],
    [("102755", b"a", X)],
    [("100666", b"a", X)],
    [("20644", b"a", X)],
    [("100644", b"a", "0" * 40)],
]


@pytest.mark.parametrize(
    "entries",
    BAD_TREES,
    ids=lambda entries: repr([(mode, name) for mode, name, _ in entries]),
)
def test_tree_against_the_rules_is_refused(pusher, entries):
    answer = push_tree(pusher, render_tree(*entries), render_entry(TREE, b""))
    is_git_first = pusher.node_git and "objects break git's rules" not in answer
    assert_refused(pusher, answer, "broken or missing objects" if is_git_first else "objects break git's rules")


@pytest.mark.parametrize("mode", ["100664", "040000"])
def test_harmless_sins_of_old_tools_are_forgiven(pusher, mode):
    tree = render_tree((mode, b"a", X if mode.startswith("1") else EMPTY_TREE))
    assert "ok refs/heads/main" in push_tree(pusher, tree, render_entry(TREE, b""))


def test_reference_to_an_object_that_nobody_sent_is_refused(pusher):
    assert_refused(pusher, send(pusher, "1" * 40, render_pack()), "missing objects")


def test_commit_whose_file_is_missing_is_refused(pusher):
    tree = render_tree(("100644", b"a", "2" * 40))
    reason = "broken or missing objects" if pusher.node_git else "missing objects"
    assert_refused(pusher, push_tree(pusher, tree), reason)


def test_commit_whose_parent_is_missing_is_refused(pusher):
    commit = render_commit(EMPTY_TREE, "3" * 40)
    pack = render_pack(render_entry(COMMIT, commit), render_entry(TREE, b""))
    reason = "broken or missing objects" if pusher.node_git else "missing objects"
    assert_refused(pusher, send(pusher, hash_object(COMMIT, commit), pack), reason)


def test_delta_on_a_base_that_is_nowhere_is_refused(pusher):
    delta = render_entry(REF_DELTA, b"\x01\x01\x01y", base=bytes.fromhex("4" * 40))
    answer = push_tree(pusher, render_tree(("100644", b"a", X)), delta)
    assert_refused(pusher, answer, "broken or missing objects" if pusher.node_git else "broken pack")


def _sound_pack() -> tuple[str, bytes]:
    tree = render_tree(("100644", b"a", X))
    commit = render_commit(hash_object(TREE, tree))
    entries = [render_entry(COMMIT, commit), render_entry(TREE, tree), render_entry(BLOB, b"x")]
    return hash_object(COMMIT, commit), render_pack(*entries)


def test_pack_with_another_checksum_is_refused(pusher):
    commit, pack = _sound_pack()
    answer = send(pusher, commit, pack[:-1] + bytes([pack[-1] ^ 1]))
    assert_refused(pusher, answer, "broken or missing objects" if pusher.node_git else "broken pack")


@pytest.mark.parametrize("flip", [4, 14, 20])
def test_damaged_pack_is_refused(pusher, flip):
    commit, pack = _sound_pack()
    answer = send(pusher, commit, pack[:flip] + bytes([pack[flip] ^ 0xFF]) + pack[flip + 1 :])
    assert_refused(pusher, answer, "broken pack")


@pytest.mark.parametrize("length", [0, 5, 12, 30, -5])
def test_pack_cut_short_leaves_nothing(pusher, length):
    commit, pack = _sound_pack()
    assert_refused(pusher, send(pusher, commit, pack[:length]), "broken off")


def test_pusher_killed_within_the_pack_leaves_nothing(pusher):
    commit, pack = _sound_pack()
    serve = pusher.environment["GIT_SSH_COMMAND"].split()
    node = subprocess.Popen(
        [*serve, "node", "git-receive-pack '/blog'"],
        env=pusher.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    line = ZERO + b" " + commit.encode() + b" refs/heads/main\0 report-status side-band-64k"
    node.stdin.write(packet(line) + b"0000" + pack[:40])
    node.stdin.flush()
    while not list(pusher.repository.glob("quarantine/*/pack")):
        assert node.poll() is None
    node.stdout.close()
    node.stdin.close()
    assert node.wait(30) == 1
    pusher.assert_clean()


def test_quarantine_of_a_killed_node_is_swept_by_the_next_push(pusher):
    pusher.push()
    left = pusher.repository / "quarantine" / "deadbeef" / "pack"
    left.mkdir(parents=True)
    (left / "tmp_pack_x").write_bytes(b"PACK")
    (pusher.repository / "refs" / "heads" / "main.lock").touch()
    pusher.commit()
    pusher.push()
    pusher.assert_clean()


def test_bomb_is_refused_while_it_inflates(pusher):
    pusher.set_node(limits=(10**8, 10**8, 10**8 // 2))
    bomb = render_entry(BLOB, bytes(10**8 // 2 + 1))
    assert_refused(pusher, push_tree(pusher, render_tree(("100644", b"a", X)), bomb), "file too large")


def test_many_files_that_inflate_too_far_are_refused(pusher):
    pusher.set_node(limits=(10**8, 10**6, 10**6))
    files = [render_entry(BLOB, bytes(300_000) + bytes([number])) for number in range(4)]
    assert_refused(pusher, push_tree(pusher, render_tree(("100644", b"a", X)), *files), "inflates too far")


def test_object_that_lies_about_its_size_is_refused(pusher):
    lie = render_entry(BLOB, bytes(10**6), size=10)
    assert_refused(pusher, push_tree(pusher, render_tree(("100644", b"a", X)), lie), "broken pack")


def test_delta_that_makes_too_much_is_refused(pusher):
    """31 bytes that copy one million bytes a thousand times over."""
    base = bytes(10**6)
    pusher.set_node(limits=(10**8, 10**9 * 2, 10**7))

    def varint(number: int) -> bytes:
        out = bytearray()
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes([*out, number])

    copy_all = b"\xf0" + (10**6).to_bytes(3, "little")
    delta = varint(10**6) + varint(10**9) + copy_all * 1000
    first = render_entry(BLOB, base)
    bomb = render_entry(OFS_DELTA, delta, base=_render_distance(len(first)))
    assert_refused(pusher, push_tree(pusher, render_tree(("100644", b"a", X)), first, bomb), "file too large")


def _render_distance(distance: int) -> bytes:
    out = [distance & 0x7F]
    while distance := distance >> 7:
        distance -= 1
        out.insert(0, distance & 0x7F | 0x80)
    return bytes(out)


def test_pack_above_the_limit_is_refused_while_the_pusher_sends(pusher):
    pusher.set_node(limits=(100_000, 10**9, 10**9))
    pusher.commit("Large", data=os.urandom(20_000_000))
    text = pusher.push(status=1)
    assert " ! [remote rejected] main -> main (pack too large)" in text
    assert "largest_pack_mb in node.toml" in text
    pusher.assert_clean()


def test_file_above_the_limit_is_refused_while_the_pusher_sends(pusher):
    pusher.set_node(limits=(10**9, 10**9, 1_000_000))
    pusher.commit("Large", data=os.urandom(5_000_000))
    assert "(file too large)" in pusher.push(status=1)
    pusher.assert_clean()


def test_old_value_that_is_not_ours_is_refused(pusher):
    pusher.push()
    before = pusher.references()
    commit, pack = _sound_pack()
    assert "ng refs/heads/main somebody else pushed meanwhile" in send(pusher, commit, pack)
    assert "ng refs/heads/main somebody else pushed meanwhile" in send(pusher, commit, pack, old=b"5" * 40)
    assert pusher.references() == before
    pusher.assert_clean()


@pytest.mark.parametrize("name", [b"refs/heads/../../config", b"HEAD", b"refs/heads/a..b", b"refs/tags/" + b"x" * 300])
def test_funny_names_are_refused(pusher, name):
    commit, pack = _sound_pack()
    assert b"ng " + name + b" funny refname" in send(pusher, commit, pack, name=name).encode()
    assert pusher.references() == {}


@pytest.mark.parametrize("request_bytes", [b"what", b"0005x", packet(b"hello"), packet(b"shallow zz"), b"fff"])
def test_what_is_no_git_is_refused_and_leaves_nothing(pusher, request_bytes):
    exchange(pusher, request_bytes)
    assert not pusher.repository.exists()  # an app is made when its push is understood, and not before


def test_same_name_twice_is_refused(pusher):
    commit, pack = _sound_pack()
    line = ZERO + b" " + commit.encode() + b" refs/heads/main"
    request = packet(line + b"\0 report-status side-band-64k") + packet(line) + b"0000" + pack
    assert "ng refs/heads/main named twice" in exchange(pusher, request)


def test_client_without_side_band_is_answered_too(pusher):
    commit, pack = _sound_pack()
    request = packet(ZERO + b" " + commit.encode() + b" refs/heads/main\0 report-status") + b"0000" + pack
    answer = exchange(pusher, request)
    assert "ok refs/heads/main\n" in answer
    assert "remote: -----> v18 live\n" in answer
