"""What `node doctor` looks at: what runs and lies on the disk (deploying knows), and the Pythons (building knows)."""

from __future__ import annotations

from collections.abc import Iterator

from buildpacks.interpreters import find_interpreters
from deploy.doctor import examine_node
from deploy.finding import FAIL, OK, WARN, Finding
from toppcloud.node import Node


def check_node(node: Node) -> Iterator[Finding]:
    """All findings: causes before their consequences, Pythons last."""
    yield from examine_node(node)
    yield from check_interpreters(node)


def check_interpreters(node: Node) -> Iterator[Finding]:
    """Which Pythons apps can use, and which are closed to them."""
    found = find_interpreters(node)
    versions = sorted({i.version for i in found.usable}, key=_as_numbers)
    if versions:
        yield Finding(OK, f"Python {', '.join(versions)} for apps")
    else:
        yield Finding(FAIL, "apps have no Python", "apt-get install python3, or let a push fetch one: .python-version")
    for folder in sorted({closed.closed for closed in found.closed if closed.closed}):
        behind = {str(closed.version or closed.executable) for closed in found.closed if closed.closed == folder}
        names = ", ".join(sorted(behind, key=_as_numbers))
        what = f"Python {names} cannot be used: {folder} is closed to the account {node.account.name}"
        yield Finding(WARN, what, f"chmod o+x {folder}, or leave it")
    for broken in found.closed:
        if broken.closed is None:
            what = f"{broken.executable} cannot be run by the account {node.account.name}: {broken.output.rstrip('.')}"
            yield Finding(WARN, what, "Install it where all may use it, or leave it")


def _as_numbers(version: str) -> list[int]:
    """For sorting; a path counts as the oldest."""
    return [int(part) for part in version.split(".") if part.isdigit()]
