"""The one mail of a run: plain text that on-call can act on, and nothing that a user's tag could forge."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import assert_never

from keyrotation import commands, tags
from keyrotation.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    ForgetMarks,
    Hold,
    Item,
    Level,
    MarkInactive,
    OffReason,
    Plan,
    Promote,
    Replace,
)
from keyrotation.apply import Done, Outcome
from keyrotation.model import ACTIVE, Key, User, secret_name
from keyrotation.plan import account_items
from keyrotation.policy import Policy, parameter_name
from keyrotation.rotation import Run
from keyrotation.settings import Mode, RotatorSettings

_WIDTH = 72
_MOST_PER_SECTION = 25
_LONGEST_TAG = 60
# Text that people wrote is wrapped at 4 and starts no line elsewhere: a command, at 8, cannot be forged by it.
_TEXT_INDENT, _COMMAND_INDENT = 4, 8
_LONGEST_SUBJECT = 99  # SNS: fewer than 100 printable ASCII characters


class Severity(StrEnum):
    """What a mail asks of its readers; also a message attribute for filter policies."""

    INFO = "info"
    ATTENTION = "attention"
    CRITICAL = "critical"


@dataclass(frozen=True, kw_only=True)
class Digest:
    """`worth_sending` False: nothing was done, and nobody is asked for anything."""

    subject: str
    body: str
    severity: Severity
    worth_sending: bool


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One block of the mail. `by`: the day that matters; `command`: what to copy, and `purpose` what for."""

    user: User
    owner: str
    text: str
    key_id: str | None = None
    by: date | None = None
    purpose: str = ""
    command: str | None = None


def digest_of(run: Run, settings: RotatorSettings, *, redelivered: bool) -> Digest:
    """Render a run; however many users there are, the body stays far below the 256 KiB that SNS takes.

    `redelivered`: an earlier delivery of the order may have done things that no mail told.
    """
    audit = settings.mode is Mode.AUDIT
    failed = list(_failed(run))
    acted = list(_done(run, settings))
    forced = [entry for entry, action in acted if _is_forced(action)]
    asked = sorted(
        [*_items(run, Level.ATTENTION), *(_waiting_for_enforce(run) if audit else ())],
        key=lambda entry: (entry.by or date.max, entry.user.name),
    )
    would_do = list(_would_do(run, settings)) if audit else []
    done = [entry for entry, action in acted if not _is_forced(action)]
    before = list(_done_before(run, settings, done=[*forced, *done])) if redelivered else []
    forced += [entry for entry, was_in_use in before if was_in_use]
    done_before = [entry for entry, was_in_use in before if not was_in_use]
    upcoming = sorted(_items(run, Level.UPCOMING), key=lambda entry: (entry.by or date.max, entry.user.name))
    late = [*_late(run, settings.policy)]
    account = account_items(run.order, settings.policy, listeners=run.listeners)
    critical = any(item.level is Level.CRITICAL for item in account)

    headline = _headline(
        run,
        account=account,
        failed=failed,
        forced=forced,
        asked=asked,
        would_do=would_do,
        done_before=done_before,
        upcoming=upcoming,
    )
    where = f"{settings.account} {settings.aws_region}"
    paragraphs = [
        _wrapped(f"{headline}. Account {where}, {run.today}.", indent=0, hanging=0),
        _section("SWITCHED OFF WHILE IN USE", forced, run.today),
        _section("FAILED", failed, run.today),
        ["", "THE ACCOUNT", *(line for item in account for line in _wrapped(_sentence(item.text)))]
        if account
        else [],
        _section("NEEDS SOMEONE", asked, run.today),
        _section("WOULD BE DONE (Mode is Audit: nothing was changed)", would_do, run.today),
        _section("DONE TODAY", done, run.today),
        _section("DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL", done_before, run.today),
        _section("COMING UP", upcoming, run.today),
        _section("EXEMPT", list(_items(run, Level.EXEMPT)), run.today),
        ["", "NOT REACHED TODAY", *late] if late else [],
        ["", "EXAMINED", *_wrapped(_coverage(run))],
        ["", "SETTINGS", *_wrapped(_settings(settings)), *_wrapped(f"run id {run.order.run_id}")],
    ]
    return Digest(
        subject=_ascii(f"{headline} ({where})")[:_LONGEST_SUBJECT],
        body="\n".join(line for paragraph in paragraphs for line in paragraph) + "\n",
        severity=Severity.CRITICAL
        if failed or forced or critical
        else Severity.ATTENTION
        if asked or account or done_before
        else Severity.INFO,
        worth_sending=any((account, failed, forced, asked, would_do, done, done_before, upcoming, late)),
    )


