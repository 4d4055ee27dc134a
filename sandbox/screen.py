"""What a demo shows on a terminal: what it is doing, headings, one line for each key, and checks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.account import EmulatedAccount
from sandbox.cast import table_of

ON_CALL = "on-call@example.com"
# Within this time after its creation a key is used by the rotator, which tests it: no use by its owner (docs/design.md).
PROOF = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class KeyState:
    """What IAM and the rotation's memory say of a key. `until`: what happens to it next, and on which day."""

    active: bool
    age: int
    used: str
    until: tuple[str, date] | None

    def __str__(self) -> str:
        return f"{'active' if self.active else 'inactive':8} {self.age:3} days old, {self.used}"


def keys_of(account: EmulatedAccount, user_name: str, now: datetime) -> dict[str, KeyState]:
    """By their ids, the oldest first."""
    iam = account.client("iam")
    memory = table_of(account).read(iam.get_user(UserName=user_name)["User"]["UserId"])
    found = {}
    metadata = iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    for key in sorted(metadata, key=lambda key: key["CreateDate"]):
        used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
        last = used.get("LastUsedDate")
        if last is not None and last - key["CreateDate"] < PROOF:
            last = None
        notice = memory.key(key["AccessKeyId"]).notice
        found[key["AccessKeyId"]] = KeyState(
            active=key["Status"] == "Active",
            age=_days_since(key["CreateDate"], now),
            used="not used yet" if last is None else _ago(_days_since(last, now)),
            until=None if notice is None else (_verb(notice.what), notice.day),
        )
    return found


def _verb(what: str) -> str:
    return {"switch-off": "off", "delete": "deleted"}[what]


def _ago(days: int) -> str:
    return {0: "used today", 1: "used yesterday"}.get(days, f"used {days} days ago")


def _days_since(moment: datetime, now: datetime) -> int:
    return (now.date() - moment.astimezone(UTC).date()).days


def show(
    heading: str,
    before: Mapping[str, KeyState],
    after: Mapping[str, KeyState],
    *,
    day_of: Callable[[date], str] = str,
) -> None:
    """A user, and below it a line for each key: before -> after. `day_of`: how a day is written."""
    print(f"  {heading}")
    for key_id in {**before, **after}:
        state = str(before[key_id]) if key_id in before else ""
        done = _change(before.get(key_id), after.get(key_id), day_of=day_of)
        print(f"      {key_id}  {state:40} -> {done}")


def _change(before: KeyState | None, after: KeyState | None, *, day_of: Callable[[date], str]) -> str:
    """In a few words."""
    if after is None:
        return "deleted"
    if before is None:
        done = "new, in the secret"
    elif before.active and not after.active:
        done = "deactivated"
    else:
        done = "active" if after.active else "inactive"
    if after.until is not None:
        what, day = after.until
        done += f", {what} on {day_of(day)}"
    return done


def say(text: str) -> None:
    print(f"... {text}", flush=True)


def title(text: str) -> None:
    print(f"\n=== {text} {'=' * max(3, 90 - len(text))}\n", flush=True)


def check(sentence: str, problems: Iterable[str]) -> bool:
    """Whether there are none; an error of AWS is one."""
    try:
        found = list(problems)
    except (ClientError, BotoCoreError, LookupError, ValueError) as error:
        found = [f"{type(error).__name__}: {error}"]
    print(f"  {'FAIL' if found else 'PASS'}  {sentence}")
    for problem in found:
        print(f"        {problem}")
    return not found
