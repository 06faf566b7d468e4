"""The end of a run: asking, the merge phase, and the fast-forward of the user's branch."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Protocol

from prodigy.errors import MergeRefused, ProdigyError
from prodigy.git.publish import TargetConflict, preview, publish, take_in
from prodigy.git.repository import open_repository
from prodigy.git.target_refs import choose_result, left_markers, offer_target
from prodigy.run.guard import guarded
from prodigy.run.merge_names import merge_names
from prodigy.run.phase import PhaseTask, run_phase
from prodigy.run.resolving import resolving_steps
from prodigy.values import MergeOutcome

if TYPE_CHECKING:
    from prodigy.git.publish import Preview
    from prodigy.run.context import RunContext
    from prodigy.run.phase import PhaseOutcome
    from prodigy.run.session_workspace import SessionWorkspace
    from prodigy.workflow.scope import Scope


class Approve(Protocol):
    """Asks the user; None means there is nobody to ask."""

    def __call__(self, question: str, notes: tuple[str, ...]) -> bool | None:
        """True for yes; no answer is no."""


class Publisher:
    """Brings the session branch to the user's branch, once it is approved."""

    def __init__(
        self, context: RunContext, workspace: SessionWorkspace | None, *, target: str | None = None
    ) -> None:
        self._context = context
        self._workspace = workspace
        self._target = target or context.record.target
        self.phase: PhaseOutcome | None = None
        self.visited: tuple[bytes, ...] = ()
        """Paths a visitor left uncommitted in the workspace."""

    @property
    def command(self) -> str:
        """The command that merges this session later."""
        into = "" if self._target else " --into BRANCH"
        root = shlex.quote(str(self._context.repository.root))
        return f"prodigy -p {root} worktree merge {self._context.record.id}{into}"

    def catch_up(self) -> None:
        """Take in what was committed in the workspace since it came to rest."""
        if self._workspace is not None:
            self.visited = self._workspace.catch_up()

    def offer(self, approve: Approve, scope: Scope, failed: int = 0, tolerated: int = 0) -> MergeOutcome:
        """Ask as the plan says, and merge on a yes."""
        shown = preview(self._context.store, self._target)
        mode = self._context.plan.merge
        if shown.commits == 0:
            return MergeOutcome(status="nothing")
        if mode == "never":
            return MergeOutcome(status="disabled", command=self.command)
        if mode == "ask":
            answer = approve(self._question(shown, failed, tolerated), shown.risky)
            if not answer:
                if answer is None:
                    return MergeOutcome(
                        status="not_asked", reason="there is no terminal to ask at", command=self.command
                    )
                return MergeOutcome(status="declined", command=self.command)
            # While the question stood, the workspace was open to visits.
            self.catch_up()
        return self.merge(scope)

    def _question(self, shown: Preview, failed: int, tolerated: int) -> str:
        extra = f", {failed} failed items" if failed else ""
        extra += f", {tolerated} tolerated failures" if tolerated else ""
        return (
            f"Merge {self._context.record.branch} ({shown.commits} commits, {len(shown.files)} files{extra}) "
            f"into {self._target}?"
        )

    def merge(self, scope: Scope) -> MergeOutcome:
        """Merge now. What cannot be merged stays in the session, and the outcome says why."""
        context = self._context
        try:
            failure = self._merge_phase(scope)
            if failure is not None:
                return MergeOutcome(
                    status="failed", reason=f"the merge phase failed: {failure}", command=self.command
                )
            (effect,) = context.journal.intend(("publish", self._target or ""))
            published = publish(context.store, open_repository(context.repository.root), self._target)
            context.journal.settle(effect)
        except MergeRefused as error:
            reason = error.message + (f" ({error.help})" if error.help else "")
            return MergeOutcome(status="refused", reason=reason, command=self.command)
        except ProdigyError as error:
            return MergeOutcome(status="failed", reason=error.message, command=self.command)
        context.bus.emit("session_merged", commit=published.commit, target=published.target)
        return MergeOutcome(status="merged", commit=published.commit)

    def _merge_phase(self, scope: Scope) -> str | None:
        """Run the workflow's merge steps; gives the reason when they failed: then nothing moved."""
        phase = self._context.plan.workflow.merge
        if phase is None or not (phase.steps or phase.on_conflict == "claude"):
            return None
        if self._workspace is None:
            return "the session's workspace is gone"
        context, store = self._context, self._context.store
        tip, conflicts = self._take_in()
        if not phase.steps:
            if not conflicts or tip is None:
                return None
            phase = phase.model_copy(update={"steps": resolving_steps(tip)})
        session = store.head()
        scope.set("merge", merge_names(store, context.record.id, self._target, conflicts))
        task = PhaseTask("merge", phase)
        if self._target is not None and tip is not None:
            target = self._target
            task = PhaseTask(
                "merge",
                phase,
                prepare=lambda place: offer_target(
                    store, place.station.sandbox().pipe, store.base, target, tip
                ),
                conclude=lambda place: choose_result(place.station.sandbox().pipe, target, session, tip),
            )
        with guarded(context, "merge"):
            self.phase = run_phase(context, task, self._workspace, scope)
        if self.phase.failure is not None:
            return self.phase.failure.message
        return self._check_result(session, tip)

    def _take_in(self) -> tuple[str | None, tuple[bytes, ...]]:
        """Merge what the target has gained, where that is possible; gives its tip and what conflicts."""
        if self._target is None:
            return None, ()
        repository = open_repository(self._context.repository.root)
        try:
            return take_in(self._context.store, repository, self._target), ()
        except TargetConflict as error:
            return error.tip, error.files

    def _check_result(self, session: str, tip: str | None) -> str | None:
        """Say how what the steps made is not a merge of both sides."""
        store = self._context.store
        head = store.head()
        if not store.is_ancestor(session, head):
            return "the result does not hold the session's commits"
        if tip is None or tip == store.base:
            return None
        if not store.is_ancestor(tip, head):
            return f"the result does not hold what {self._target} has"
        ours = {change.path for change in store.changes(store.base, session)}
        both = [change.path for change in store.changes(store.base, tip) if change.path in ours]
        left = left_markers(store, head, both)
        names = ", ".join(path.decode(errors="replace") for path in left[:5])
        return f"conflict markers are left in {names}" if left else None
