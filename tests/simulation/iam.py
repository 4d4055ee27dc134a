"""IAM in memory: users, tags, two access keys each, and last uses as IAM reports them."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from keyrotation.model import ACTIVE, Key, LastUse

KEYS_PER_USER = 2


class Refused(Exception):
    """An error as AWS answers it; the first argument is its code."""


@dataclass
class UserRecord:
    """One IAM user, by key id and by tag key."""

    name: str
    keys: dict[str, Key] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Iam:
    """The operations that the product and people use; each raises Refused as IAM would."""

    users: dict[str, UserRecord] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _owners: dict[str, UserRecord] = field(default_factory=dict)

    def create_user(self, name: str) -> UserRecord:
        self.users[name] = UserRecord(name=name)
        return self.users[name]

    def create_access_key(self, user_name: str, *, created: datetime) -> Key:
        user = self._user(user_name)
        if len(user.keys) >= KEYS_PER_USER:
            raise Refused("LimitExceeded")
        # Ids do not sort by age: nothing may depend on that.
        number = next(self._numbers)
        key = Key(id=f"AKIA{number * 7919 % 1000003:06d}{number:010d}", status=ACTIVE, created=created)
        user.keys[key.id] = key
        self._owners[key.id] = user
        return key

    def update_access_key(self, user_name: str, key_id: str, status: str) -> None:
        user = self._user(user_name)
        key = self._key(user, key_id)
        user.keys[key_id] = Key(id=key.id, status=status, created=key.created, last_use=key.last_use)

    def delete_access_key(self, user_name: str, key_id: str) -> None:
        user = self._user(user_name)
        self._key(user, key_id)
        del user.keys[key_id], self._owners[key_id]

    def tag_user(self, user_name: str, key: str, value: str) -> None:
        self._user(user_name).tags[key] = value

    def untag_user(self, user_name: str, keys: tuple[str, ...]) -> None:
        for key in keys:
            self._user(user_name).tags.pop(key, None)

    def use(self, key_id: str, *, at: datetime, service: str, region: str = "eu-west-1") -> None:
        """A signed call: refused unless the key is active; otherwise it is the key's last use."""
        user = self._owners.get(key_id)
        if user is None or not user.keys[key_id].active:
            raise Refused("InvalidClientTokenId")
        key = user.keys[key_id]
        use = LastUse(at=at, service=service, region=region)
        user.keys[key_id] = Key(id=key.id, status=key.status, created=key.created, last_use=use)

    def _user(self, name: str) -> UserRecord:
        if name not in self.users:
            raise Refused("NoSuchEntity")
        return self.users[name]

    @staticmethod
    def _key(user: UserRecord, key_id: str) -> Key:
        if key_id not in user.keys:
            raise Refused("NoSuchEntity")
        return user.keys[key_id]
