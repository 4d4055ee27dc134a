"""Carrying out a plan, action by action, each in an order that survives a crash."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from keyrotation.act.replacement import Issued, Issuer, ReplacementFailed
from keyrotation.act.secret_store import ForeignSecret
from keyrotation.causes import CALL_ERRORS, cause_of, refused_before_effect
from keyrotation.decide import actions
from keyrotation.decide import tags as tag
from keyrotation.look.inventory import list_keys
from keyrotation.model import INACTIVE, Occasion, User

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


@dataclass(frozen=True, kw_only=True)
class Done:
    """An action whose effect is there; `issued` tells of the new key of a replacement."""

    action: actions.Action
    issued: Issued | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a plan. With a `failure` the actions after the failed one were not tried.

    `once_told` is to be done when the digest is out: a hold that nobody heard of would end without notice, and
    the marks of a deleted key are all that an attempt which dies leaves of it.
    """

    plan: actions.Plan
    done: tuple[Done, ...]
    failure: str | None
    once_told: tuple[actions.Hold | actions.ForgetMarks, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Applier:
    """`occasion` and `run_id` go into the `pending` tag of a replacement.

    `announce` hears of each effect as soon as it is there, and does not raise.
    """

    iam: "IAMClient"
    issuer: Issuer
    occasion: Occasion
    run_id: str
    announce: Callable[[User, Done], None]

    def apply(self, plan: actions.Plan) -> Outcome:
        """All but what waits until it is told.

        Never raises: a failure stops this user's plan and is told, with what was done before it.
        """
        waits = (actions.Hold,) if plan.settles else (actions.Hold, actions.ForgetMarks)
        done, failure = self._in_turn(
            plan.user, [action for action in plan.actions if not isinstance(action, waits)]
        )
        once_told: list[actions.Hold | actions.ForgetMarks] = []
        for action in plan.actions:
            match action:
                case actions.Delete(tag_keys=tag_keys) if tag_keys:
                    once_told.append(actions.ForgetMarks(tag_keys=tag_keys))
                case actions.Hold() | actions.ForgetMarks() if isinstance(action, waits):
                    once_told.append(action)
        return Outcome(
            plan=plan, done=done, failure=failure, once_told=tuple(once_told) if failure is None else ()
        )

    def finish(self, outcome: Outcome) -> Outcome:
        """What was told and waits for it. Never raises: a hold that is not there begins another day."""
        done, failure = self._in_turn(outcome.plan.user, outcome.once_told)
        return replace(outcome, done=(*outcome.done, *done), failure=failure, once_told=())

    def _in_turn(self, user: User, in_turn: Sequence[actions.Action]) -> tuple[tuple[Done, ...], str | None]:
        """What was done, and what stopped it."""
        done: list[Done] = []
        failure = None

        def note(each: Done) -> None:
            done.append(each)
            self.announce(user, each)

        for action in in_turn:
            try:
                self._carry_out(user, action, note)
            except (ReplacementFailed, ForeignSecret) as error:
                failure = str(error)
            except CALL_ERRORS as error:
                failure = f"{type(action).__name__.lower()} failed ({cause_of(error)})"
            except Exception as error:  # noqa: BLE001  # one user's surprise must not stop the others
                # By its kind only: its words may quote a parameter.
                failure = f"{type(action).__name__.lower()} failed unexpectedly ({type(error).__name__})"
            if failure is not None:
                break
        return tuple(done), failure

    def _carry_out(self, user: User, action: actions.Action, note: Callable[[Done], None]) -> None:
        """`note` is called as soon as the effect is there, so that it is told even when what follows fails."""
        match action:
            case actions.ForgetMarks(tag_keys=tag_keys):
                self._untag(user, tag_keys)
                note(Done(action=action))
            case actions.MarkInactive(key_id=key_id, on=on):
                self._tag(user, tag.INACTIVE_SINCE + key_id, str(on))
                note(Done(action=action))
            case actions.Hold(key_id=key_id, until=until, reason=reason, instead_of=marks):
                # The hold before the marks that it replaces: a crash in between leaves both, and rule 6 starts over.
                self._tag(user, tag.HELD_UNTIL + key_id, str(tag.Held(until=until, reason=reason)))
                note(Done(action=action))
                if marks:
                    self._untag(user, marks)
            case actions.Deactivate(key_id=key_id, on=on):
                # The mark before it is off: a person who switches it on again is recognised by it, from the first
                # moment on. One that stays though the key was not switched off leaves the key alone for a while.
                self._tag(user, tag.INACTIVE_SINCE + key_id, str(on))
                try:
                    self.iam.update_access_key(UserName=user.name, AccessKeyId=key_id, Status=INACTIVE)
                except CALL_ERRORS as error:
                    # An earlier try of the SDK's may have done it, and lost the answer: then the mark is right.
                    if refused_before_effect(error) and self._is_on(user, key_id):
                        self._untag(user, (tag.INACTIVE_SINCE + key_id,))
                    raise
                note(Done(action=action))
            case actions.Delete(key_id=key_id):
                # Its marks stay until it is told: without one the next run would start counting anew.
                self.iam.delete_access_key(UserName=user.name, AccessKeyId=key_id)
                note(Done(action=action))
            case actions.Promote(key_id=key_id):
                note(Done(action=action, issued=self.issuer.finish(user, key_id)))
            case actions.DeleteOrphan(key_id=key_id):
                self.iam.delete_access_key(UserName=user.name, AccessKeyId=key_id)
                note(Done(action=action))
            case actions.Replace(tag_keys_done=tag_keys_done):
                pending = tag.Pending(
                    since=self.occasion.now,
                    region=self.occasion.region,
                    run_id=self.run_id,
                    key_ids=tuple(key.id for key in user.keys),
                )
                note(Done(action=action, issued=self.issuer.issue(user, pending)))
                try:
                    self.issuer.clear_pending(user, tag_keys_done=tag_keys_done)
                except CALL_ERRORS as error:
                    raise ReplacementFailed(
                        f"the key was replaced, but the tag {tag.PENDING} could not be removed ({cause_of(error)}); "
                        "the next run removes it"
                    ) from None
            case _:
                assert_never(action)

    def _is_on(self, user: User, key_id: str) -> bool:
        return any(key.active for key in list_keys(self.iam, user.name) if key.id == key_id)

    def _tag(self, user: User, key: str, value: str) -> None:
        self.iam.tag_user(UserName=user.name, Tags=[{"Key": key, "Value": value}])

    def _untag(self, user: User, tag_keys: tuple[str, ...]) -> None:
        self.iam.untag_user(UserName=user.name, TagKeys=list(tag_keys))
