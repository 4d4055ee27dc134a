"""What must hold at every moment, read from IAM and Secrets Manager themselves; nothing of the product is imported."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends

from tests.component.calls import READS, Call

_ACCOUNT, _REGION = "123456789012", "eu-central-1"
# An answer too: that there is nothing.
_NOTHING_THERE = ("NoSuchEntity", "ResourceNotFoundException")
_TAGS = "access-key-rotation:"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One user as it is: keys by id, in the order of creation; what AWSCURRENT names; the tags of this system."""

    keys: Mapping[str, str]
    current: str | None
    current_works: bool
    tags: Mapping[str, str]
    fetchable: bool


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
    )


def is_failure(error: str) -> bool:
    """That there is nothing is an answer."""
    return error not in _NOTHING_THERE


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


@dataclass(kw_only=True)
class Oracle:
    """`held`: user by the id of each active key that its user has from the start. `may_go`: those that a rule takes.

    `people_did`: keys that a person switched off or deleted.
    """

    held: dict[str, str]
    may_go: frozenset[str]
    users: Sequence[str]
    violations: list[str] = field(default_factory=list)
    people_did: set[str] = field(default_factory=set)
    _unread: dict[tuple[str, str], str] = field(default_factory=dict)

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
        elif call.operation in ("UpdateAccessKey", "DeleteAccessKey"):
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
        return next((user for user in self.users if f"'{user}'" in told or f"/{user}/" in told), None)

    def look(self, moment: str) -> None:
        """The invariants of every moment."""
        for user in self.users:
            if (seen := see(user)) is None:
                continue
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

    def at_the_end(self) -> None:
        """After the clean runs: nothing is left over."""
        for user in self.users:
            if (seen := see(user)) is None:
                continue
            if "pending" in seen.tags:
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
