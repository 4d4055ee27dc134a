"""One EventBridge event per change of a key, for whoever carries new keys to where they are used.

Sent to the account's default bus as soon as the change is there, before anything else is done to the user. An event says
which key and where to fetch it, and never holds a secret. Once as a rule: a lost answer may have it sent twice, and a run
that dies in between sends none; the mail tells the change all the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from keyrotation.act.apply import Done
from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.decide.actions import Deactivate, Delete, DeleteOrphan, Promote, Replace
from keyrotation.decide.tags import owner_of
from keyrotation.memory import Notice
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
    owner_tag_keys: tuple[str, ...]

    def send(self, user: User, done: Done) -> str | None:
        """Why it did not go out, fit to print; None: it did, or is no news: what is only remembered is none.

        Never raises: what was changed stays changed, and whoever listens here only hears of it sooner than by mail.
        """
        change = _change(done)
        return None if change is None else self._put(user, *change)

    def send_notice(self, user: User, key_id: str, notice: Notice) -> str | None:
        """The same of a notice that was given: what will happen to a key, on which day, and why."""
        facts = {"keyId": key_id, "what": notice.what, "reason": notice.why, "day": str(notice.day)}
        return self._put(user, "Access Key Notice Given", facts)

    def send_due(self, user: User, key_id: str, day: date) -> str | None:
        """The same of a replacement that comes; each time that a message names it."""
        return self._put(user, "Access Key Replacement Due", {"keyId": key_id, "day": str(day)})

    def _put(self, user: User, kind: str, facts: Mapping[str, str | None]) -> str | None:
        detail = {
            "version": _VERSION,
            "runId": self.run_id,
            "user": user.name,
            "userArn": user.arn,
            "owner": owner_of(user.tags, self.owner_tag_keys) or None,
            **facts,
        }
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
            notice = done.action.notice if isinstance(done.action, Replace) else None
            return "Access Key Replaced", {
                "newKeyId": done.issued.key_id,
                "oldKeyId": done.action.old_key_id,
                "oldKeyOffDate": str(notice.day) if notice else None,
                "secretName": done.issued.secret_name,
                "secretArn": done.issued.secret_arn,
            }
        case Deactivate(key_id=key_id, reason=reason, on=on):
            return "Access Key Deactivated", {"keyId": key_id, "reason": reason, "offDate": str(on)}
        case Delete(key_id=key_id):
            return _DELETED, {"keyId": key_id, "reason": "inactive"}
        case DeleteOrphan(key_id=key_id):
            return _DELETED, {"keyId": key_id, "reason": "interrupted-replacement"}
        case _:
            return None