def _headline(
    run: Run,
    *,
    account: Sequence[Item],
    failed: Sequence[_Entry],
    forced: Sequence[_Entry],
    asked: Sequence[_Entry],
    would_do: Sequence[_Entry],
    done_before: Sequence[_Entry],
    upcoming: Sequence[_Entry],
) -> str:
    """The most important first, with its deadline."""
    counts = Counter(type(done.action) for outcome in run.outcomes for done in outcome.done)
    counts.update(ForgetMarks for outcome in run.outcomes for _ in _marks_to_forget(outcome))
    if forced:
        return f"CRITICAL: {_count(len(forced), 'access key')} switched off while still in use"
    if any(item.level is Level.CRITICAL for item in account):
        return "CRITICAL: the root user has access keys"
    if failed:
        return f"FAILED: changes to {_count(len(failed), 'user')} did not finish"
    if done_before:
        were = "was" if len(done_before) == 1 else "were"
        return f"RESUMED: {_count(len(done_before), 'change')} of an earlier attempt {were} not told"
    if would_do:
        planned = Counter(type(action) for plan in run.plans for action in plan.actions)
        would = _summary(
            planned, replaced="replace", off="switch off", deleted="delete", marks="set marks only"
        )
        return f"AUDIT: would {would}"
    if asked:
        first = min((entry.by for entry in asked if entry.by is not None), default=None)
        users = len({entry.user.name for entry in asked})
        return f"{f'ACT by {first}' if first else 'ATTENTION'}: {_count(users, 'user')} need{'s' * (users == 1)} someone"
    if counts:
        did = _summary(counts, replaced="replaced", off="switched off", deleted="deleted", marks="marks only")
        return f"Done: {did}"
    if account:
        return "ATTENTION: the account needs someone"
    if upcoming:
        return f"Coming up: {_count(len(upcoming), 'change')}, the first on {upcoming[0].by}"
    return "Nothing to do"


def _summary(counts: Counter[type[Action]], *, replaced: str, off: str, deleted: str, marks: str) -> str:
    """`replaced 3, deleted 1 access keys`: the changes of keys, or of marks alone where there are no others."""
    named = {
        replaced: counts[Replace] + counts[Promote],
        off: counts[Deactivate],
        deleted: counts[Delete] + counts[DeleteOrphan],
    }
    parts = [f"{verb} {number}" for verb, number in named.items() if number]
    return f"{', '.join(parts)} access key{'s' * (sum(named.values()) != 1)}" if parts else marks


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


# The entries, section by section.


def _items(run: Run, level: Level) -> Iterator[_Entry]:
    for plan in run.plans:
        for item in plan.items:
            if item.level is level:
                yield _of_item(plan, item)


def _of_item(plan: Plan, item: Item) -> _Entry:
    return _Entry(
        user=plan.user,
        owner=plan.owner,
        key_id=item.key_id,
        text=item.text,
        by=item.by,
        purpose="If nobody needs it",
        command=item.command,
    )


def _waiting_for_enforce(run: Run) -> Iterator[_Entry]:
    """Mode went to Audit while a replacement was in flight: nothing but Enforce can settle it."""
    for plan in run.plans:
        if plan.settles:
            text = (
                "an interrupted replacement waits for Mode=Enforce, which finishes or undoes it: until then there may be "
                "a new key that nobody holds. The old key goes on working"
            )
            yield _Entry(user=plan.user, owner=plan.owner, text=text)


def _failed(run: Run) -> Iterator[_Entry]:
    for outcome in run.outcomes:
        if outcome.failure is not None:
            yield _Entry(user=outcome.plan.user, owner=outcome.plan.owner, text=outcome.failure)


def _is_forced(action: Action) -> bool:
    return isinstance(action, Deactivate) and action.reason is OffReason.FORCED


def _done(run: Run, settings: RotatorSettings) -> Iterator[tuple[_Entry, Action]]:
    for outcome in run.outcomes:
        for done in (*outcome.done, *(Done(action=marks) for marks in _marks_to_forget(outcome))):
            new_key = done.issued.key_id if done.issued else None
            if _told_as_done(done.action):
                yield _of_action(outcome.plan, done.action, settings, new_key=new_key), done.action


def _marks_to_forget(outcome: Outcome) -> Iterator[ForgetMarks]:
    """Of keys that were gone before this run. Perhaps deleted by an attempt that died: then nothing else tells of it."""
    for action in outcome.once_told:
        if isinstance(action, ForgetMarks) and action in outcome.plan.actions:
            yield action


