"""What the planner can decide: typed actions to carry out, and items that people should read."""

from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum, StrEnum

from keyrotation.memory import Notice, OffReason, Vanished
from keyrotation.model import User

# What is only remembered: it changes no key, takes no place under the cap, and is done in Audit too.


@dataclass(frozen=True, kw_only=True)
class ForgetKeys:
    """Forget keys that are gone. `vanished`: the one among them that somebody else must have deleted."""

    key_ids: tuple[str, ...]
    vanished: Vanished | None = None


@dataclass(frozen=True, kw_only=True)
class ForgetVanished:
    """Replacements may go on: a person has exempted the user since."""


@dataclass(frozen=True, kw_only=True)
class RememberOff:
    """Remember since when an inactive key is known to be inactive; its switch-off needs no notice any more."""

    key_id: str
    on: date


@dataclass(frozen=True, kw_only=True)
class RememberOn:
    """Remember that a person switched a key back on; its notice falls."""

    key_id: str
    on: date


@dataclass(frozen=True, kw_only=True)
class DropNotice:
    """A notice falls: its reason is gone. `notice` is the one that falls."""

    key_id: str
    notice: Notice
    why: str


# What is told first, and remembered once the message went out.


@dataclass(frozen=True, kw_only=True)
class GiveNotice:
    """Tell what will happen to a key, on which day and why; `instead_of` is forgotten before it is told."""

    key_id: str
    notice: Notice
    because: str
    instead_of: Notice | None = None


# What changes keys and secrets.


@dataclass(frozen=True, kw_only=True)
class MendPolicy:
    """The user was renamed or moved: put the policy of the secret anew, with the user's ARN of today."""

    secret_arn: str
    user_arn: str


@dataclass(frozen=True, kw_only=True)
class Deactivate:
    """Keep a notice: switch a key off, and remember it as off since `on`.

    `in_secret`: it is the key that AWSCURRENT holds. `notice`: of its deletion, given by the mail that tells of this.
    """

    key_id: str
    on: date
    reason: OffReason
    why: str
    in_secret: bool
    notice: Notice | None = None


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Keep a notice: delete an inactive key. It is forgotten when that was told."""

    key_id: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Replace:
    """Issue a new key beside the keys that there are (docs/design.md section 6).

    `asked`: by tag. `notice`: of the old key's switch-off, given by the mail that tells of the new one.
    `since`: the first day on which this was to be done; None: nobody can know.
    """

    why: str
    old_key_id: str | None
    asked: bool
    notice: Notice | None = None
    since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Promote:
    """Finish an interrupted replacement: its key is stored and works, and only AWSCURRENT is missing.

    `old_key_id`: the only other active key, if there is one.
    """

    key_id: str
    old_key_id: str | None


@dataclass(frozen=True, kw_only=True)
class Recall:
    """An interrupted replacement was finished, and only memory does not know it yet: its key is AWSCURRENT."""

    key_id: str


@dataclass(frozen=True, kw_only=True)
class DeleteOrphan:
    """Undo an interrupted replacement: its key was never stored, so that no one can hold it."""

    key_id: str


@dataclass(frozen=True, kw_only=True)
class SettlePending:
    """Forget an interrupted replacement that was finished or undone. `asked`: the tag that asked for it goes too."""

    asked: bool


Remembered = ForgetKeys | ForgetVanished | RememberOff | RememberOn | DropNotice
# What leaves every key and secret as it is.
OnlyRemembered = Remembered | GiveNotice
Settling = Promote | Recall | DeleteOrphan | SettlePending
ChangesKeys = Deactivate | Delete | Replace | Promote | DeleteOrphan
Action = OnlyRemembered | MendPolicy | Deactivate | Delete | Replace | Settling


class Level(IntEnum):
    """How much an item asks of people, the most urgent first."""

    CRITICAL = 0
    ATTENTION = 1
    UPCOMING = 2
    EXEMPT = 3
    DONE = 4


class Kind(StrEnum):
    """What an item is about: machines read it, and it decides which commands stand beside the item."""

    NOTICE = "notice"
    NOT_UNDERSTOOD = "not-understood"
    INTERRUPTED = "interrupted"
    SETTING = "setting"
    OLD_TAGS = "old-tags"
    EXEMPT = "exempt"
    EXPOSED = "key-exposed"
    VANISHED = "key-vanished"
    BACK_ON = "switched-back-on"
    IN_USE = "held-in-use"
    UNTIL_QUIET = "held-until-quiet"
    BY_HAND = "by-hand"
    BY_HAND_QUIET = "by-hand-quiet"
    NOT_STORED = "successor-not-stored"
    UNUSED_KEPT = "unused-kept"
    BLOCKED = "replacement-blocked"
    BLOCKED_BY_PAIR = "replacement-blocked-by-two-active-keys"
    UNHEARD = "nobody-would-hear"
    REPLACEMENT = "replacement"
    OFF_DATE = "off-date"
    OFF_DATE_QUIET = "off-date-quiet"
    RETIREMENT = "retirement"
    DELETION = "deletion"
    EXEMPTION_ENDS = "exemption-ends"
    ROOT_KEYS = "root-keys"
    NOBODY_LISTENS = "nobody-listens"
    LOST = "secret-lost"
    LEFT_BEHIND = "secret-left-behind"
    TO_RESTORE = "secret-goes"
    DELETED = "deleted-before"


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something that people should know: `by` is the day on which it happens or by which they should act.

    `then` says what happens on that day, as a participle ("switched off"): in Audit it only would. `since` is the
    first day on which this held, as the state tells; None: nobody can know, so every day may be the first.
    `notice`: the notice of `key_id` that telling this item tells again. `once`: told once, and remembered by this word.
    """

    level: Level
    text: str
    key_id: str | None = None
    by: date | None = None
    kind: Kind = Kind.NOTICE
    then: str = ""
    since: date | None = None
    notice: Notice | None = None
    once: str | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One decision and the name of the rule that made it."""

    rule: str
    decision: Action | Item


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything decided about one user on one day, in the order in which it is to be carried out.

    `enforce` False, in Audit: what is only remembered is done, and everything else would be.
    """

    user: User
    owner: str
    steps: tuple[Step, ...]
    enforce: bool = True

    @property
    def settles(self) -> bool:
        """It only finishes or undoes an interrupted replacement: the user is to be planned again after it."""
        return any(isinstance(step.decision, Settling) for step in self.steps)

    def preceded_by(self, settled: "Plan") -> "Plan":
        """This plan, with what was to be told about the interrupted replacement that was settled before it."""
        told = tuple(step for step in settled.steps if isinstance(step.decision, Item))
        return replace(self, steps=(*told, *self.steps))

    @property
    def decided(self) -> tuple[Action, ...]:
        """All actions, whether they are carried out or would be."""
        return tuple(step.decision for step in self.steps if not isinstance(step.decision, Item))

    @property
    def actions(self) -> tuple[Action, ...]:
        """To be carried out."""
        return tuple(each for each in self.decided if self.enforce or isinstance(each, Remembered))

    @property
    def would(self) -> tuple[Action, ...]:
        """What Enforce would carry out, and Audit only tells."""
        return tuple(each for each in self.decided if not self.enforce and not isinstance(each, Remembered))

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(step.decision for step in self.steps if isinstance(step.decision, Item))
