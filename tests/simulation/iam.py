"""IAM in memory: users, tags, attached policies, two access keys each, and last uses as IAM reports them.

The account as it is, without a client: people call it as it stands, programs through `use`, and a run of the
product through the skins of `clients.py`.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count

from keyrotation.model import ACTIVE, INACTIVE, LastUse

ACCOUNT_ID = "123456789012"
KEYS_PER_USER = 2
TAGS_PER_USER = 50
_TAG_VALUE = re.compile(r"[\w\s.:/=+@-]{0,256}")
_TAG_KEY = re.compile(r"[\w\s.:/=+@-]{1,128}")
# Real keys need 3 to 15 s until they work everywhere.
SETTLES_IN = timedelta(seconds=8)
_PROOF = timedelta(hours=1)


class Refused(Exception):
    """An error as AWS answers it: its code, its HTTP status, and what stands beside them."""

    def __init__(self, code: str, status: int = 400, **beside: object) -> None:
        super().__init__(code)
        self.code, self.status, self.beside = code, status, beside


@dataclass(slots=True)
class KeyRecord:
    """One access key with its secret half, which is made up. `works_from`: when IAM knows it everywhere."""

    id: str
    secret: str
    status: str
    created: datetime
    works_from: datetime
    last_use: LastUse | None = None

    @property
    def active(self) -> bool:
        return self.status == ACTIVE

    @property
    def created_on(self) -> date:
        return self.created.date()

    @property
    def used_on(self) -> date | None:
        """The day of the last use, as IAM tells it; a proof of the product's own, right after the creation, is none."""
        use = self.last_use
        if use is None or (use.service == "sts" and use.at - self.created <= _PROOF):
            return None
        return use.at.date()

    @property
    def seniority(self) -> tuple[datetime, str]:
        return self.created, self.id


@dataclass(slots=True, eq=False)
class UserRecord:
    """One IAM user, by key id and by tag key. `id` stays when the name and the path change."""

    name: str
    id: str
    path: str = "/"
    keys: dict[str, KeyRecord] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    policies: set[str] = field(default_factory=set)
    gone: bool = False

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT_ID}:user{self.path}{self.name}"


@dataclass
class Iam:
    """The operations that the product and people use; each raises Refused as IAM would."""

    users: dict[str, UserRecord] = field(default_factory=dict)
    settles_in: timedelta = SETTLES_IN
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _owners: dict[str, UserRecord] = field(default_factory=dict)
    _by_id: dict[str, UserRecord] = field(default_factory=dict)

    def create_user(self, name: str) -> UserRecord:
        if name in self.users:
            raise Refused("EntityAlreadyExists", 409)
        # The same name again is another user: another id.
        user = self.users[name] = UserRecord(name=name, id=f"AIDA{next(self._numbers):017d}")
        self._by_id[user.id] = user
        return user

    def update_user(self, name: str, *, new_name: str | None = None, new_path: str | None = None) -> None:
        user = self.user(name)
        if new_name is not None and new_name != name:
            if new_name in self.users:
                raise Refused("EntityAlreadyExists", 409)
            del self.users[name]
            user.name = new_name
            self.users[new_name] = user
        if new_path is not None:
            user.path = new_path

    def delete_user(self, name: str) -> None:
        user = self.user(name)
        if user.keys or user.policies:
            raise Refused("DeleteConflict", 409)
        user.gone = True
        del self.users[name], self._by_id[user.id]

    def with_id(self, user_id: str) -> UserRecord | None:
        """By the unique id, which stays when the name changes; None: there is no such user any more."""
        return self._by_id.get(user_id)

    def user(self, name: str) -> UserRecord:
        if name not in self.users:
            raise Refused("NoSuchEntity", 404)
        return self.users[name]

    def create_access_key(self, user_name: str, *, created: datetime) -> KeyRecord:
        user = self.user(user_name)
        if len(user.keys) >= KEYS_PER_USER:
            raise Refused("LimitExceeded", 409)
        # Ids do not sort by age: nothing may depend on that.
        number = next(self._numbers)
        key_id = f"AKIA{number * 7919 % 1000003:06d}{number:010d}"
        # IAM dates in whole seconds.
        key = KeyRecord(
            id=key_id,
            secret=f"made up {number}",
            status=ACTIVE,
            created=created.replace(microsecond=0),
            works_from=created + self.settles_in,
        )
        user.keys[key.id] = key
        self._owners[key.id] = user
        return key

    def update_access_key(self, user_name: str, key_id: str, status: str) -> None:
        if status not in (ACTIVE, INACTIVE):
            raise Refused("ValidationError")
        self._key(user_name, key_id).status = status

    def delete_access_key(self, user_name: str, key_id: str) -> None:
        self._key(user_name, key_id)
        del self.users[user_name].keys[key_id], self._owners[key_id]

    def tag_user(self, user_name: str, key: str, value: str) -> None:
        tags = self.user(user_name).tags
        if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            raise Refused("ValidationError")
        if key not in tags and len(tags) >= TAGS_PER_USER:
            raise Refused("LimitExceeded", 409)
        tags[key] = value

    def untag_user(self, user_name: str, keys: tuple[str, ...]) -> None:
        """A tag that is not there is no error."""
        user = self.user(user_name)
        for key in keys:
            user.tags.pop(key, None)

    def key(self, key_id: str) -> KeyRecord:
        if key_id not in self._owners:
            raise Refused("NoSuchEntity", 404)
        return self._owners[key_id].keys[key_id]

    def owner(self, key_id: str) -> UserRecord | None:
        return self._owners.get(key_id)

    def use(self, key_id: str, *, at: datetime, service: str, region: str = "eu-west-1") -> UserRecord:
        """A signed call: refused unless the key works; otherwise it is the key's last use."""
        user = self._owners.get(key_id)
        if user is None:
            raise Refused("InvalidClientTokenId", 403)
        key = user.keys[key_id]
        if not key.active or at < key.works_from:
            raise Refused("InvalidClientTokenId", 403)
        key.last_use = LastUse(at=at, service=service, region=region)
        return user

    def _key(self, user_name: str, key_id: str) -> KeyRecord:
        user = self.user(user_name)
        if key_id not in user.keys:
            raise Refused("NoSuchEntity", 404)
        return user.keys[key_id]
