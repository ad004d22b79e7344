"""`git push`, the node's side: the wire. Offers what there is, reads what is asked for, has it settled, answers.

What a deploy is, this module does not know: it is passed in. The repository's hooks are never run.
"""

from __future__ import annotations

import contextlib
import dataclasses
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
    SIDE_BAND_CHANNEL_DATA,
    ZERO_SHA,
    Protocol,
    capability_agent,
    capability_object_format,
    format_ref_line,
    format_shallow_line,
    pkt_line,
)
from dulwich.repo import MemoryRepo, Repo
from dulwich.server import ReceivePackHandler

from receiver.pack_limits import PackLimits
from receiver.push_answers import PushAnswers, explain_failure
from receiver.push_request import PushRequest, read_request
from receiver.push_settlement import PushSettlement
from receiver.reception import Admission, Admit, Deploy, Reception
from receiver.references import BRANCHES, read_references
from receiver.repository import DEFAULT_BRANCH, OneRepository, open_repository
from receiver.shallow import read_boundary
from receiver.sideband import SideBand
from receiver.tidying import start_tidying
from receiver.wire import Wire
from toppcloud.app_layout import RepositoryLayout
from toppcloud.console import Console
from toppcloud.errors import REFUSED, ToppcloudError

CAPABILITY_REPORT_STATUS_V2 = b"report-status-v2"
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
    admit: Admit | None = None,
    branch: str = DEFAULT_BRANCH,
) -> int:
    """Serve one `git-receive-pack` on three descriptors. Returns the exit status: 0, or 1 when anything was refused.

    `deploy` is called at most once, with the update of the deploy branch: it must call `push.move_branch()`, or raise
    ToppcloudError to refuse. `describe_live` gives the lines for a pusher who has sent nothing although the branch is
    there. `git` is the git program, None to do without. `admit` is asked once the push's options are known: a
    repository that is not there when the pusher looks need not be made before that.
    """
    band = SideBand(stdout, stderr)
    wire = Wire(stdin)
    reception = Reception(RepositoryLayout(repository), limits, git, deploy, branch)
    with contextlib.ExitStack() as stack:
        repo = stack.enter_context(open_repository(repository)) if repository.exists() else None
        decide = admit or (lambda _options: Admission(repository))
        handler = _Handler(repo, Protocol(wire.read, band.write), reception, wire, band, describe_live, decide)
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
        start_tidying(reception.layout, git)
    return REFUSED if handler.is_refused else 0


class _Handler(ReceivePackHandler):
    """dulwich's, with the references, the request, the settlement and the answer of ours."""

    def __init__(
        self,
        repo: Repo | None,
        proto: Protocol,
        reception: Reception,
        wire: Wire,
        band: SideBand,
        describe_live: Callable[[], list[str]],
        admit: Admit,
    ) -> None:
        super().__init__(OneRepository(repo or MemoryRepo()), ["/"], proto)
        self._repository = repo
        self._admit = admit
        self._reception = reception
        self._wire = wire
        self._band = band
        self._describe_live = describe_live
        self.is_refused = False
        self.has_received = False
        self._has_read = False

    def capabilities(self) -> list[bytes]:
        return [
            CAPABILITY_REPORT_STATUS,
            CAPABILITY_REPORT_STATUS_V2,
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
        console = Console(self._band.line)
        answers = PushAnswers(request, console.error)
        with self._band.keep_alive():
            try:
                self._settle(request, answers, console)
            except Exception as error:
                answers.refuse(answers.waiting, explain_failure(error))
        self.is_refused = answers.is_refused
        knows_options = self.has_capability(CAPABILITY_REPORT_STATUS_V2)
        if knows_options or self.has_capability(CAPABILITY_REPORT_STATUS):
            self._report(answers.render_report(knows_options=knows_options))
        if request.has_pack and not self._has_read:
            self._wire.drain()

    def _settle(self, request: PushRequest, answers: PushAnswers, console: Console) -> None:
        """Raises whatever refuses the lines that have no answer yet."""
        admission = self._admit(request.options)
        reception = dataclasses.replace(
            self._reception, layout=RepositoryLayout(admission.repository), is_dry_run=admission.is_dry_run
        )
        with open_repository(admission.repository, branch=reception.branch) as repo:
            settlement = PushSettlement(repo, reception, request, answers, self._wire, self._band, console)
            try:
                settlement.settle()
            finally:
                self._has_read = settlement.has_received
                self.has_received = settlement.has_received and not admission.is_dry_run

    def _report(self, lines: list[bytes]) -> None:
        """Inside the side-band when there is one."""
        packets = b"".join(pkt_line(line) for line in (*lines, None))
        if not self.has_capability(CAPABILITY_SIDE_BAND_64K):
            self.proto.write(packets)
            return
        self.proto.write_sideband(SIDE_BAND_CHANNEL_DATA, packets)
        self.proto.write_pkt_line(None)

    def _advertise(self) -> None:
        references = sorted(self._repository.refs.as_dict().items()) if self._repository else []
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
        references = read_references(self._repository) if self._repository else {}
        if any(name.startswith(BRANCHES) for name in references):
            for line in self._describe_live():
                self._band.line(line)
