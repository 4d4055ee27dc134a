"""Carrying out a plan, action by action, each in an order that survives a crash."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from keyrotation.act.deletion import delete_key, is_there
from keyrotation.act.ledger import Ledger
from keyrotation.act.replacement import Issued, Issuer, ReplacementFailed
from keyrotation.act.secret_store import ForeignSecret
from keyrotation.causes import CALL_ERRORS, cause_of, is_code, refused_before_effect
from keyrotation.decide import actions, remembering
from keyrotation.look.inventory import list_keys
from keyrotation.memory import Memory, Notice, Offer, Pending
from keyrotation.model import INACTIVE, Occasion, User
from keyrotation.remember.table import MemoryRefused, Table

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


@dataclass(frozen=True, kw_only=True)
class Done:
    """An action whose effect is there; `issued` tells of the new key of a replacement."""

    action: actions.Action
    issued: Issued | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a plan. After a `failure` nothing more was done to keys.

    `memory`: as it was written last. `to_give`: by key id, the notices that are given once a message that holds them went
    out; none of them is in memory yet.
    """

    plan: actions.Plan
    done: tuple[Done, ...]
    failure: str | None
    memory: Memory
    to_give: tuple[tuple[str, Notice], ...] = ()

    @property
    def changed(self) -> bool:
        """A key or a secret of the user was changed: it takes a place under the cap."""
        return any(not isinstance(each.action, actions.OnlyRemembered) for each in self.done)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a message told of one user that is to be remembered: notices by key id, and items told once by their word.

    `given` are those among the notices that it told for the first time.
    """

    notices: tuple[tuple[str, Notice], ...] = ()
    given: tuple[tuple[str, Notice], ...] = ()
    once: tuple[str, ...] = ()


class _Gone(Exception):
    """The key is not there any more: somebody was faster, and nothing is left to do."""


@dataclass(frozen=True, kw_only=True)
class Applier:
    """`occasion` and `run_id` go into the `pending` of a replacement.

    `announce` hears of each effect as soon as it is there, and does not raise.
    """

    iam: "IAMClient"
    issuer: Issuer
    table: Table
    occasion: Occasion
    run_id: str
    announce: Callable[[User, Done], None]

    def apply(self, plan: actions.Plan) -> Outcome:
        """Everything but what waits until it is told. Never raises: a failure stops this user's plan and is told.

        A failure to change a key stops the changes; notices that do not hang on it are given all the same.
        """
        user, ledger = plan.user, self._ledger(plan.user, plan.user.memory)
        done: list[Done] = []
        to_give: list[tuple[str, Notice]] = []
        failure: str | None = None
        stopped = False

        def note(each: Done) -> None:
            done.append(each)
            self.announce(user, each)

        for action in plan.actions:
            only_remembered = isinstance(action, actions.OnlyRemembered)
            if failure is not None and not only_remembered:
                continue
            cause, gone = self._try(partial(self._carry_out, user, action, ledger, note), action)
            if cause is not None and self._is_gone(user):
                cause, gone = None, True
            failure = failure or cause
            # What comes after these was decided in the belief that they succeed.
            hangs_on = isinstance(action, actions.MendPolicy | actions.Settling)
            stopped = gone or (hangs_on and cause is not None)
            if stopped:
                break
            to_give += _gives(action, done=cause is None and not only_remembered)
        if not stopped:
            cause, _ = self._try(ledger.flush, None)
            # What could not be forgotten must not be replaced by a notice.
            to_give = to_give if cause is None else []
            failure = failure or cause
        else:
            to_give = []
        return Outcome(
            plan=plan, done=tuple(done), failure=failure, memory=ledger.memory, to_give=tuple(to_give)
        )

    def remember(self, user: User, memory: Memory, heard: Heard, *, forget: Iterable[str] = ()) -> str | None:
        """Once the message went out, and only then: notices that it gave and told again. Why it failed, or None.

        A crash before it leaves no notice, or one that was not told again: it is given anew, later than people were told.
        `forget`: keys that were deleted, and told.
        """
        ledger = self._ledger(user, memory)
        today = self.occasion.today
        forget = tuple(forget)
        memory = memory.without_keys(forget).without_deleted(forget)
        for key_id, notice in heard.notices:
            memory = memory.with_key(key_id, notice=replace(notice, told=today))
        ledger.memory = replace(memory, told={**memory.told, **dict.fromkeys(heard.once, today)})
        cause, _ = self._try(ledger.flush, None)
        return cause

    def offer(
        self, user: User, memory: Memory, heard: Heard, *, report: str, forget: Iterable[str] = ()
    ) -> str | None:
        """Once the report lies where the organization's centre reads it: what it told counts when the centre says so.

        A crash before it leaves no offer, whatever the centre says: it is told anew. Why it failed, or None.
        """
        ledger, forget = self._ledger(user, memory), tuple(forget)
        offer = Offer(report=report, notices=dict(heard.notices), once=heard.once)
        ledger.memory = replace(
            memory.without_keys(forget).without_deleted(forget),
            offer=offer if offer.notices or offer.once else None,
        )
        cause, _ = self._try(ledger.flush, None)
        return cause

    def _ledger(self, user: User, memory: Memory) -> Ledger:
        return Ledger(table=self.table, run_id=self.run_id, memory=memory, user_name=user.name)

    def _try(self, do: Callable[[], None], action: actions.Action | None) -> tuple[str | None, bool]:
        """What stopped it, fit to print, and whether its key is simply gone."""
        what = "remembering it" if action is None else type(action).__name__.lower()
        try:
            do()
        except _Gone:
            return None, True
        except (ReplacementFailed, ForeignSecret) as error:
            return str(error), False
        except MemoryRefused as error:
            return f"{what} failed ({error})", False
        except CALL_ERRORS as error:
            return f"{what} failed ({cause_of(error)})", False
        except Exception as error:  # noqa: BLE001  # one user's surprise must not stop the others
            # By its kind only: its words may quote a parameter.
            return f"{what} failed unexpectedly ({type(error).__name__})", False
        return None, False

    def _carry_out(
        self, user: User, action: actions.Action, ledger: Ledger, note: Callable[[Done], None]
    ) -> None:
        """`note` is called as soon as the effect is there, so that it is told even when what follows fails."""
        today = self.occasion.today
        match action:
            case actions.Deactivate(key_id=key_id):
                self._deactivate(user, action, ledger)
                note(Done(action=action))
            case actions.Delete(key_id=key_id):
                # Its notice is forgotten first: after a crash the key is there and is told of anew. The key itself is
                # forgotten when its deletion was told, so that an attempt that dies leaves something to tell.
                known = ledger.memory
                begun = replace(remembering.before(known, action), changed=today)
                ledger.write(replace(begun, deleted={**begun.deleted, key_id: today}))
                try:
                    delete_key(self.iam, user, key_id)
                except CALL_ERRORS as error:
                    if refused_before_effect(error):
                        self._put_back(known, ledger)
                    raise
                note(Done(action=action))
            case actions.Replace(asked=asked):
                pending = Pending(
                    since=self.occasion.now,
                    region=self.occasion.region,
                    run_id=self.run_id,
                    key_ids=tuple(key.id for key in user.keys),
                )
                issued = self.issuer.issue(user, pending, ledger)
                note(Done(action=action, issued=issued))
                self._hand_over(user, issued, ledger, asked=asked)
            case actions.Promote(key_id=key_id):
                issued = self.issuer.finish(user, key_id)
                note(Done(action=action, issued=issued))
                self._recall(user, key_id, issued.secret_arn, ledger)
            case actions.Recall(key_id=key_id):
                self._recall(user, key_id, ledger.memory.secret_arn or "", ledger)
                note(Done(action=action))
            case actions.DeleteOrphan(key_id=key_id):
                delete_key(self.iam, user, key_id)
                note(Done(action=action))
            case actions.SettlePending(asked=asked):
                if asked:
                    self.issuer.clear_request(user)
                ledger.write(remembering.after(ledger.memory, action))
                note(Done(action=action))
            case actions.MendPolicy(secret_arn=secret_arn):
                # The notices that fall are forgotten before the policy lets the owner in: they are told anew.
                ledger.flush()
                self.issuer.secrets.put_policy(secret_arn, user)
                ledger.write(remembering.after(ledger.memory, action))
                note(Done(action=action))
            case _:
                # What is only remembered, and the notice that another replaces: written before anything is told.
                ledger.memory = remembering.before(ledger.memory, action)
                if not isinstance(action, actions.GiveNotice):
                    note(Done(action=action))

    def _hand_over(self, user: User, issued: Issued, ledger: Ledger, *, asked: bool) -> None:
        """Steps 7 and 8 of a replacement. Its key is AWSCURRENT: what fails here leaves no harm.

        With the tag still there `pending` stays too, so that the next run removes it and nobody hears it as another request.
        """
        left = ""
        if asked:
            try:
                self.issuer.clear_request(user)
            except CALL_ERRORS as error:
                left = f"the tag that asked for it could not be removed ({cause_of(error)}): the next run tries again"
        today = self.occasion.today
        self.issuer.remember(
            user=user, issued=issued, ledger=ledger, on=today, changed=today, finished=not left
        )
        if left:
            raise ReplacementFailed(f"the key was replaced, but {left}")

    def _recall(self, user: User, key_id: str, secret_arn: str, ledger: Ledger) -> None:
        """The key is AWSCURRENT; `pending` goes last, by SettlePending."""
        made_on = next(key.created_on for key in user.keys if key.id == key_id)
        known = remembering.issued(
            ledger.memory, key_id, on=made_on, secret_arn=secret_arn, user_arn=user.arn
        )
        ledger.write(replace(known, changed=self.occasion.today))

    def _deactivate(self, user: User, action: actions.Deactivate, ledger: Ledger) -> None:
        # Memory before it is off: a person who switches it on again is recognised by it, from the first moment on. A run
        # that dies in between leaves a key that is on and known as off, which rule 8 leaves alone for a while.
        known = ledger.memory
        ledger.write(replace(remembering.before(known, action), changed=self.occasion.today))
        try:
            self.iam.update_access_key(UserName=user.name, AccessKeyId=action.key_id, Status=INACTIVE)
        except CALL_ERRORS as error:
            if is_code(error, "NoSuchEntity"):
                # Who has another name now has the key as it was: nobody is to be taken for having switched it on again.
                if self._is_gone(user):
                    self._put_back(known, ledger)
                raise _Gone from None
            # An earlier try of the SDK's may have done it, and lost the answer: then what memory says is right.
            if refused_before_effect(error) and self._is_on(user, action.key_id):
                self._put_back(known, ledger)
            raise

    def _put_back(self, known: Memory, ledger: Ledger) -> None:
        """Nothing was changed: the notice holds, and the user takes no place under the cap."""
        back = replace(ledger.memory, keys=known.keys, changed=known.changed, deleted=known.deleted)
        ledger.write(back)

    def _is_gone(self, user: User) -> bool:
        """Deleted or renamed meanwhile, which is no news, and whatever failed failed of that: a policy that names nobody is malformed."""
        try:
            return not is_there(self.iam, user)
        except Exception:  # noqa: BLE001  # what failed before is told, and not this
            return False

    def _is_on(self, user: User, key_id: str) -> bool:
        return any(key.active for key in list_keys(self.iam, user.name) if key.id == key_id)


def _gives(action: actions.Action, *, done: bool) -> Iterable[tuple[str, Notice]]:
    """The notices that the mail about this action gives."""
    match action:
        case actions.GiveNotice(key_id=key_id, notice=notice):
            yield key_id, notice
        case actions.Deactivate(key_id=key_id, notice=notice) if done and notice is not None:
            yield key_id, notice
        case actions.Replace(old_key_id=key_id, notice=notice) if done and key_id and notice is not None:
            yield key_id, notice
        case _:
            return
