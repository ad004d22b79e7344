"""What becomes of a push: lines judged, the pack received, the branch deployed, tags stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dulwich.objects import Commit, ObjectID
from dulwich.repo import Repo

from receiver.indexing import missing_object
from receiver.push import Push
from receiver.push_answers import PushAnswers, explain_failure
from receiver.push_policy import choose_deploy_branch, find_dry_run_refusal, find_refusal
from receiver.push_request import PushRequest
from receiver.quarantine import Quarantine, open_quarantine
from receiver.reception import Reception, keep_objects, receive_objects
from receiver.references import BRANCHES, ReferenceUpdate, check_unmoved, move_references, point_head, read_references
from receiver.shallow import BoundaryChange, read_boundary
from receiver.sideband import SideBand
from receiver.wire import Wire
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError


@dataclass(frozen=True)
class _Received:
    """A pack that was accepted into quarantine, and what it does to the shallow boundary."""

    quarantine: Quarantine
    change: BoundaryChange


class PushSettlement:
    """One push, once: `settle`; then `answers` has one for every line."""

    def __init__(
        self,
        repo: Repo,
        reception: Reception,
        request: PushRequest,
        answers: PushAnswers,
        wire: Wire,
        band: SideBand,
        console: Console,
    ) -> None:
        self._repo = repo
        self._reception = reception
        self._layout = reception.layout
        self._request = request
        self._wire = wire
        self._band = band
        self._console = console
        self._branch = choose_deploy_branch(reception.branch, read_references(repo), request.updates)
        self.answers = answers
        self.has_received = False

    def settle(self) -> None:
        """What raises is the answer to the lines that have none yet."""
        self._judge_lines()
        if self._request.has_pack and self.answers.waiting:
            self._settle_with_pack()
        else:
            self._settle_others(None)

    def _settle_with_pack(self) -> None:
        with open_quarantine(self._layout) as quarantine:
            try:
                change = receive_objects(self._repo, self._reception, self._request, self._wire, quarantine)
            except ToppcloudError as error:
                self.answers.unpacked = error.reason
                raise
            self.has_received = True
            received = _Received(quarantine, change)
            self._judge_values(quarantine)
            if self._reception.is_dry_run:
                self._try(received)
                return
            for update in self.answers.waiting:
                if update.name == BRANCHES + self._branch:
                    self._deploy(update, received)
            if not (self.answers.is_refused and self._band.is_gone()):
                self._settle_others(received)

    def _judge_lines(self) -> None:
        counts = Counter(update.name for update in self._request.updates)
        for update in self._request.updates:
            if self._reception.is_dry_run:
                refusal = find_dry_run_refusal(update, self._request.updates)
            else:
                refusal = find_refusal(update, self._branch)
            if counts[update.name] > 1:
                refusal = ToppcloudError(f"{update.name} stands twice in one push.", reason="named twice")
            self._refuse_if(update, refusal)

    def _judge_values(self, quarantine: Quarantine) -> None:
        for update in self.answers.waiting:
            self._refuse_if(update, _find_fault_of_value(update, quarantine, read_boundary(self._layout)))
        self._judge_old_values()

    def _judge_old_values(self) -> None:
        for update in self.answers.waiting:
            try:
                check_unmoved(self._repo, update)
            except ToppcloudError as error:
                self._refuse_if(update, error)

    def _refuse_if(self, update: ReferenceUpdate, refusal: ToppcloudError | None) -> None:
        if refusal and update in self.answers.waiting:
            self.answers.refuse([update], refusal)

    def _try(self, received: _Received) -> None:
        """Hand the one branch to a dry run. Whatever comes of it, nothing leaves the quarantine."""
        for update in self.answers.waiting:
            if update.name.startswith(BRANCHES):
                self._reception.deploy(self._make_push(update, [], received), self._console)
                self.answers.accept_tried(self.answers.waiting)

    def _deploy(self, update: ReferenceUpdate, received: _Received) -> None:
        """Hand the branch's update to the deploy. With `--atomic` all the lines move when it moves the branch."""
        together = self.answers.waiting if self._request.is_atomic else [update]
        push = self._make_push(update, together, received)
        try:
            self._reception.deploy(push, self._console)
            if not push.is_moved:
                raise RuntimeError("the deploy returned without having moved the branch")
        except Exception as error:
            told = explain_failure(error, is_moved=push.is_moved)
            if not push.is_moved:
                self.answers.refuse([update], told)
                return
            self._console.error(told)  # what has moved has moved, and git is told so
        self.answers.accept(together)

    def _make_push(self, update: ReferenceUpdate, together: list[ReferenceUpdate], received: _Received) -> Push:
        assert update.new is not None

        def move() -> None:
            move_references(self._repo, self._layout, together)
            point_head(self._repo, self._branch)

        return Push(
            commit=update.new.decode(),
            old_commit=update.old.decode() if update.old else None,
            branch=update.name.removeprefix(BRANCHES),
            deploy_branch=self._branch,
            options=self._request.options,
            store=received.quarantine.store,
            boundary=frozenset((read_boundary(self._layout) | received.change.added) - received.change.removed),
            check_unmoved=lambda: check_unmoved(self._repo, update),
            is_gone=self._band.is_gone,
            is_dry_run=self._reception.is_dry_run,
            _keep=lambda: keep_objects(self._layout, received.quarantine, received.change),
            _move=move,
        )

    def _settle_others(self, received: _Received | None) -> None:
        """Tags, and branches to delete."""
        waiting = self.answers.waiting
        if not waiting:
            return
        if received and any(update.new for update in waiting):
            keep_objects(self._layout, received.quarantine, received.change)
        for together in [waiting] if self._request.is_atomic else [[update] for update in waiting]:
            try:
                move_references(self._repo, self._layout, together)
            except ToppcloudError as error:
                self.answers.refuse(together, error)
            else:
                self.answers.accept(together)


def _find_fault_of_value(
    update: ReferenceUpdate, quarantine: Quarantine, boundary: frozenset[ObjectID]
) -> ToppcloudError | None:
    if update.new is None:
        return None
    if update.new not in quarantine.store:
        what = f"{update.new.decode()}, the new {update.name}, was neither sent nor is here."
        return _older_than_boundary(what) if boundary else missing_object(what)
    if not update.name.startswith(BRANCHES) or isinstance(quarantine.store[update.new], Commit):
        return None
    branch = update.name.removeprefix(BRANCHES)
    return ToppcloudError(
        f"What was pushed to {branch} is not a commit.",
        "A branch holds commits; a tag with a message is an object of its own.",
        f"Push the commit that it means: git push toppcloud TAG^{{commit}}:{branch}",
        reason="not a commit",
    )


def _older_than_boundary(what: str) -> ToppcloudError:
    return ToppcloudError(
        what,
        "The history here came from a shallow clone. A git that has all of it believes that the node does too.",
        "Push something newer, made with git revert; or go back without git: toppcloud rollback",
        reason="older than a shallow history",
    )
