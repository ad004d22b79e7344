"""`make demo` and `make stop`: a node of its own, with the guestbook pushed to it by plain git over ssh.

Everything that it makes lies in one folder: `.demo/` in the clone, as root `/var/lib/toppcloud-demo` (an account other
than root's must be able to enter it). Nothing under ~/.ssh is read or written.
"""

from __future__ import annotations

import http.client
import os
import shlex
import shutil
import socket
import sys
import time
from pathlib import Path

from deploy.ssh_keys import make_user_key
from toppcloud.errors import ToppcloudError
from toppcloud.files import write_file
from toppcloud.layout import Layout
from toppcloud.program import ProgramFailed, run
from toppcloud.settings import NodeSettings, parse_address, read_settings

CLONE = Path(__file__).resolve().parent.parent
APP = "guestbook"
TOPPCLOUD = Path(sys.executable).with_name("toppcloud")
ANSWERS_WITHIN_S = 30.0


def main() -> int:
    root = Path("/var/lib/toppcloud-demo") if os.geteuid() == 0 else CLONE / ".demo"
    try:
        if sys.argv[1:] == ["stop"]:
            toppcloud(root, "node", "stop")
        else:
            show_demo(root)
    except ProgramFailed as failure:
        print(f"\n{failure.what} Its output stands above.", file=sys.stderr)
        return 1
    except ToppcloudError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return 1
    return 0


def show_demo(root: Path) -> None:
    """Start the node, push the guestbook, wait until it answers, say what to type next."""
    client = root / "demo"
    for folder in (root, client):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755 if os.geteuid() == 0 else 0o700)  # root's apps run as another account
    key = client / "id_ed25519"
    if not key.exists():
        make_user_key(key)
    ssh, router = choose_addresses(root)
    toppcloud(root, "node", "start", "--ssh", ssh, "--http", router, "--admin-key", f"{key}.pub")
    settings = read_settings(Layout(root).node_toml)
    repository = prepare_repository(root, client, settings)
    print("\n$ git push toppcloud main", flush=True)
    git(repository, "push", "toppcloud", "main", shows=True)
    status = wait_for_page(settings)
    print(f"\n{settings.url(APP)} answered with {status}.\n")
    print(next_lines(repository, settings))


def choose_addresses(root: Path) -> tuple[str, str]:
    """What an earlier run of the demo has; else the default ports, or the next free ones."""
    if Layout(root).node_toml.exists():
        settings = read_settings(Layout(root).node_toml)
        return settings.ssh, settings.http
    defaults = NodeSettings()
    return next_free(defaults.ssh), next_free(defaults.http)


def next_free(address: str) -> str:
    """`127.0.0.1:2222`, or the first free port above it."""
    host, port = parse_address(address)
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return f"{host}:{port}"
            except OSError:
                port += 1


def prepare_repository(root: Path, client: Path, settings: NodeSettings) -> Path:
    """The guestbook as a repository of its own, with a remote and ssh options that concern only it."""
    known_hosts = client / "known_hosts"
    host, port = settings.ssh_address
    write_file(known_hosts, f"[{host}]:{port} {Layout(root).host_key_pub.read_text().strip()}\n")
    repository = client / APP
    if not (repository / ".git").is_dir():
        shutil.copytree(CLONE / "examples" / APP, repository, dirs_exist_ok=True)
        git(repository, "init", "--quiet", "--initial-branch=main")
        git(repository, "config", "user.name", "toppcloud demo")
        git(repository, "config", "user.email", "demo@localhost")
        git(repository, "add", ".")
        git(repository, "commit", "--quiet", "--message", "A guestbook")
    ssh = ["ssh", "-F", "none", "-o", f"IdentityFile={ssh_quote(client / 'id_ed25519')}", "-o", "IdentitiesOnly=yes"]
    ssh += ["-o", f"UserKnownHostsFile={ssh_quote(known_hosts)}"]
    git(repository, "config", "core.sshCommand", shlex.join(ssh))
    if "toppcloud" not in run_git(repository, "remote"):
        git(repository, "remote", "add", "toppcloud", "placeholder")
    git(repository, "remote", "set-url", "toppcloud", f"ssh://toppcloud@{settings.ssh}/{APP}")
    return repository


def ssh_quote(path: Path) -> str:
    """A path as an option of ssh takes it: one word, `%` doubled (ssh_config(5))."""
    text = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def wait_for_page(settings: NodeSettings) -> int:
    """Ask as a browser would until the page comes; the status that it came with."""
    host, port = settings.http_address
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=ANSWERS_WITHIN_S)
        try:
            connection.request("GET", "/", headers={"Host": settings.host(APP)})
            status = connection.getresponse().status
        except OSError:
            status = 0
        finally:
            connection.close()
        if status == 200 or time.monotonic() > deadline:
            if status != 200:
                raise ToppcloudError(f"{settings.url(APP)} answered with {status}.", "", "See: toppcloud logs")
            return status
        time.sleep(0.1)


def next_lines(repository: Path, settings: NodeSettings) -> str:
    return f"""What to type next:

    cd {shlex.quote(str(repository))}
    export PATH={shlex.quote(str(TOPPCLOUD.parent))}:$PATH      # for the command `toppcloud`
    toppcloud ps                               # what runs
    toppcloud config:set GREETING=hello        # a config var: a release of its own
    toppcloud releases                         # what was live, and when
    toppcloud rollback                         # and back
    toppcloud logs --tail
    toppcloud help

Change app.py, commit, and: git push toppcloud main
The browser's address is {settings.url(APP)} . Stop the node with: make stop"""


def toppcloud(root: Path, *words: str) -> None:
    """The command itself, on the demo's root; its lines are shown as they come.

    The environment is the person's: a node's first start takes package index, certificates and PATH from it.
    """
    environment = {key: value for key, value in os.environ.items() if key != "TOPPCLOUD_ROOT"}
    run([TOPPCLOUD, *words, "--root", root], env=environment, timeout_s=120, on_line=show)


def git(repository: Path, *words: str, shows: bool = False) -> None:
    run(
        ["git", "-C", repository, *words],
        env={"HOME": str(repository.parent), "PATH": os.environ.get("PATH", "")},
        timeout_s=300,
        on_line=show if shows else None,
    )


def run_git(repository: Path, *words: str) -> list[str]:
    environment = {"HOME": str(repository.parent), "PATH": os.environ.get("PATH", "")}
    return list(run(["git", "-C", repository, *words], env=environment).lines)


def show(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
