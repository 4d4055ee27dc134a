"""One EventBridge event per change of a key, for whoever carries new keys to where they are used.

Sent to the account's default bus as soon as the change is there. An event says which key and where to fetch it, and never
holds a secret. At most once: a run that dies right after a change sends none, and the mail tells it all the same.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keyrotation.actions import Deactivate, Delete, DeleteOrphan, Hold, Promote, Replace
from keyrotation.apply import Done
from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.model import User

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "access-key-rotation"
_VERSION = 1
# EventBridge takes this many in one call.
_AT_ONCE = 10


@dataclass(frozen=True, kw_only=True)
class Events:
    """The bus as this system uses it."""

    client: "EventBridgeClient" = field(repr=False)
    run_id: str

    def send(self, user: User, done: Sequence[Done]) -> str | None:
        """Why not all of them went out, fit to print; None: they did, or there were none.

        Never raises: what was changed stays changed, and whoever listens here only hears of it sooner than by mail.
        """
        told = [
            {"Source": SOURCE, "DetailType": kind, "Detail": json.dumps(self._detail(user, facts))}
            for kind, facts in _changes(user, done)
        ]
        causes = [self._put(told[at : at + _AT_ONCE]) for at in range(0, len(told), _AT_ONCE)]
        return "; ".join(cause for cause in causes if cause) or None

    def _put(self, entries: list[Any]) -> str | None:
        try:
            answer = self.client.put_events(Entries=entries)
        except CALL_ERRORS as error:
            return cause_of(error)
        except Exception as error:  # noqa: BLE001  # by its kind only, as everywhere: its words may quote a parameter
            return type(error).__name__
        # An entry may be refused in an answer that says 200.
        refused = [entry["ErrorCode"] for entry in answer["Entries"] if "ErrorCode" in entry]
        return f"PutEvents: {', '.join(refused)}" if refused else None

    def _detail(self, user: User, facts: dict[str, object]) -> dict[str, object]:
        told = {"version": _VERSION, "runId": self.run_id, "user": user.name, "userArn": user.arn, **facts}
        return {name: value for name, value in told.items() if value is not None}


def _changes(user: User, done: Sequence[Done]) -> Iterator[tuple[str, dict[str, object]]]:
    """Detail-type and facts of what was done to keys; marks on the user are no news to anybody."""
    for each in done:
        match each.action:
            case Replace(old_key_id=old, old_key_off_on=off_on) if each.issued is not None:
                yield (
                    "Access Key Replaced",
                    {
                        "newKeyId": each.issued.key_id,
                        "oldKeyId": old,
                        "oldKeyOffDate": str(off_on) if off_on else None,
                        "secretName": each.issued.secret_name,
                        "secretArn": each.issued.secret_arn,
                    },
                )
            case Promote(key_id=key_id) if each.issued is not None:
                # A replacement that an earlier run began; when the old key goes off, the next plan says.
                others = [key.id for key in user.keys if key.id != key_id and key.active]
                yield (
                    "Access Key Replaced",
                    {
                        "newKeyId": key_id,
                        "oldKeyId": others[0] if len(others) == 1 else None,
                        "secretName": each.issued.secret_name,
                        "secretArn": each.issued.secret_arn,
                    },
                )
            case Deactivate(key_id=key_id, reason=reason, on=on):
                yield "Access Key Deactivated", {"keyId": key_id, "reason": reason, "offDate": str(on)}
            case Delete(key_id=key_id):
                yield "Access Key Deleted", {"keyId": key_id, "reason": "inactive"}
            case DeleteOrphan(key_id=key_id):
                yield "Access Key Deleted", {"keyId": key_id, "reason": "interrupted-replacement"}
            case Hold(key_id=key_id, until=until, reason=held_for):
                yield "Access Key Held", {"keyId": key_id, "reason": held_for, "offDate": str(until)}
