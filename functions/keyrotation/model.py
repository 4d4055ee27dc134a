"""What is known of one IAM user on one day, in IAM's own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cached_property
from typing import Final, TypeVar

from keyrotation.memory import Memory

ACTIVE: Final = "Active"
INACTIVE: Final = "Inactive"
CURRENT_STAGE = "AWSCURRENT"
PENDING_STAGE = "AWSPENDING"

# The tags of a user that may name the owner, unless the stack's parameter OwnerTagKeys says otherwise.
OWNER_TAG_KEYS = ("access-key-rotation:owner", "owner", "Owner")

_T = TypeVar("_T")


class Unasked(Enum):
    """Stands where a fact would, as long as nobody has asked AWS for it: neither a value nor "there is none"."""

    UNASKED = "unasked"


UNASKED: Final = Unasked.UNASKED
# What is missing when it is the secret, or the policies attached to the user; a key's last use is missing by the key's id.
STORE: Final = "the secret"
ATTACHED: Final = "the attached policies"


class NotLookedUp(Exception):
    """A decision hangs on a fact that nobody has asked for yet: `what` is a key id, for its last use, or STORE, or ATTACHED."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was not looked up")
        self.what = what


def _known(fact: _T | Unasked, what: str) -> _T:
    if isinstance(fact, Unasked):
        raise NotLookedUp(what)
    return fact


# IAM counts our own proof of a new key as a use (docs/design.md section 2): one call to sts right after creation.
_PROOF_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """When and where a run looks, and who hears of it.

    `function_timeout`: longer than that no run of the rotator can take. `listeners`: confirmed subscriptions to
    the digest; None: they could not be read. `enforce` False: Mode is Audit. `owner_tag_keys`: the tags of a user that may
    name the owner, the first that has a value counts.
    """

    now: datetime
    region: str
    function_timeout: timedelta
    listeners: int | None
    enforce: bool = True
    owner_tag_keys: tuple[str, ...] = OWNER_TAG_KEYS

    @cached_property
    def today(self) -> date:
        return self.now.astimezone(UTC).date()

    @property
    def heard(self) -> bool:
        """Somebody is known to get the digest."""
        return bool(self.listeners)


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """Who hears of this account's runs. `listeners` None: it could not be read.

    `report`: the last report of which the organization's centre says that its mail went out, on the UTC day `on`. Both None:
    there is no such word, or no centre.
    """

    listeners: int | None
    report: str | None = None
    on: date | None = None


@dataclass(frozen=True, kw_only=True)
class LastUse:
    """The last use that IAM recorded; `at` is aware, UTC."""

    at: datetime
    service: str
    region: str


@dataclass(frozen=True, kw_only=True)
class Use:
    """Who was seen using a key: the address and the program as the caller gave them, and what it called."""

    source: str
    user_agent: str
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Key:
    """One access key. `last_use` None: never used, as IAM said so; what could not be read is in `User.unread`.

    `use` and `used_on` raise NotLookedUp when IAM was not asked.
    """

    id: str
    status: str
    created: datetime
    last_use: LastUse | Unasked | None = None

    @property
    def active(self) -> bool:
        return self.status == ACTIVE

    @property
    def seniority(self) -> tuple[datetime, str]:
        """Sorts the oldest key first, whatever order IAM lists them in; two of one second by their ids."""
        return self.created, self.id

    @property
    def created_on(self) -> date:
        return self.created.astimezone(UTC).date()

    @property
    def asked(self) -> bool:
        """IAM was asked for its last use."""
        return self.last_use is not UNASKED

    @property
    def use(self) -> LastUse | None:
        """The last use by anybody, our own proof included; None: never."""
        return _known(self.last_use, self.id)

    @property
    def used_on(self) -> date | None:
        """The UTC day of the last use by somebody else than ourselves; None: never."""
        use = self.use
        if use is None or (use.service == "sts" and use.at - self.created <= _PROOF_WINDOW):
            return None
        return use.at.astimezone(UTC).date()

    @property
    def idle_since(self) -> date:
        """The UTC day of the last use; of the creation, if it was never used."""
        return self.used_on or self.created_on


def version_id(key_id: str) -> str:
    """The secret version that holds this key: the id says which, so that nobody has to read the value.

    Secrets Manager wants 32 to 64 characters; access key ids have 16 to 40 in practice.
    """
    return f"{key_id}-access-key-rotation"


def secret_name(user_name: str) -> str:
    """The name of a user's secret.

    IAM allows a comma and Secrets Manager does not; a slash cannot occur in a user name, so no two users
    meet. The suffix avoids names that end in a hyphen and six characters (docs/design.md section 6).
    """
    return f"access-keys/{user_name.replace(',', '/comma/')}/credentials"


def name_of_secret(arn: str) -> str:
    """The name in a secret's ARN, which Secrets Manager ends in a hyphen and six characters of its own.

    A renamed user's secret keeps the name that it was made with.
    """
    return arn.split(":", 6)[6][:-7]


@dataclass(frozen=True, kw_only=True)
class Secret:
    """What DescribeSecret tells: stages by version id, and whether the secret is scheduled for deletion."""

    stages: Mapping[str, frozenset[str]]
    deleted: bool

    def stages_of(self, key_id: str) -> frozenset[str]:
        """The stages of the version that holds this key. Secrets Manager lists no version that has none."""
        return self.stages.get(version_id(key_id), frozenset())

    def holds(self, key_id: str) -> bool:
        """True when AWSCURRENT is this key and the owner can fetch it."""
        return not self.deleted and CURRENT_STAGE in self.stages_of(key_id)


@dataclass(frozen=True, kw_only=True)
class User:
    """One user as observed. `unread` says, fit to print, what could not be read: then nothing may be done.

    `unread_fact`: what NotLookedUp had asked for, when it is that which could not be read.
    `id` is IAM's unique id. `secret`: the one that memory knows, by its ARN; None: there is none. `quarantine`: the policy
    that AWS attached because it found a key of the user exposed; None: there is none. `the_secret` and `exposed` raise
    NotLookedUp when AWS was not asked. `gone`: IAM says that there is no such user (any more).
    """

    name: str
    id: str = ""
    arn: str = ""
    keys: tuple[Key, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    secret: Secret | Unasked | None = None
    quarantine: str | Unasked | None = None
    memory: Memory = field(default_factory=lambda: Memory(user_id=""))
    unread: tuple[str, ...] = ()
    unread_fact: str | None = None
    gone: bool = False

    @property
    def listed(self) -> "User":
        """As the scanner sees them: no last use and no secret."""
        keys = tuple(replace(key, last_use=UNASKED) for key in self.keys)
        return replace(self, keys=keys, secret=UNASKED)

    @property
    def the_secret(self) -> Secret | None:
        """As Secrets Manager describes it."""
        return _known(self.secret, STORE)

    @property
    def exposed(self) -> str | None:
        """The quarantine policy, when AWS has attached one."""
        return _known(self.quarantine, ATTACHED)