def _done_before(
    run: Run, settings: RotatorSettings, *, done: Sequence[_Entry]
) -> Iterator[tuple[_Entry, bool]]:
    """Read from the state: marks dated today, and new keys that AWSCURRENT holds. Deletions leave no trace.

    A key that was made on an earlier day may have been promoted by the attempt that could not tell: while it is
    recent and nobody used it, it is told, perhaps once more. With each: whether it is a key that went off while
    it was in use.
    """
    of_this_run = {entry.key_id for entry in done} | {
        each.issued.key_id for outcome in run.outcomes for each in outcome.done if each.issued is not None
    }
    for plan in run.plans:
        user, name = plan.user, plan.user.name
        marks = tags.parse(user.tags, today=run.today).inactive_since
        for key in user.keys:
            if key.id in of_this_run:
                continue
            if not key.active and marks.get(key.id) == run.today:
                entry = _Entry(
                    user=user,
                    owner=plan.owner,
                    key_id=key.id,
                    text="switched off, or seen inactive for the first time",
                    purpose="To switch it on",
                    command=commands.set_status(name, key.id, ACTIVE),
                )
                yield entry, _was_in_use(user, key, settings.policy, run.today)
            age = (run.today - key.created_on).days
            lately = age <= settings.policy.quiet_days and key.used_on is None
            if (age == 0 or lately) and user.secret is not None and user.secret.holds(key.id):
                entry = _Entry(
                    user=user,
                    owner=plan.owner,
                    key_id=key.id,
                    text=f"this new key is in the secret {secret_name(name)}: install it",
                    purpose="The owner, with the old key",
                    command=commands.fetch_new_key(name, region=settings.aws_region),
                )
                yield entry, False


def _was_in_use(user: User, key: Key, policy: Policy, today: date) -> bool:
    """When it went off today: a key that was quiet had not been used for longer than this."""
    moved_on = any(other.used_on for other in user.keys if other.seniority > key.seniority)
    days = policy.quiet_days if moved_on else policy.quiet_days_before_first_use
    return key.used_on is not None and (today - key.used_on).days <= days


def _would_do(run: Run, settings: RotatorSettings) -> Iterator[_Entry]:
    for plan in run.plans:
        for action in plan.actions:
            if _told_as_done(action):
                # No command: there is nothing yet to fetch or to undo.
                yield replace(_of_action(plan, action, settings, new_key=None), command=None)


def _told_as_done(action: Action) -> bool:
    """A hold stands among what needs someone, with its reason; twice would be once too often."""
    return not isinstance(action, Hold)


def _of_action(plan: Plan, action: Action, settings: RotatorSettings, *, new_key: str | None) -> _Entry:
    """`new_key` None: what would be done, in Audit."""
    user, name, policy = plan.user, plan.user.name, settings.policy
    fetch = commands.fetch_new_key(name, region=settings.aws_region)

    def entry(
        text: str,
        *,
        key_id: str | None = None,
        by: date | None = None,
        purpose: str = "",
        command: str | None = None,
    ) -> _Entry:
        return _Entry(
            user=user, owner=plan.owner, text=text, key_id=key_id, by=by, purpose=purpose, command=command
        )

    match action:
        case Replace(why=why, old_key_id=old, old_key_off_on=off_on):
            where = f"in the secret {secret_name(name)}"
            text = f"replaced ({why}): the new key is {new_key or 'to come'}, {where}"
            if off_on is not None:
                text += f". Install it; this old key is switched off from {off_on} on, once nobody uses it"
            return entry(text, key_id=old, by=off_on, purpose="The owner, with the old key", command=fetch)
        case Promote(key_id=key_id):
            text = (
                f"an interrupted replacement was finished: this new key is in the secret {secret_name(name)}"
            )
            return entry(text, key_id=key_id, purpose="The owner, with the old key", command=fetch)
        case DeleteOrphan(key_id=key_id):
            text = (
                f"an interrupted replacement was undone: its key {key_id}, which nobody can hold, was deleted"
            )
            return entry(text)
        case Deactivate(key_id=key_id, on=on, why=why, in_secret=in_secret):
            text = f"switched off: {why}"
            if in_secret:
                text += ". It is the key in the user's secret, which now holds a key that is off"
            deleted_on = on + timedelta(days=policy.delete_after_days) if policy.delete_after_days else None
            text += f". It is deleted on {deleted_on} at the earliest" if deleted_on else ""
            undo = commands.set_status(name, key_id, ACTIVE)
            return entry(text, key_id=key_id, by=deleted_on, purpose="To undo", command=undo)
        case Delete(key_id=key_id, why=why):
            return entry(f"deleted: {why}", key_id=key_id)
        case Hold(key_id=key_id, until=until, reason=reason):
            return entry(f"kept on until {until} ({reason})", key_id=key_id)
        case MarkInactive(key_id=key_id):
            deletion = (
                f"deleted {policy.delete_after_days} days from now" if policy.delete_after_days else "kept"
            )
            return entry(f"seen inactive for the first time; {deletion}", key_id=key_id)
        case ForgetMarks(tag_keys=tag_keys):
            return entry(f"removed tags that say nothing any more: {', '.join(tag_keys)}")
        case _:
            assert_never(action)


