"""`git push`, the node's side: the wire. Offers what there is, reads what is asked for, has it settled, answers.

What a deploy is, this module does not know: it is passed in. The repository's hooks are never run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from dulwich.errors import GitProtocolError, HangupException
from dulwich.protocol import (
    CAPABILITIES_REF,
    CAPABILITY_ATOMIC,
    CAPABILITY_DELETE_REFS,
    CAPABILITY_OFS_DELTA,
    CAPABILITY_PUSH_OPTIONS,
    CAPABILITY_REPORT_STATUS,
    CAPABILITY_SIDE_BAND_64K,
    ZERO_SHA,
    Protocol,
    capability_agent,
    capability_object_format,
    format_ref_line,
    format_shallow_line,
)
from dulwich.repo import Repo
from dulwich.server import ReceivePackHandler

from receiver.pack_limits import PackLimits
from receiver.push_request import read_request
from receiver.push_settlement import PushSettlement
from receiver.reception import Deploy, Reception
from receiver.references import BRANCHES, read_references
from receiver.repository import DEFAULT_BRANCH, OneRepository, open_repository
from receiver.shallow import read_boundary
from receiver.sideband import SideBand
from receiver.tidying import start_tidying
from receiver.wire import Wire
from toppcloud.app_layout import RepositoryLayout
from toppcloud.console import Console
from toppcloud.errors import REFUSED, ToppcloudError

logger = logging.getLogger("toppcloud.receiver")


def serve_receive_pack(
    repository: Path,
    stdin: int,
    stdout: int,
    stderr: int,
    *,
    limits: PackLimits,
    git: Path | None,
    deploy: Deploy,
    describe_live: Callable[[], list[str]],
    branch: str = DEFAULT_BRANCH,
) -> int:
    """Serve one `git-receive-pack` on three descriptors. Returns the exit status: 0, or 1 when anything was refused.

    `deploy` is called at most once, with the update of the deploy branch: it must call `push.move_branch()`, or raise
    ToppcloudError to refuse. `describe_live` gives the lines for a pusher who has sent nothing although the branch is
    there. `git` is the git program, None to do without.
    """
    layout = RepositoryLayout(repository)
    band = SideBand(stdout, stderr)
    wire = Wire(stdin)
    with open_repository(repository, branch=branch) as repo:
        proto = Protocol(wire.read, band.write)
        handler = _Handler(repo, proto, Reception(layout, limits, git, deploy, branch), wire, band, describe_live)
        try:
            handler.handle()
        except HangupException:
            return REFUSED
        except ToppcloudError as error:
            Console(band.line).error(error)
            return REFUSED
        except GitProtocolError as error:
            logger.warning("push spoke no git: %s", error)
            band.line(f"The node did not understand this git: {error}")
            return REFUSED
    if handler.has_received:
        start_tidying(layout, git)
    return REFUSED if handler.is_refused else 0


class _Handler(ReceivePackHandler):
    """dulwich's, with the references, the request, the settlement and the answer of ours."""

    def __init__(
        self,
        repo: Repo,
        proto: Protocol,
        reception: Reception,
        wire: Wire,
        band: SideBand,
        describe_live: Callable[[], list[str]],
    ) -> None:
        super().__init__(OneRepository(repo), ["/"], proto)
        self._repository = repo
        self._reception = reception
        self._wire = wire
        self._band = band
        self._describe_live = describe_live
        self.is_refused = False
        self.has_received = False

    def capabilities(self) -> list[bytes]:
        return [
            CAPABILITY_REPORT_STATUS,
            CAPABILITY_DELETE_REFS,
            CAPABILITY_ATOMIC,
            CAPABILITY_OFS_DELTA,
            CAPABILITY_SIDE_BAND_64K,
            CAPABILITY_PUSH_OPTIONS,
            capability_object_format("sha1"),
        ]

    def handle(self) -> None:
        self._advertise()
        request = read_request(self.proto, self.set_client_capabilities)
        if request is None:
            self._answer_nothing_sent()
            return
        if self.has_capability(CAPABILITY_SIDE_BAND_64K):
            self._band.open()
        settlement = PushSettlement(self._repository, self._reception, request, self._wire, self._band)
        with self._band.keep_alive():
            settlement.settle()
        self.is_refused = settlement.answers.is_refused
        self.has_received = settlement.has_received
        if self.has_capability(CAPABILITY_REPORT_STATUS):
            self._report_status(settlement.answers.render_report())
        if request.has_pack and not settlement.has_received:
            self._wire.drain()

    def _advertise(self) -> None:
        references = sorted(self._repository.refs.as_dict().items())
        lines = [(name, value) for name, value in references if name.startswith(b"refs/")]
        first_name, first_value = lines[0] if lines else (CAPABILITIES_REF, ZERO_SHA)
        offered = [*self.capabilities(), capability_agent()]
        self.proto.write_pkt_line(format_ref_line(first_name, first_value, offered))
        for name, value in lines[1:]:
            self.proto.write_pkt_line(format_ref_line(name, value))
        for commit in sorted(read_boundary(self._reception.layout)):
            self.proto.write_pkt_line(format_shallow_line(commit))
        self.proto.write_pkt_line(None)

    def _answer_nothing_sent(self) -> None:
        """The pusher's git says `Everything up-to-date`, and leaves; tell what that means here."""
        branches = [name for name in read_references(self._repository) if name.startswith(BRANCHES)]
        if branches:
            for line in self._describe_live():
                self._band.line(line)
