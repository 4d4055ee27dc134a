"""One EventBridge event per change of a key, for whoever carries new keys to where they are used.

Sent to the account's default bus as soon as the change is there, before anything else is done to the user. An event says
which key and where to fetch it, and never holds a secret. Once as a rule: a lost answer may have it sent twice, and a run
that dies in between sends none; the mail tells the change all the same.
"""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyrotation.act.apply import Done
from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.decide.actions import Deactivate, Delete, DeleteOrphan, Hold, Promote, Replace
from keyrotation.model import User

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "access-key-rotation"
_VERSION = 1
_DELETED = "Access Key Deleted"


@dataclass(frozen=True, kw_only=True)
class Events:
    """The bus as this system uses it."""

    client: "EventBridgeClient" = field(repr=False)
    run_id: str

    def send(self, user: User, done: Done) -> str | None:
        """Why it did not go out, fit to print; None: it did, or is no news: marks on the user are none.

        Never raises: what was changed stays changed, and whoever listens here only hears of it sooner than by mail.
        """
        change = _change(done)
        if change is None:
            return None
        kind, facts = change
        detail = {"version": _VERSION, "runId": self.run_id, "user": user.name, "userArn": user.arn, **facts}
        known = {name: value for name, value in detail.items() if value is not None}
        try:
            answer = self.client.put_events(
                Entries=[{"Source": SOURCE, "DetailType": kind, "Detail": json.dumps(known)}]
            )
        except CALL_ERRORS as error:
            return cause_of(error)
        except Exception as error:  # noqa: BLE001  # by its kind only, as everywhere: its words may quote a parameter
            return type(error).__name__
        # An entry may be refused in an answer that says 200.
        refused = [entry["ErrorCode"] for entry in answer["Entries"] if "ErrorCode" in entry]
        return f"PutEvents: {', '.join(refused)}" if refused else None


def _change(done: Done) -> tuple[str, dict[str, str | None]] | None:
    """Detail-type and facts of what was done to a key."""
    match done.action:
        case Replace() | Promote() if done.issued is not None:
            off_on = done.action.old_key_off_on
            return "Access Key Replaced", {
                "newKeyId": done.issued.key_id,
                "oldKeyId": done.action.old_key_id,
                "oldKeyOffDate": str(off_on) if off_on else None,
                "secretName": done.issued.secret_name,
                "secretArn": done.issued.secret_arn,
            }
        case Deactivate(key_id=key_id, reason=reason, on=on):
            return "Access Key Deactivated", {"keyId": key_id, "reason": reason, "offDate": str(on)}
        case Delete(key_id=key_id):
            return _DELETED, {"keyId": key_id, "reason": "inactive"}
        case DeleteOrphan(key_id=key_id):
            return _DELETED, {"keyId": key_id, "reason": "interrupted-replacement"}
        case Hold(key_id=key_id, until=until, reason=held_for):
            return "Access Key Held", {"keyId": key_id, "reason": held_for, "offDate": str(until)}
        case _:
            return None
