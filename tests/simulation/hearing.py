"""What people heard: of each key, what a message that SNS accepted while somebody listened said last, and since when."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from keyrotation.memory import What, Why

from tests.simulation.account import Said


@dataclass(frozen=True, kw_only=True)
class Telling:
    """The same words about a key, from the first message to the last. `warn`: WarnDays on the first of these days."""

    what: What
    why: Why
    day: date
    first: date
    last: date
    warn: int

    def says(self, said: Said) -> bool:
        return (self.what, self.why, self.day) == (said.what, said.why, said.day)


@dataclass
class Hearing:
    """`tellings`: by key id."""

    tellings: dict[str, Telling] = field(default_factory=dict)

    def hear(self, said: Said, today: date, *, warn: int) -> str | None:
        """What is wrong with these words; None: nothing."""
        before = self.tellings.get(said.key_id)
        if before is not None and before.says(said):
            self.tellings[said.key_id] = replace(before, last=today)
            return None
        self.tellings[said.key_id] = Telling(
            what=said.what, why=said.why, day=said.day, first=today, last=today, warn=warn
        )
        if said.day < today + timedelta(days=warn):
            return (
                f"{said.key_id}: notice was given for {said.day}, {(said.day - today).days} days ahead ({said.why}; "
                f"before: {before})"
            )
        return None

    def void(self, key_id: str, *, what: What | None = None) -> None:
        """Its reason is gone: whatever is said of the key from now on is said anew."""
        telling = self.tellings.get(key_id)
        if telling is not None and what in (None, telling.what):
            del self.tellings[key_id]

    def allows(self, key_id: str, what: What, today: date, *, warn: int) -> "Telling | str":
        """What was told, if it may be done today by what people heard; otherwise what is missing."""
        telling = self.tellings.get(key_id)
        if telling is None or telling.what is not what:
            return f"no notice of a {what} was heard (last heard: {telling})"
        if today < telling.day:
            return f"it was told for {telling.day}"
        if telling.first + timedelta(days=telling.warn) > today:
            return f"it was told only on {telling.first}"
        if (today - telling.last).days > warn + 1:
            return f"it was told last on {telling.last}, and nobody was reminded"
        return telling
