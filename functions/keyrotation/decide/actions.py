"""What the planner can decide: typed actions to carry out, and items that people should read."""

from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum, StrEnum

from keyrotation.decide.tags import HoldReason
from keyrotation.model import User


@dataclass(frozen=True, kw_only=True)
class ForgetMarks:
    """Remove marks that no longer say anything: those of keys that are gone, or of a key switched on again."""

    tag_keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MarkInactive:
    """Remember since when an inactive key is known to be inactive."""

    key_id: str
    on: date


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Remember until when a key is kept on, and why. `instead_of`: marks that it replaces."""

    key_id: str
    until: date
    reason: HoldReason
    instead_of: tuple[str, ...] = ()


class OffReason(StrEnum):
    """Why a key is switched off."""

    QUIET = "quiet"
    FORCED = "forced"
    UNUSED = "unused"


@dataclass(frozen=True, kw_only=True)
class Deactivate:
    """Switch a key off, and mark it inactive since `on`. `in_secret`: it is the key that AWSCURRENT holds.

    `since`: the first day on which this was to be done; None: nobody can know. So also in other actions.
    """

    key_id: str
    on: date
    reason: OffReason
    why: str
    in_secret: bool
    since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Delete an inactive key and its marks."""

    key_id: str
    why: str
    tag_keys: tuple[str, ...]
    since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Replace:
    """Issue a new key beside the keys that there are (docs/design.md section 5)."""

    why: str
    old_key_id: str | None
    old_key_off_on: date | None
    tag_keys_done: tuple[str, ...]
    since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Promote:
    """Finish an interrupted replacement: its key is stored and works, and only AWSCURRENT is missing.

    `old_key_id`: the only other active key, if there is one.
    """

    key_id: str
    old_key_id: str | None
    old_key_off_on: date | None


@dataclass(frozen=True, kw_only=True)
class DeleteOrphan:
    """Undo an interrupted replacement: its key was never stored, so that no one can hold it."""

    key_id: str


Action = Promote | DeleteOrphan | ForgetMarks | MarkInactive | Hold | Deactivate | Delete | Replace


class Level(IntEnum):
    """How much an item asks of people, the most urgent first."""

    CRITICAL = 0
    ATTENTION = 1
    UPCOMING = 2
    EXEMPT = 3


class Kind(StrEnum):
    """What an item is about: machines read it, and it decides which commands stand beside the item."""

    NOTICE = "notice"
    NOT_UNDERSTOOD = "not-understood"
    INTERRUPTED = "interrupted"
    SETTING = "setting"
    EXEMPT = "exempt"
    BACK_ON = "switched-back-on"
    IN_USE = "held-in-use"
    UNTIL_QUIET = "held-until-quiet"
    BY_HAND = "by-hand"
    BY_HAND_QUIET = "by-hand-quiet"
    UNUSED_KEPT = "unused-kept"
    BLOCKED = "replacement-blocked"
    BLOCKED_BY_PAIR = "replacement-blocked-by-two-active-keys"
    WITHHELD = "withheld"
    REPLACEMENT = "replacement"
    OFF_DATE = "off-date"
    OFF_DATE_QUIET = "off-date-quiet"
    RETIREMENT = "retirement"
    DELETION = "deletion"
    EXEMPTION_ENDS = "exemption-ends"
    ROOT_KEYS = "root-keys"
    NOBODY_LISTENS = "nobody-listens"
    TO_RESTORE = "secret-goes"


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something that people should know: `by` is the day on which it happens or by which they should act.

    `then` says what happens on that day, as a participle ("switched off"): in Audit it only would. `since` is the
    first day on which this held, as the state tells; None: nobody can know, so every day may be the first.
    """

    level: Level
    text: str
    key_id: str | None = None
    by: date | None = None
    kind: Kind = Kind.NOTICE
    then: str = ""
    since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One decision and the name of the rule that made it."""

    rule: str
    decision: Action | Item


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything decided about one user on one day, in the order in which it is to be carried out."""

    user: User
    owner: str
    steps: tuple[Step, ...]

    @property
    def settles(self) -> bool:
        """It only finishes or undoes an interrupted replacement: the user is to be planned again after it."""
        return any(step.rule == "interrupted" and not isinstance(step.decision, Item) for step in self.steps)

    def preceded_by(self, settled: "Plan") -> "Plan":
        """This plan, with what was to be told about the interrupted replacement that was settled before it."""
        told = tuple(step for step in settled.steps if isinstance(step.decision, Item))
        return replace(self, steps=(*told, *self.steps))

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(step.decision for step in self.steps if not isinstance(step.decision, Item))

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(step.decision for step in self.steps if isinstance(step.decision, Item))
