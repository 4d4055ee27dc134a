"""The entries of a report: one per thing that was done, failed, is asked or comes up, with what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import assert_never

from keyrotation.decide import tags
from keyrotation.decide.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    ForgetMarks,
    Hold,
    Item,
    Kind,
    Level,
    MarkInactive,
    OffReason,
    Plan,
    Promote,
    Replace,
)
from keyrotation.model import ACTIVE, INACTIVE, Key, Use, User, secret_name
from keyrotation.policy import Policy
from keyrotation.run.record import Run
from keyrotation.run.settings import Mode, RotatorSettings
from keyrotation.tell import commands, links
from keyrotation.tell.account import account_items
from keyrotation.tell.commands import Command, Runner

# Longer ones are cut: a tag value may have 256 characters, and what AWS answers any number.
_LONGEST_WORD, _LONGEST_TEXT = 60, 600
# How far ahead the commands propose an exemption, from the day that it is to avert.
_PROPOSED_EXEMPTION = timedelta(days=30)


STRANDED = "stranded"


@dataclass(frozen=True, kw_only=True)
class KeyFacts:
    """One key as it was seen. `description`: what the console keeps in a tag named by the key id.

    `use_known` False: nothing hung on its last use, so nobody asked for it.
    """

    id: str
    description: str
    created: date
    use_known: bool
    used: date | None
    service: str
    region: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One block of a section. `user` None: it is about the account.

    `by`, `then` and `since` are those of `actions.Item`; `console` links to where a person sees the user.
    """

    kind: str
    text: str
    user: str | None = None
    owner: str = ""
    key: KeyFacts | None = None
    by: date | None = None
    then: str = ""
    since: date | None = None
    commands: tuple[Command, ...] = ()
    console: str | None = None
    uses: tuple[Use, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entries:
    """Makes the entries of each section."""

    run: Run
    settings: RotatorSettings

    @property
    def log_command(self) -> Command:
        line = commands.read_log(
            self.settings.log_group_name, self.run.order.run_id, region=self.settings.aws_region
        )
        return Command(runner=Runner.ADMINISTRATOR, purpose="for everything that this run wrote", line=line)

    def items(self, level: Level) -> Iterator[Entry]:
        for plan in self.run.plans:
            for item in plan.items:
                if item.level is level:
                    yield self._entry(
                        plan,
                        item.text,
                        kind=item.kind,
                        key_id=item.key_id,
                        by=item.by,
                        then=item.then,
                        since=item.since,
                        commands=tuple(self._commands_of(plan.user, item)),
                    )

    def account(self) -> Iterator[Entry]:
        for item in account_items(self.run.order, self.settings.policy, listeners=self.run.listeners):
            yield Entry(
                kind=item.kind,
                text=item.text,
                commands=(
                    Command(
                        runner=Runner.ADMINISTRATOR,
                        purpose="to see who has yet to confirm",
                        line=commands.list_subscriptions(self.settings.topic_arn),
                    ),
                )
                if item.kind is Kind.NOBODY_LISTENS
                else (),
                console=links.own_credentials(partition=self.settings.partition)
                if item.kind is Kind.ROOT_KEYS
                else None,
            )

    def stranded(self) -> Iterator[Entry]:
        """Mode went to Audit while a replacement was in flight: nothing but Enforce can settle it."""
        for plan in self.run.plans:
            if plan.settles:
                text = (
                    "an interrupted replacement waits for Mode=Enforce, which finishes or undoes it: until then there may be "
                    "a new key that nobody holds. The old key goes on working"
                )
                look = _administrator("to see its tags", commands.list_tags(plan.user.name))
                yield self._entry(plan, text, kind=STRANDED, commands=(look,))

    def failed(self) -> Iterator[Entry]:
        for outcome in self.run.outcomes:
            if outcome.failure is not None:
                yield self._entry(outcome.plan, outcome.failure, kind="failed", commands=(self.log_command,))

    def done(self) -> Iterator[tuple[Entry, Action]]:
        for outcome in self.run.outcomes:
            for done in outcome.done:
                if _told_as_done(outcome.plan, done.action):
                    new_key = done.issued.key_id if done.issued else None
                    yield self._of_action(outcome.plan, done.action, new_key=new_key), done.action

    def would_do(self) -> Iterator[Entry]:
        for plan in self.run.plans:
            for action in plan.actions:
                if _told_as_done(plan, action):
                    yield self._of_action(plan, action, new_key=None)

    def done_before(self, *, told: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
        """Read from the state: marks since the day of the order, marks of keys that are gone, new keys that AWSCURRENT holds.

        A key that was made on an earlier day may have been promoted by the attempt that could not tell: while it is
        recent and nobody used it, it is told, perhaps once more. With each: whether it is a key that went off while
        it was in use.
        """
        today = self.run.today
        # An order of late yesterday may have been worked on before midnight.
        ordered = self.run.order.ordered_at
        first = min(ordered.date(), today) if ordered is not None else today
        of_this_run = {entry.key.id for entry in told if entry.key is not None} | {
            each.issued.key_id
            for outcome in self.run.outcomes
            for each in outcome.done
            if each.issued is not None
        }
        for plan in self.run.plans:
            user = plan.user
            for action in plan.actions:
                if isinstance(action, ForgetMarks) and not plan.settles:
                    # Of keys that were gone before this attempt: perhaps deleted by one that died.
                    yield self._of_action(plan, action, new_key=None), False
            marks = tags.parse(user.tags, today=today).inactive_since
            for key in user.keys:
                if key.id in of_this_run:
                    continue
                if not key.active and (off_on := marks.get(key.id)) is not None and off_on >= first:
                    yield (
                        self._entry(
                            plan,
                            "it was switched off, or seen inactive for the first time",
                            kind="off-before",
                            key_id=key.id,
                            commands=(_switch_on(user.name, key.id, "to switch it on"),),
                        ),
                        _was_in_use(user, key, self.settings.policy, off_on),
                    )
                age = (today - key.created_on).days
                lately = age <= self.settings.policy.quiet_days and key.used_on is None
                secret = user.the_secret
                if (key.created_on >= first or lately) and secret is not None and secret.holds(key.id):
                    yield (
                        self._entry(
                            plan,
                            f"this new key is in the secret {secret_name(user.name)}: install it",
                            kind="replaced-before",
                            key_id=key.id,
                            commands=(self._fetch(user.name),),
                        ),
                        False,
                    )

    def _of_action(self, plan: Plan, action: Action, *, new_key: str | None) -> Entry:
        """What was done; in Audit what would be, and then nothing can be fetched or undone yet."""
        name, policy = plan.user.name, self.settings.policy
        audit = self.settings.mode is Mode.AUDIT
        was, were = ("would be", "would be") if audit else ("was", "were")

        def entry(
            text: str,
            *ways: Command,
            kind: str,
            key_id: str | None = None,
            by: date | None = None,
            then: str = "",
            since: date | None = None,
        ) -> Entry:
            if audit:
                until = _proposed(self.run.today)
                ways = (_exempt(name, until, "to have this user left alone"),)
            return self._entry(
                plan, text, kind=kind, key_id=key_id, by=by, then=then, since=since, commands=ways
            )

        match action:
            case Replace(why=why, old_key_id=old, old_key_off_on=off_on, since=since):
                text = f"it {was} replaced ({why})"
                if new_key is not None:
                    text += f": the new key {new_key} is in the secret {secret_name(name)}. Install it"
                then = "switched off once nobody uses it" if off_on else ""
                return entry(
                    text,
                    self._fetch(name),
                    kind="replaced",
                    key_id=old,
                    by=off_on,
                    then=then,
                    since=since,
                )
            case Promote(key_id=key_id):
                text = f"an interrupted replacement {was} finished: this new key is in the secret {secret_name(name)}"
                return entry(text, self._fetch(name), kind="finished", key_id=key_id)
            case DeleteOrphan(key_id=key_id):
                text = f"an interrupted replacement {was} undone: its key {key_id}, which nobody can hold, {was} deleted"
                return entry(text, kind="undone")
            case Deactivate(key_id=key_id, on=on, why=why, in_secret=in_secret, reason=reason, since=since):
                text = f"it {was} switched off: {why}"
                if in_secret:
                    text += ". It is the key in the user's secret, which then holds a key that is off"
                days, deleted_on, left = policy.delete_after_days, None, ""
                if days:
                    deleted_on = on + timedelta(days=days)
                    left = f" within the {days} days before it may be deleted"
                ways = [_switch_on(name, key_id, f"to undo this{left}")]
                if reason is OffReason.UNUSED:
                    ways.append(_ask_for_replacement(name, "to have a new key made"))
                kind = "forced-off" if reason is OffReason.FORCED else "switched-off"
                then = "deleted at the earliest" if deleted_on else ""
                return entry(text, *ways, kind=kind, key_id=key_id, by=deleted_on, then=then, since=since)
            case Delete(key_id=key_id, why=why, since=since):
                return entry(f"it {was} deleted: {why}", kind="deleted", key_id=key_id, since=since)
            case Hold(key_id=key_id, until=until, reason=reason):
                return entry(f"it {was} given until {until} ({reason})", kind="held", key_id=key_id)
            case MarkInactive(key_id=key_id, on=on):
                ends = on + timedelta(days=policy.delete_after_days) if policy.delete_after_days else None
                return entry(
                    f"it {was} seen inactive for the first time",
                    _switch_on(name, key_id, "if somebody needs it"),
                    kind="seen-inactive",
                    key_id=key_id,
                    by=ends,
                    then="deleted at the earliest" if ends else "",
                )
            case ForgetMarks(tag_keys=tag_keys):
                text = f"tags that say nothing any more {were} removed: {', '.join(tag_keys)}"
                return entry(text, kind="tags-removed")
            case _:
                assert_never(action)

    def _commands_of(self, user: User, item: Item) -> Iterator[Command]:
        """What its readers may want to do about an item: nobody is told of something that they cannot act upon."""
        name, until = user.name, _proposed(item.by or self.run.today)
        match item.kind:
            case Kind.NOT_UNDERSTOOD if user.unread:
                yield _administrator("to see whether it can be read", commands.read_user(name))
            case Kind.NOT_UNDERSTOOD | Kind.INTERRUPTED | Kind.SETTING:
                yield _administrator("to see its tags", commands.list_tags(name))
            case Kind.IN_USE | Kind.UNTIL_QUIET:
                yield self._fetch(name)
                yield _exempt(name, until, "to have it kept on")
            case Kind.TO_RESTORE:
                restore = commands.restore_secret(name, region=self.settings.aws_region)
                yield _administrator("to have it back", restore)
            case Kind.OFF_DATE | Kind.OFF_DATE_QUIET:
                yield self._fetch(name)
            case Kind.BACK_ON | Kind.RETIREMENT | Kind.EXEMPTION_ENDS:
                yield _exempt(name, until, "to have it left alone for longer")
            case Kind.BY_HAND | Kind.BY_HAND_QUIET | Kind.UNUSED_KEPT if item.key_id is not None:
                off = commands.set_status(name, item.key_id, INACTIVE)
                yield _administrator("if nobody needs it, to switch it off", off)
                yield _exempt(name, until, "to have both kept on")
            case Kind.BLOCKED if item.key_id is not None:
                yield _administrator("if nobody needs it", commands.delete_key(name, item.key_id))
            case Kind.BLOCKED_BY_PAIR if item.key_id is not None:
                yield _administrator("if nobody needs it", commands.set_status(name, item.key_id, INACTIVE))
            case Kind.REPLACEMENT:
                yield _ask_for_replacement(name, "to have it replaced at the next run")
                yield _exempt(name, until, "to have it left alone")
            case Kind.DELETION if item.key_id is not None:
                yield _switch_on(name, item.key_id, "if somebody needs it")
            case Kind.EXEMPT:
                yield _administrator("to end the exemption", commands.end_exemption(name))
            case _:
                return

    def _fetch(self, name: str) -> Command:
        line = commands.fetch_new_key(name, region=self.settings.aws_region)
        return Command(runner=Runner.OWNER, purpose="to fetch the new key", line=line)

    def _entry(
        self,
        plan: Plan,
        text: str,
        *,
        kind: str,
        key_id: str | None = None,
        by: date | None = None,
        then: str = "",
        since: date | None = None,
        commands: tuple[Command, ...] = (),
    ) -> Entry:
        user = plan.user
        key = next((key for key in user.keys if key.id == key_id), None)
        return Entry(
            kind=kind,
            text=_cut(text, _LONGEST_TEXT),
            user=user.name,
            owner=_cut(plan.owner, _LONGEST_WORD),
            key=_facts(key, user) if key is not None else None,
            by=by,
            then=then,
            since=since,
            commands=commands,
            console=links.user(user.name, partition=self.settings.partition),
            uses=tuple(map(_printable_use, self.run.uses.get(key_id, ()))) if key_id is not None else (),
        )


def is_forced(action: Action) -> bool:
    return isinstance(action, Deactivate) and action.reason is OffReason.FORCED


def _told_as_done(plan: Plan, action: Action) -> bool:
    """A hold stands among what needs someone, with its reason; twice would be once too often.

    That marks of keys which are gone were tidied up is no news.
    """
    if isinstance(action, ForgetMarks):
        return False
    if not isinstance(action, Hold):
        return True
    return all(item.key_id != action.key_id or item.level is not Level.ATTENTION for item in plan.items)


def _was_in_use(user: User, key: Key, policy: Policy, today: date) -> bool:
    """When it went off today: a key that was quiet had not been used for longer than this."""
    moved_on = any(other.used_on for other in user.keys if other.seniority > key.seniority)
    days = policy.quiet_days if moved_on else policy.quiet_days_before_first_use
    return key.used_on is not None and (today - key.used_on).days <= days


def _facts(key: Key, user: User) -> KeyFacts:
    used_on = key.used_on if key.asked else None
    use = key.use if used_on else None
    return KeyFacts(
        id=key.id,
        description=_cut(user.tags.get(key.id, ""), _LONGEST_WORD),
        created=key.created_on,
        use_known=key.asked,
        used=used_on,
        service=use.service if use else "",
        region=use.region if use else "",
    )


def _printable_use(use: Use) -> Use:
    """Callers choose what they call themselves."""
    return Use(
        source=_cut(use.source, _LONGEST_WORD),
        user_agent=_cut(use.user_agent, _LONGEST_WORD),
        events=tuple(_cut(event, _LONGEST_WORD) for event in use.events[:5]),
    )


def _administrator(purpose: str, line: str) -> Command:
    return Command(runner=Runner.ADMINISTRATOR, purpose=purpose, line=line)


def _switch_on(user_name: str, key_id: str, purpose: str) -> Command:
    return _administrator(purpose, commands.set_status(user_name, key_id, ACTIVE))


def _exempt(user_name: str, until: date, purpose: str) -> Command:
    return _administrator(f"{purpose}, through {until}", commands.exempt(user_name, until=until))


def _ask_for_replacement(user_name: str, purpose: str) -> Command:
    return _administrator(purpose, commands.ask_for_replacement(user_name))


def _proposed(day: date) -> date:
    """The last day of an exemption that averts what happens on this day, which a tag may have put in the year 9999."""
    return min(day, date.max - _PROPOSED_EXEMPTION) + _PROPOSED_EXEMPTION


def _cut(text: str, longest: int) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= longest else f"{printable[: longest - 3]}..."
