"""Carrying out a plan, action by action, each in an order that survives a crash."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from keyrotation import tags as tag
from keyrotation.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    ForgetMarks,
    Hold,
    MarkInactive,
    Plan,
    Promote,
    Replace,
)
from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.model import INACTIVE, Occasion, User
from keyrotation.replacement import Issued, Issuer, ReplacementFailed
from keyrotation.secret_store import ForeignSecret

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


@dataclass(frozen=True, kw_only=True)
class Done:
    """An action whose effect is there; `issued` tells of the new key of a replacement."""

    action: Action
    issued: Issued | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a plan. With a `failure` the actions after the failed one were not tried."""

    plan: Plan
    done: tuple[Done, ...]
    failure: str | None


@dataclass(frozen=True, kw_only=True)
class Applier:
    """`occasion` and `run_id` go into the `pending` tag of a replacement."""

    iam: "IAMClient"
    issuer: Issuer
    occasion: Occasion
    run_id: str

    def apply(self, plan: Plan) -> Outcome:
        """Never raises: a failure stops this user's plan and is told, with what was done before it."""
        done: list[Done] = []
        failure = None
        for action in plan.actions:
            try:
                self._carry_out(plan.user, action, done.append)
            except (ReplacementFailed, ForeignSecret) as error:
                failure = str(error)
            except CALL_ERRORS as error:
                failure = f"{type(action).__name__.lower()} failed ({cause_of(error)})"
            except Exception as error:  # noqa: BLE001  # one user's surprise must not stop the others
                # By its kind only: its words may quote a parameter.
                failure = f"{type(action).__name__.lower()} failed unexpectedly ({type(error).__name__})"
            if failure is not None:
                break
        return Outcome(plan=plan, done=tuple(done), failure=failure)

    def _carry_out(self, user: User, action: Action, note: Callable[[Done], None]) -> None:
        """`note` is called as soon as the effect is there, so that it is told even when what follows fails."""
        match action:
            case ForgetMarks(tag_keys=tag_keys):
                self._untag(user, tag_keys)
                note(Done(action=action))
            case MarkInactive(key_id=key_id, on=on):
                self._tag(user, tag.INACTIVE_SINCE + key_id, str(on))
                note(Done(action=action))
            case Hold(key_id=key_id, until=until, reason=reason):
                self._tag(user, tag.HELD_UNTIL + key_id, str(tag.Held(until=until, reason=reason)))
                note(Done(action=action))
            case Deactivate(key_id=key_id, on=on):
                # Off before the mark: an active key with a mark would look like one that a person switched
                # back on. Without the mark, the next run marks the key with a later date: deleted later.
                self.iam.update_access_key(UserName=user.name, AccessKeyId=key_id, Status=INACTIVE)
                note(Done(action=action))
                self._tag(user, tag.INACTIVE_SINCE + key_id, str(on))
            case Delete(key_id=key_id, tag_keys=tag_keys):
                # The key before its marks: without a mark the next run would start counting anew.
                self.iam.delete_access_key(UserName=user.name, AccessKeyId=key_id)
                note(Done(action=action))
                self._untag(user, tag_keys)
            case Promote(key_id=key_id):
                note(Done(action=action, issued=self.issuer.finish(user, key_id)))
            case DeleteOrphan(key_id=key_id):
                self.iam.delete_access_key(UserName=user.name, AccessKeyId=key_id)
                note(Done(action=action))
            case Replace(tag_keys_done=tag_keys_done):
                pending = tag.Pending(
                    since=self.occasion.now,
                    region=self.occasion.region,
                    run_id=self.run_id,
                    key_ids=tuple(key.id for key in user.keys),
                )
                note(Done(action=action, issued=self.issuer.issue(user, pending)))
                self.issuer.clear_pending(user, tag_keys_done=tag_keys_done)
            case _:
                assert_never(action)

    def _tag(self, user: User, key: str, value: str) -> None:
        self.iam.tag_user(UserName=user.name, Tags=[{"Key": key, "Value": value}])

    def _untag(self, user: User, tag_keys: tuple[str, ...]) -> None:
        self.iam.untag_user(UserName=user.name, TagKeys=list(tag_keys))