def _late(run: Run, policy: Policy) -> Iterator[str]:
    if run.waiting:
        names = [plan.user.name for plan in run.waiting]
        days = -(-len(names) // policy.max_users_per_run)
        yield from _wrapped(
            f"{_count(len(names), 'user')} wait for a later run, about {_count(days, 'day')} at "
            f"MaxUsersPerRun={policy.max_users_per_run}: {_names(names)}"
        )
    if run.deferred:
        yield from _wrapped(
            f"{_count(len(run.deferred), 'user')} deferred to the next run because the time was nearly up: "
            f"{_names(run.deferred)}"
        )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_PER_SECTION])
    more = len(names) - _MOST_PER_SECTION
    return f"{shown} and {more} more, named in the log" if more > 0 else shown


def _coverage(run: Run) -> str:
    total, deferred = run.order.total, len(run.deferred)
    unreadable = sum(bool(plan.user.unread) for plan in run.plans)
    exempt = sum(any(item.level is Level.EXEMPT for item in plan.items) for plan in run.plans)
    examined = total - unreadable - deferred
    return (
        f"examined {examined} of {_count(total, 'user')}, {exempt} exempt, {unreadable} unreadable, "
        f"{deferred} deferred"
    )


def _settings(settings: RotatorSettings) -> str:
    days = [
        f"{parameter_name(each.name)}={getattr(settings.policy, each.name)}"
        for each in fields(settings.policy)
    ]
    return f"Mode={settings.mode} {' '.join(days)} (parameters of the stack; an update changes them)"


# How it is laid out.


def _section(title: str, entries: Sequence[_Entry], today: date) -> list[str]:
    if not entries:
        return []
    lines = ["", title]
    for entry in entries[:_MOST_PER_SECTION]:
        lines += _block(entry, today)
    if (more := len(entries) - _MOST_PER_SECTION) > 0:
        lines += _wrapped(f"and {more} more, all of them in the log of this run")
    return lines


def _block(entry: _Entry, today: date) -> Iterator[str]:
    owner = f" (owner: {entry.owner[:_LONGEST_TAG]})" if entry.owner else ""
    yield from _wrapped(f"* {entry.user.name}{owner}", indent=0)
    key = next((key for key in entry.user.keys if key.id == entry.key_id), None)
    if key is not None:
        yield from _wrapped(_facts(key, entry.user, today))
    yield from _wrapped(_sentence(entry.text))
    if entry.by is not None and entry.by > today:
        yield from _wrapped(f"{entry.by}: in {_count((entry.by - today).days, 'day')}.")
    if entry.command is not None:
        yield from _wrapped(f"{entry.purpose}:")
        yield from _command(entry.command)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _facts(key: Key, user: User, today: date) -> str:
    used = "never used"
    if key.last_use is not None and key.used_on is not None:
        used = f"last used {key.used_on} on {key.last_use.service} in {key.last_use.region}"
    # The console keeps a key's description as a tag named by the key id.
    description = f" ({user.tags[key.id][:_LONGEST_TAG]})" if key.id in user.tags else ""
    return f"{key.id}{description}, {_count((today - key.created_on).days, 'day')} old, {used}"


def _wrapped(text: str, *, indent: int = _TEXT_INDENT, hanging: int = _TEXT_INDENT) -> list[str]:
    """Every line of the mail comes through here: what a person can set (tags) cannot start a line of its own."""
    return textwrap.wrap(
        "".join(character if character.isprintable() else "?" for character in text),
        width=_WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * hanging,
        break_on_hyphens=False,
    )


def _command(command: str) -> Iterator[str]:
    """Broken before options, so that it can be copied as it stands."""
    line, *options = command.split(" --")
    line = " " * _COMMAND_INDENT + line
    for option in options:
        if len(line) + len(option) + len(" -- \\") > _WIDTH:
            yield f"{line} \\"
            line = " " * _COMMAND_INDENT + f"  --{option}"
        else:
            line = f"{line} --{option}"
    yield line


def _ascii(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
