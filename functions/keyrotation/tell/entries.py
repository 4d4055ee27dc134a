"""The entries of a report: one per thing that was done, failed, is asked or comes up, with what to do about it."""

import re
from dataclasses import dataclass
from datetime import date

from keyrotation.act.replacement import Issued
from keyrotation.decide.actions import Kind, Plan
from keyrotation.decide.hints import Hint, hints_of
from keyrotation.model import Key, Use, User, name_of_secret, secret_name
from keyrotation.run.record import Run
from keyrotation.run.settings import Mode, RotatorSettings
from keyrotation.tell import commands, links
from keyrotation.tell.commands import Command

# Of entries that ask somebody to install a new key, or to find out who manages the user.
_HINTED = frozenset(
    {
        "replaced",
        "replaced-without-an-old-key",
        "finished",
        "replaced-before",
        "forced-off",
        Kind.REPLACEMENT,
        Kind.OFF_DATE,
        Kind.IN_USE,
        Kind.UNTIL_QUIET,
        Kind.BY_HAND,
        Kind.NOT_STORED,
        Kind.LOST,
        Kind.BLOCKED_BY_PAIR,
        Kind.VANISHED,
    }
)
# Longer ones are cut: a tag value may have 256 characters, and what AWS answers any number.
_LONGEST_WORD, _LONGEST_TEXT = 60, 600


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

    `once`: what is remembered as told by this word. `many`: the same said of many users at once, as sentences; empty: there is no way to. `by`, `then` and `since` are those
    of `actions.Item`; `console` links to where a person sees the user. `new_key`: the id of the key that was issued, and
    `secret_arn` the secret where it can be fetched. `hints`: what else is known of the user.
    """

    kind: str
    text: str
    many: str = ""
    user: str | None = None
    owner: str = ""
    key: KeyFacts | None = None
    by: date | None = None
    then: str = ""
    since: date | None = None
    commands: tuple[Command, ...] = ()
    console: str | None = None
    uses: tuple[Use, ...] = ()
    new_key: str | None = None
    secret_arn: str | None = None
    hints: tuple[Hint, ...] = ()
    once: str | None = None


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What every entry of a report is made from: the run, and the settings that it had."""

    run: Run
    settings: RotatorSettings

    @property
    def audit(self) -> bool:
        return self.settings.mode is Mode.AUDIT

    @property
    def log_command(self) -> Command:
        line = commands.read_log(
            self.settings.log_group_name, self.run.order.run_id, region=self.settings.aws_region
        )
        return commands.administrator("for everything that this run wrote", line)

    def secret_of(self, plan: Plan) -> str:
        """The real name: a renamed user's secret keeps the one that it was made with."""
        outcome = self.run.outcome_of.get(plan.user.name)
        arn = (plan.user.memory if outcome is None else outcome.memory).secret_arn
        return secret_name(plan.user.name) if arn is None else name_of_secret(arn)

    def fetch(self, plan: Plan) -> Command:
        """With the old key, where one works."""
        works = any(key.active for key in plan.user.keys)
        return commands.fetch(self.secret_of(plan), region=self.settings.aws_region, old_key_works=works)

    def install(self, plan: Plan) -> tuple[Command, ...]:
        """What brings a new key to the program that uses the old one: by itself first, and by hand."""
        fetch = self.fetch(plan)
        if fetch.runner is not commands.Runner.OWNER:
            return (fetch,)
        region = self.settings.aws_region
        return commands.follow(plan.user.name, self.secret_of(plan), region=region), fetch

    def before_deletion(self, plan: Plan, key_id: str, day: date | None) -> Command:
        """What averts the deletion of an inactive key. Nobody is offered to switch on what a person switched off: it may have leaked."""
        name = plan.user.name
        if plan.user.memory.key(key_id).off_because is None:
            return commands.leave_alone(name, day or self.run.today, "to have it kept, still off")
        return commands.switch_on(name, key_id, "if somebody needs it")

    def about(
        self,
        plan: Plan,
        text: str,
        *ways: Command,
        kind: str,
        key_id: str | None = None,
        by: date | None = None,
        then: str = "",
        since: date | None = None,
        issued: Issued | None = None,
        many: str = "",
        once: str | None = None,
    ) -> Entry:
        """An entry about the plan's user, and one of its keys where there is one. `ways`: the commands beside it."""
        user = plan.user
        key = next((key for key in user.keys if key.id == key_id), None)
        return Entry(
            kind=kind,
            text=_cut(text, _LONGEST_TEXT),
            many=many,
            user=user.name,
            owner=short(plan.owner),
            key=_facts(key, user) if key is not None else None,
            by=by,
            then=then,
            since=since,
            commands=ways,
            console=links.user(user.name, partition=self.settings.partition),
            uses=tuple(map(_printable_use, self.run.uses.get(key_id, ()))) if key_id is not None else (),
            new_key=issued.key_id if issued else None,
            secret_arn=issued.secret_arn if issued else None,
            hints=self._hints(user) if kind in _HINTED else (),
            once=once,
        )

    def _hints(self, user: User) -> tuple[Hint, ...]:
        return hints_of(user, [use for key in user.keys for use in self.run.uses.get(key.id, ())])


def _facts(key: Key, user: User) -> KeyFacts:
    used_on = key.used_on if key.asked else None
    use = key.use if used_on else None
    return KeyFacts(
        id=key.id,
        description=short(user.tags.get(key.id, "")),
        created=key.created_on,
        use_known=key.asked,
        used=used_on,
        service=use.service if use else "",
        region=use.region if use else "",
    )


def _printable_use(use: Use) -> Use:
    """Callers choose what they call themselves."""
    return Use(
        source=short(use.source),
        user_agent=short(use.user_agent),
        events=tuple(short(event) for event in use.events[:5]),
    )


def short(words: str) -> str:
    """A word that a person wrote, short enough for a mail."""
    return _cut(words, _LONGEST_WORD)


def _cut(text: str, longest: int) -> str:
    printable = _defanged("".join(character if character.isprintable() else "?" for character in text))
    return printable if len(printable) <= longest else f"{printable[: longest - 3]}..."


# What a mail program or a chat would make of other people's words: a link, a mention, code.
_FANGS = str.maketrans({"<": "(", ">": ")", "`": "'"})


def _defanged(text: str) -> str:
    """Readable, and nothing to click: `https[:]//example.com`."""
    return re.sub(r"(?i)\bwww\.", "www[.]", text.translate(_FANGS).replace("://", "[:]//"))
