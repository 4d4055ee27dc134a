"""Replacing a key so that nothing is lost (docs/design.md section 6).

The order of effects is the safety argument: create, store, prove, promote, and only then let go. After a crash
at any step the old key works, and what is left says what happened:

    1 the secret is ready   a secret without a key: harmless, used by the next attempt
    2 `pending` is written  the next run knows that a key may exist which nobody holds, and which keys did before. The write
                            is conditional on the revision that was read: of two rotators one goes no further
    3 the key is created    held by this function only; `pending` still says that it may be there
    4 it is stored          as AWSPENDING: it can be fetched, and nobody is told to use it yet
    5 it is proved          IAM needs 3 to 15 s; a key that does not work is never AWSCURRENT
    6 it is AWSCURRENT      done; what is left is to be remembered
    7 the tag that asked    is removed: later than the key can be fetched, so that no request is lost, and sooner than
                            `pending`, so that none is heard twice
    8 `issued` is written   in one write with the end of `pending`; before it, the next run finds the key AWSCURRENT
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, NoReturn

from keyrotation.act.deletion import delete_key
from keyrotation.act.ledger import Ledger
from keyrotation.act.secret_store import ForeignSecret, NewKey, SecretStore
from keyrotation.causes import CALL_ERRORS, THROTTLED, cause_of, is_code, refused_before_effect
from keyrotation.decide import remembering
from keyrotation.decide import tags as tag
from keyrotation.look.secrets import describe
from keyrotation.memory import Pending
from keyrotation.model import CURRENT_STAGE, User, name_of_secret
from keyrotation.remember.table import MemoryRefused

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts import STSClient

# Seconds between the tries to use a new key: 57 in all, about four times what IAM was seen to need.
PROOF_DELAYS = (1, 2, 2, 2, 2, 2, 2, 3, 5, 8, 13, 15)
# Seconds before each further try to create a key that IAM refused for now: it is asked too often, or still counts a key
# that this run deleted a moment ago to make room.
CREATE_DELAYS = (1, 2, 4, 8)
FOR_NOW = (*THROTTLED, "LimitExceeded")
# The same for a tag that IAM does not take away while something else changes the user: botocore calls that final.
UNTAG_DELAYS = (1, 2, 4)
_STAYS = "memory knows that it is pending, and nothing more happens to this user until that is settled"
# How the message of a failure begins that left nothing behind.
NOT_MADE, ROLLED_BACK = "no key was made", "rolled back"


class ReplacementFailed(Exception):
    """No new key came of it, and the old one was not touched; the message says what is left, fit to print."""


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A new key that works, is stored, and is AWSCURRENT."""

    key_id: str
    secret_arn: str

    @property
    def secret_name(self) -> str:
        return name_of_secret(self.secret_arn)


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """What a replacement needs. `iam_once` never retries; `sts_for` makes a client that signs with a new key."""

    iam: "IAMClient"
    iam_once: "IAMClient"
    secrets: SecretStore
    sts_for: Callable[[NewKey], "STSClient"]
    sleep: Callable[[float], None]

    def issue(self, user: User, pending: Pending, ledger: Ledger) -> Issued:
        """Steps 1 to 6; raises ReplacementFailed. With the key AWSCURRENT, `remember` is to follow."""
        try:
            secret = self.secrets.make_ready(user)
            ledger.write(
                replace(
                    ledger.memory,
                    pending=pending,
                    secret_arn=secret.arn,
                    policy_arn=user.arn,
                )
            )
        except (*CALL_ERRORS, ForeignSecret, MemoryRefused) as error:
            raise ReplacementFailed(f"{NOT_MADE} ({_told(error)})") from None
        key = self._create(user, ledger)
        try:
            self.secrets.stage(secret.arn, user.name, key)
            self._prove(user, key)
            self.secrets.promote(secret, key.id)
        except (*CALL_ERRORS, _NotProven) as error:
            self._settle(user, key, secret.arn, ledger, _told(error))
        return Issued(key_id=key.id, secret_arn=secret.arn)

    def finish(self, user: User, key_id: str) -> Issued:
        """Step 6 for a key that an interrupted run stored. Raises ForeignSecret and what botocore raises.

        Made ready again first: in between somebody may have changed the secret's policy, or scheduled it for
        deletion.
        """
        secret = self.secrets.make_ready(user)
        self.secrets.promote(secret, key_id)
        return Issued(key_id=key_id, secret_arn=secret.arn)

    def clear_request(self, user: User) -> None:
        """Step 7: what was asked for by tag is there. Raises what botocore raises."""
        for delay in (*UNTAG_DELAYS, None):
            try:
                self.iam.untag_user(UserName=user.name, TagKeys=[tag.REPLACE])
                break
            except CALL_ERRORS as error:
                if delay is None or not is_code(error, "ConcurrentModification"):
                    raise
            self.sleep(delay)

    @staticmethod
    def remember(
        *, user: User, issued: Issued, ledger: Ledger, on: date, changed: date, finished: bool
    ) -> None:
        """Step 8. Raises what `Table.save` raises: the next run then finds the key AWSCURRENT."""
        known = remembering.issued(
            ledger.memory, issued.key_id, on=on, secret_arn=issued.secret_arn, user_arn=user.arn
        )
        pending = None if finished else known.pending
        ledger.write(replace(known, pending=pending, changed=changed))

    def _create(self, user: User, ledger: Ledger) -> NewKey:
        """Without retries: one after a lost answer would hit the two-key limit and hide the first key.

        But for the answers that are for now: then it is known that no key was made.
        """
        for delay in (*CREATE_DELAYS, None):
            try:
                made = self.iam_once.create_access_key(UserName=user.name)["AccessKey"]
                break
            except CALL_ERRORS as error:
                if delay is not None and is_code(error, *FOR_NOW):
                    self.sleep(delay)
                    continue
                if not refused_before_effect(error):
                    raise ReplacementFailed(
                        f"nobody knows whether a key was made ({cause_of(error)}); {_STAYS}"
                    ) from None
                self._undo_pending(ledger, f"{NOT_MADE} ({cause_of(error)})")
        return NewKey(id=made["AccessKeyId"], secret=made["SecretAccessKey"], created=made["CreateDate"])

    def _prove(self, user: User, key: NewKey) -> None:
        """Use the key until IAM knows it everywhere, with bounded patience."""
        last = "no answer"
        with closing(self.sts_for(key)) as sts:
            for delay in PROOF_DELAYS:
                self.sleep(delay)
                try:
                    arn = sts.get_caller_identity()["Arn"]
                except CALL_ERRORS as error:
                    last = cause_of(error)
                    continue
                if arn != user.arn:
                    raise _NotProven(f"the new key belongs to {arn}, not to {user.arn}")
                return
        raise _NotProven(f"the new key did not work within {sum(PROOF_DELAYS)} seconds ({last})")

    def _settle(self, user: User, key: NewKey, arn: str, ledger: Ledger, cause: str) -> None:
        """Storing, proving or promoting failed: look before anything is undone.

        Returns when the key is AWSCURRENT after all. Deletes the new key only when it is known not to be:
        a lost answer may hide a success, and AWSCURRENT must never name a dead key.
        """
        try:
            secret = describe(self.secrets.client, arn)
        except CALL_ERRORS as error:
            raise ReplacementFailed(
                f"the new key {key.id} may be stored or not ({cause}; then {cause_of(error)}); {_STAYS}"
            ) from None
        # Also when somebody schedules the secret for deletion just now: it can be restored, a deleted key cannot.
        if secret is not None and CURRENT_STAGE in secret.stages_of(key.id):
            return
        try:
            # Deleted underneath, by somebody or by a try of ours whose answer was lost: that was all we wanted.
            delete_key(self.iam, user, key.id)
        except CALL_ERRORS as error:
            raise ReplacementFailed(
                f"the new key {key.id} could not be handed over ({cause}) nor deleted ({cause_of(error)}); {_STAYS}"
            ) from None
        self._undo_pending(ledger, f"{ROLLED_BACK}: the new key {key.id} was deleted ({cause})")

    def _undo_pending(self, ledger: Ledger, what: str) -> NoReturn:
        try:
            ledger.write(replace(ledger.memory, pending=None))
        except (*CALL_ERRORS, MemoryRefused) as error:
            what = f"{what}; that a replacement had begun could not be forgotten ({_told(error)}), and the next run settles it"
        # Of what was caught on the way here nothing may be printed: it may quote the key.
        raise ReplacementFailed(what) from None


class _NotProven(Exception):
    """The new key did not work in time, or is not this user's."""


def _told(error: Exception) -> str:
    """Our own errors say it in words of ours; botocore's are reduced to what cannot carry a secret."""
    return str(error) if isinstance(error, (ForeignSecret, MemoryRefused, _NotProven)) else cause_of(error)
