"""What must hold at every moment, read from IAM, Secrets Manager, SNS and the table; nothing of the product is imported."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends

from tests.component.calls import READS, Call

_ACCOUNT, _REGION = "123456789012", "eu-central-1"
# Answers too: that there is nothing, and that somebody else wrote first.
_ANSWERS = ("NoSuchEntity", "ResourceNotFoundException", "ConditionalCheckFailedException")
_TAGS, _TABLE = "access-key-rotation:", "access-key-rotation"
# `WarnDays`, and the days within which people must have been told before something happens: one run may be missed.
_WARN_DAYS, _LATELY = 7, 8
# What Audit may write: what is remembered, and what is told.
_WRITES_OF_AUDIT = ("UpdateItem", "DeleteItem", "Publish", "PutEvents", "SendMessage")
_SWITCH_OFF, _DELETE = "switch-off", "delete"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a message that SNS took, or memory, says of a key. `told`: on which day it was said, the last time."""

    what: str
    why: str
    day: str
    told: str

    @property
    def notice(self) -> tuple[str, str, str]:
        return self.what, self.why, self.day


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """One user's item. `issued`, `off`, `back_on`: key ids; `notices` by key id."""

    pending: bool = False
    policy_arn: str | None = None
    issued: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()
    back_on: frozenset[str] = frozenset()
    notices: Mapping[str, Said] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One user as it is: keys by id, in the order of creation; what AWSCURRENT names; the tags and the memory of this system."""

    keys: Mapping[str, str]
    current: str | None
    current_works: bool
    tags: Mapping[str, str]
    fetchable: bool
    memory: Remembered

    def notice(self, key_id: str) -> tuple[str, str] | None:
        """What is remembered as announced of a key, and why."""
        said = self.memory.notices.get(key_id)
        return None if said is None else (said.what, said.why)


def see(user_name: str) -> Seen | None:
    iam = iam_backends[_ACCOUNT]["aws"]
    user = next((each for each in iam.users.values() if each.name == user_name), None)
    if user is None:
        return None
    keys = {key.access_key_id: key for key in user.access_keys}
    value, fetchable = _current(user_name)
    named = keys.get(value.get("AccessKeyId", ""))
    tags = iam.tagger.get_tag_dict_for_resource(user.arn)
    return Seen(
        keys={key_id: key.status for key_id, key in keys.items()},
        current=value.get("AccessKeyId"),
        current_works=named is not None
        and named.status == "Active"
        and named.secret_access_key == value["SecretAccessKey"],
        tags={name.removeprefix(_TAGS): tags[name] for name in tags if name.startswith(_TAGS)},
        fetchable=fetchable,
        memory=_remembered(user.id),
    )


def _remembered(user_id: str) -> Remembered:
    table = dynamodb_backends[_ACCOUNT][_REGION].tables[_TABLE]
    item = table.get_item(DynamoType({"S": user_id}))
    if item is None:
        return Remembered()
    attributes = {name: value.to_regular_json() for name, value in item.attrs.items()}
    # Somebody may have put something else there.
    keys = {key_id: key["M"] for key_id, key in attributes.get("keys", {}).get("M", {}).items()}

    def having(word: str) -> frozenset[str]:
        return frozenset(key_id for key_id, key in keys.items() if word in key)

    notices = {key_id: keys[key_id]["notice"]["M"] for key_id in having("notice")}
    return Remembered(
        pending="pending" in attributes,
        policy_arn=attributes["policy_arn"]["S"] if "policy_arn" in attributes else None,
        issued=having("issued_on"),
        off=having("off_since"),
        back_on=having("back_on"),
        notices={
            key_id: Said(**{word: notice[word]["S"] for word in ("what", "why", "day", "told")})
            for key_id, notice in notices.items()
        },
    )


def is_failure(error: str) -> bool:
    return error not in _ANSWERS


def owner_of(key_id: str) -> str | None:
    key = iam_backends[_ACCOUNT]["aws"].access_keys.get(key_id)
    return None if key is None else key.user_name


def _current(user_name: str) -> tuple[dict[str, Any], bool]:
    """The value of AWSCURRENT, and whether it can be fetched: the secret whose values are about this user."""
    for secret in secretsmanager_backends[_ACCOUNT][_REGION].secrets.values():
        for version in secret.versions.values():
            value = json.loads(version["secret_string"])
            if "AWSCURRENT" in version["version_stages"] and value.get("UserName") == user_name:
                return value, not secret.is_deleted()
    return {}, False


def _messages() -> list[str]:
    """All that SNS ever took, the last at the end."""
    topics = sns_backends[_ACCOUNT][_REGION].topics.values()
    return [
        message for topic in topics if topic.name == "alerts" for _, message, *_ in topic.sent_notifications
    ]


@dataclass(kw_only=True)
class Oracle:
    """`held`: user by the id of each active key that its user has from the start. `may_go`: those that a rule takes.

    `people_did`: keys that a person switched off or deleted. `listening`: somebody gets the messages that SNS takes.
    `heard`: by key id, all that such messages said of it, the last at the end; what memory has at the start was told.
    """

    held: dict[str, str]
    may_go: frozenset[str]
    users: Sequence[str]
    today: Callable[[], date]
    listening: bool = True
    audit: bool = False
    violations: list[str] = field(default_factory=list)
    people_did: set[str] = field(default_factory=set)
    heard: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))
    _unread: dict[tuple[str, str], str] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)
    _were: dict[str, dict[str, str]] = field(default_factory=dict)
    _at_the_start: set[tuple[str, str, str]] = field(default_factory=set)
    _messages: int = 0

    def __post_init__(self) -> None:
        self._messages = len(_messages())
        for user in self.users:
            if (seen := see(user)) is not None:
                self._were[user] = dict(seen.keys)
                for key_id, said in seen.memory.notices.items():
                    self.heard[key_id].append(said)
                    self._at_the_start.add(said.notice)
        self._know_ids()

    def start_function(self) -> None:
        """What an earlier run could not read is no excuse and no charge."""
        self._unread.clear()

    def after(self, call: Call, error: str | None) -> None:
        """Told every call's end. An act on a user some of whose reads failed last is an act on a guess."""
        about = self.about(call)
        if call.operation.startswith(READS):
            read = (call.operation, repr(sorted(call.params.items())))
            if error is None or not is_failure(error):
                self._unread.pop(read, None)
            elif about is not None:
                self._unread[read] = about
        elif self.audit and call.operation not in _WRITES_OF_AUDIT:
            self._charge(call.operation, "a write in Audit")
        if call.operation in ("UpdateAccessKey", "DeleteAccessKey"):
            blind = [read for (read, _), user in self._unread.items() if user == about]
            if blind:
                self._charge(call.operation, f"{about}: done although {', '.join(blind)} failed")
        self.look(call.operation)

    def about(self, call: Call) -> str | None:
        """The user whom a call is about."""
        if call.operation in ("SendMessage", "Publish", "PutEvents"):
            return None
        told = repr(sorted(call.params.items()))
        if "AccessKeyId" in call.params and "UserName" not in call.params:
            return owner_of(call.params["AccessKeyId"])
        if "Key" in call.params:
            return self._ids.get(call.params["Key"]["user_id"]["S"])
        return next((user for user in self.users if f"'{user}'" in told or f"/{user}/" in told), None)

    def look(self, moment: str) -> None:
        """The invariants of every moment."""
        self._know_ids()
        self._hear()
        for user in self.users:
            if (seen := see(user)) is None:
                continue
            self._kept_notice(moment, user, seen)
            self._remembers_what_was_told(moment, user, seen)
            if len(seen.keys) > 2:
                self._charge(moment, f"{user}: {len(seen.keys)} keys")
            excused = self.may_go | self.people_did
            if seen.current is not None:
                if not seen.current_works and seen.current not in excused:
                    self._charge(moment, f"{user}: AWSCURRENT names {seen.current}, which does not work")
                if seen.fetchable and seen.current_works:
                    self.held[seen.current] = user
            for key_id, holder in self.held.items():
                if holder == user and key_id not in excused and seen.keys.get(key_id) != "Active":
                    self._charge(moment, f"{user}: {key_id}, which they hold, does not work")

    def _know_ids(self) -> None:
        self._ids |= {user.id: user.name for user in iam_backends[_ACCOUNT]["aws"].users.values()}

    def _hear(self) -> None:
        """What SNS took since the last look, in the words of its JSON."""
        messages = _messages()
        for message in messages[self._messages :] if self.listening else ():
            report = json.loads(json.loads(message)["sqs"])
            for each in report["notices"]:
                said = Said(what=each["what"], why=each["why"], day=each["day"], told=report["date"])
                self.heard[each["key"]].append(said)
        self._messages = len(messages)

    def _kept_notice(self, moment: str, user: str, seen: Seen) -> None:
        """A key went off or away since the last look: on or after the day that people heard last, and heard lately."""
        before, self._were[user] = self._were.get(user, {}), dict(seen.keys)
        for key_id, was in before.items():
            now = seen.keys.get(key_id)
            # A key that never was in anybody's hands may be taken back at once.
            if now in (was, "Active") or key_id in self.people_did:
                continue
            if was == "Active" and key_id not in self.held:
                continue
            what, today = _SWITCH_OFF if was == "Active" else _DELETE, str(self.today())
            heard = self.heard[key_id]
            earlier = [said for said in heard if said.told < today]
            if was == "Active" and now is None:
                self._charge(moment, f"{user}: {key_id} was deleted while it was active")
            elif not earlier or heard[-1].what != what or heard[-1].day > today:
                self._charge(moment, f"{user}: {what} of {key_id} that nobody was told before: {heard}")
            elif (self.today() - date.fromisoformat(heard[-1].told)).days > _LATELY:
                self._charge(moment, f"{user}: {what} of {key_id} of which nobody was reminded: {heard}")
            if not self.listening:
                self._charge(moment, f"{user}: {what} of {key_id} while nobody listens")
            if self.audit:
                self._charge(moment, f"{user}: {what} of {key_id} in Audit")

    def _remembers_what_was_told(self, moment: str, user: str, seen: Seen) -> None:
        """A notice is in memory only if a message said just that, and `WarnDays` ahead when it said it first."""
        for key_id, said in seen.memory.notices.items():
            told = [each.told for each in self.heard[key_id] if each.notice == said.notice]
            if said.told not in told:
                self._charge(moment, f"{user}: a notice of {key_id} that nobody was told: {said}")
            elif said.notice not in self._at_the_start and (
                (date.fromisoformat(said.day) - date.fromisoformat(told[0])).days < _WARN_DAYS
            ):
                self._charge(moment, f"{user}: a notice of {key_id} for a day that is too near: {said}")

    def at_the_end(self) -> None:
        """After the clean runs: nothing is left over."""
        for user in self.users:
            if (seen := see(user)) is None:
                continue
            if seen.memory.pending:
                self._charge("the end", f"{user}: `pending` is left")
            for key_id in self.unheld(seen, user):
                self._charge("the end", f"{user}: {key_id} is active, and nobody holds it")

    def unheld(self, seen: Seen, user: str) -> Iterator[str]:
        for key_id, status in seen.keys.items():
            if status == "Active" and self.held.get(key_id) != user:
                yield key_id

    def _charge(self, moment: str, what: str) -> None:
        told = f"{moment}: {what}"
        if told not in self.violations:
            self.violations.append(told)
