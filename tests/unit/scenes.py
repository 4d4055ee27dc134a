"""Runs for the tests of what is told: users in every state, on a fixed day, with what became of their plans.

`python -m tests.unit.scenes` writes the golden mails anew, into tests/unit/mails: look at the difference before it is
committed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from keyrotation.act.apply import Done, Outcome
from keyrotation.act.replacement import Issued
from keyrotation.decide.actions import Action, Deactivate, GiveNotice, Plan, Promote, Replace
from keyrotation.decide.plan import plan_user
from keyrotation.memory import KeyMemory, Memory, Notice, OffReason, Pending, Vanished, Why
from keyrotation.model import CURRENT_STAGE, Key, Occasion, Secret, Use, User, version_id
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run
from keyrotation.run.settings import Mode, RotatorSettings
from keyrotation.tell.digest import digest_of

from tests.unit import people
from tests.unit.effects import done as effect_of
from tests.unit.people import NEW, OCCASION, OLD, SECRET, THIRD, TODAY, days_ago, key, known, notice, off
from tests.unit.run.test_settings import ENVIRONMENT

PREFIX = "access-key-rotation:"
QUARANTINE = "AWSCompromisedKeyQuarantineV3"
ROLE = "arn:aws:iam::123456789012:role/access-key-rotation-rotator"
AUDIT = RotatorSettings.parse({**ENVIRONMENT, "ROTATOR_ROLE_ARN": ROLE})
ENFORCE = replace(AUDIT, mode=Mode.ENFORCE)


def user(
    name: str,
    *keys: Key,
    stored: str | None = None,
    memory: Mapping[str, KeyMemory] | None = None,
    tags: Mapping[str, str] | None = None,
) -> User:
    """As `people.user`, each with an id and a secret of their own."""
    made = people.user(*keys, stored=stored, memory=memory, tags=tags, name=name)
    arn = secret_of(name)
    of_keys = {
        key_id: replace(each, secret_arn=arn) if each.secret_arn is not None else each
        for key_id, each in made.memory.keys.items()
    }
    user_id = f"AIDA{name.upper()}"
    remembered = replace(
        made.memory, user_id=user_id, keys=of_keys, secret_arn=arn if made.memory.secret_arn else None
    )
    return replace(made, id=user_id, memory=remembered)


def secret_of(name: str) -> str:
    return SECRET.replace("/carol/", f"/{name.replace(',', '/comma/')}/")


def pair(
    name: str,
    *,
    issued: int,
    used: int | None,
    new_used: int | None = 0,
    due: Notice | None = None,
    tags: Mapping[str, str] | None = None,
) -> User:
    """An old key, last used `used` days ago, and a new one issued `issued` days ago; `due`: the notice of the old one."""
    keys = (key(74 + issued, used=used), key(issued, used=new_used, id=NEW))
    return user(name, *keys, stored=NEW, memory={OLD: known(notice=due)}, tags=tags)


def occasion_of(*, listeners: int | None = 1, enforce: bool = True) -> Occasion:
    return replace(OCCASION, listeners=listeners, enforce=enforce)


def acted(plan: Plan, failure: str | None = None, *, now: datetime = OCCASION.now) -> Outcome:
    """Every action of the plan took effect, and nothing was told yet; with a `failure` none changed a key."""
    seen, done = plan.user, []
    for action in plan.actions:
        if failure is None:
            if isinstance(action, Replace) and seen.memory.secret_arn is None:
                seen = replace(seen, memory=replace(seen.memory, secret_arn=secret_of(seen.name)))
            seen = effect_of(seen, action, now)
            if not isinstance(action, GiveNotice):
                arn = seen.memory.secret_arn or SECRET
                issued = Issued(key_id=NEW, secret_arn=arn) if isinstance(action, Replace | Promote) else None
                done.append(Done(action=action, issued=issued))
    carried_out = [each.action for each in done] + [
        each for each in plan.actions if isinstance(each, GiveNotice)
    ]
    return Outcome(
        plan=plan,
        done=tuple(done),
        failure=failure,
        memory=seen.memory,
        to_give=tuple(gives(carried_out)),
    )


def gives(actions: Iterable[Action]) -> Iterable[tuple[str, Notice]]:
    for action in actions:
        match action:
            case GiveNotice(key_id=key_id, notice=given) | Deactivate(key_id=key_id, notice=given):
                if given is not None:
                    yield key_id, given
            case Replace(old_key_id=key_id, notice=given) if key_id is not None and given is not None:
                yield key_id, given
            case _:
                pass


def run_of(
    *users: User,
    done: bool = True,
    failure: str | None = None,
    alias: str = "",
    uses: Mapping[str, tuple[Use, ...]] | None = None,
    total: int = 20,
    waiting: int = 0,
    deferred: tuple[str, ...] = (),
    left_behind: tuple[Memory, ...] = (),
    root: bool | None = False,
    with_keys: int = 18,
    listeners: int | None = 1,
    enforce: bool = True,
    policy: Policy = ENFORCE.policy,
) -> Run:
    """A run over these users; with `done`, every action took effect. The last `waiting` plans wait."""
    occasion = occasion_of(listeners=listeners, enforce=enforce)
    plans = tuple(plan_user(each, policy, occasion) for each in users)
    tried = [plan for plan in plans[: len(plans) - waiting] if plan.actions] if done else []
    return Run(
        order=Order(
            run_id="run-1",
            total=total,
            account_alias=alias,
            with_keys=with_keys,
            root_has_keys=root,
            user_names=tuple(each.name for each in users),
        ),
        today=TODAY,
        listeners=listeners,
        plans=plans,
        outcomes=tuple(acted(plan, failure) for plan in tried),
        waiting=plans[len(plans) - waiting :] if waiting else (),
        deferred=deferred,
        uses=uses or {},
        left_behind=left_behind,
    )


# Replaced today; switched off today, as announced; in use on its day; in use on the last day of its extension.
DUE = user("alice", key(74, used=0))
QUIET = pair("bob", issued=14, used=13, due=notice(Why.OVERLAP, 0))
HELD = pair("carol", issued=14, used=1, due=notice(Why.OVERLAP, 0))
EXTENDED = pair("carol", issued=20, used=1, due=notice(Why.IN_USE, 8))
FORCED = pair("dave", issued=28, used=1, due=notice(Why.IN_USE, 0))
EXEMPT = user("erin", key(400, used=0), tags={f"{PREFIX}exempt": "2027-03-01 vendor"})
SOON = user("frank", key(70, used=0))
BACK_ON = user("uma", key(50, used=0), memory={OLD: known(off=1)})
UNREADABLE = User(name="grace", unread=("it could not be read (GetUser: AccessDenied)",))
# Deleted today, as announced.
LONG_OFF = user(
    "vera",
    off(200, used=60),
    key(40, used=0, id=NEW),
    memory={OLD: replace(known(off=30, notice=notice(Why.INACTIVE, 0)), off_because=OffReason.QUIET)},
)
# Announced, and told again today.
REMINDED = pair("rita", issued=11, used=12, due=notice(Why.OVERLAP, 3))


MAILS = Path(__file__).parent / "mails"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A run, and the settings with which it is told."""

    run: Run
    settings: RotatorSettings = ENFORCE
    redelivered: bool = False

    def mail(self) -> str:
        digest = digest_of(self.run, self.settings, redelivered=self.redelivered)
        return f"Subject: {digest.subject}\n\n{digest.body}"


def _neglected(number: int) -> tuple[User, ...]:
    """Far over the threshold, in use."""
    return tuple(
        user(f"service-{each:02}", key(120 + 7 * each, used=each % 5, id=f"AKIANEGLECTED{each:07}"))
        for each in range(number)
    )


def _rolled_back() -> Run:
    cause = (
        f"rolled back: the new key {NEW} was deleted (the new key did not work within 57 seconds "
        "(GetCallerIdentity: InvalidClientTokenId))"
    )
    return run_of(DUE, failure=cause, alias="prod")


def many() -> tuple[User, ...]:
    """Five thousand, as long-winded as IAM allows: nine of ten are due, the others are in use on their day."""
    due = tuple(
        user(
            f"{each:04}-{'n' * 59}",
            key(400, used=0, id=f"AKIAMANY{each:012}"),
            tags={f"{PREFIX}owner": "Zahlungsverkehr Zürich, 東京 " * 10},
        )
        for each in range(4500)
    )
    held = tuple(
        user(
            f"held-{each:03}-{'n' * 55}",
            key(88, used=1, id=f"AKIAHELD{each:012}"),
            key(14, used=0, id=f"AKIASUCC{each:012}"),
            stored=f"AKIASUCC{each:012}",
            memory={f"AKIAHELD{each:012}": known(notice=notice(Why.OVERLAP, 0))},
            tags={f"AKIAHELD{each:012}": "Description " * 20, f"{PREFIX}owner": "東" * 256},
        )
        for each in range(500)
    )
    return (*due, *held)


def _lost(name: str) -> User:
    """The new key is ours, and its secret is gone."""
    return replace(pair(name, issued=12, used=0, due=notice(Why.OVERLAP, 2)), secret=None)


def _to_restore(name: str) -> User:
    """The new key is ours, and its secret goes in a few days."""
    made = pair(name, issued=12, used=0, due=notice(Why.OVERLAP, 2))
    stages = {version_id(NEW): frozenset({CURRENT_STAGE})}
    return replace(made, secret=Secret(stages=stages, deleted=True))


def _not_stored(name: str) -> User:
    """The new key is ours, and somebody put another value into its secret."""
    made = pair(name, issued=12, used=0, due=notice(Why.OVERLAP, 2))
    stages = {version_id(THIRD): frozenset({CURRENT_STAGE}), version_id(NEW): frozenset({"AWSPREVIOUS"})}
    return replace(made, secret=Secret(stages=stages, deleted=False))


def _renamed() -> User:
    made = pair("renamed", issued=12, used=4, due=notice(Why.OVERLAP, 2))
    arn = secret_of("name-of-before")
    keys = {NEW: replace(made.memory.key(NEW), secret_arn=arn), OLD: made.memory.key(OLD)}
    before = "arn:aws:iam::123456789012:user/name-of-before"
    return replace(made, memory=replace(made.memory, secret_arn=arn, policy_arn=before, keys=keys))


def _vanished() -> User:
    made = user("ivan", key(80, used=0))
    return replace(made, memory=replace(made.memory, vanished=Vanished(key_id=THIRD, on=TODAY)))


def _interrupted() -> User:
    """The last run died between storing the new key and making it current."""
    made = people.user(key(80, used=1), key(1, id=NEW), staged=NEW, name="nina")
    pending = Pending(
        since=OCCASION.now - timedelta(hours=24), region="eu-west-1", run_id="run-0", key_ids=(OLD,)
    )
    arn = secret_of("nina")
    return replace(made, memory=replace(made.memory, secret_arn=arn, policy_arn=made.arn, pending=pending))


def _in_another_region() -> User:
    made = _interrupted()
    pending = Pending(
        since=OCCASION.now - timedelta(hours=24), region="us-east-1", run_id="run-0", key_ids=(OLD,)
    )
    return replace(made, id="AIDANINANINANINANINA", memory=replace(made.memory, pending=pending))


def _off_since_the_last_mail() -> User:
    """Switched off on Friday, as announced; no mail went out for that."""
    went_off = replace(known(off=2), off_because=OffReason.QUIET)
    return user("bob", off(90, used=15), key(16, used=0, id=NEW), stored=NEW, memory={OLD: went_off})


def _deleted_since_the_last_mail() -> User:
    vera = user("vera", key(40, used=0, id=NEW))
    return replace(vera, memory=replace(vera.memory, changed=days_ago(4), deleted={THIRD: days_ago(4)}))


def _leaked() -> User:
    """Its only key leaked and was switched off; a replacement was asked for by tag."""
    return user(
        "lena",
        off(60, used=3),
        tags={f"{PREFIX}replace": "leaked"},
        memory={OLD: known(off=1, notice=notice(Why.INACTIVE, 29))},
    )


def _three_keys() -> User:
    return user("theo", key(30, used=1), key(20, used=1, id=NEW), key(10, used=1, id=THIRD))


def _redelivered() -> Run:
    """What an attempt of today did before it died: a switch-off, a replacement and a deletion."""
    went_off = replace(known(off=0), off_because=OffReason.QUIET)
    vera = user("vera", key(40, used=0, id=NEW))
    return run_of(
        user("bob", off(88, used=13), key(14, used=0, id=NEW), stored=NEW, memory={OLD: went_off}),
        user("alice", key(74, used=0), key(0, id=NEW), stored=NEW),
        replace(vera, memory=replace(vera.memory, changed=TODAY, deleted={THIRD: TODAY})),
        alias="prod",
    )


_BUILD_HOST = Use(
    source="203.0.113.7", user_agent="aws-cli/2.31.0 md/prompt#off", events=("PutObject", "ListObjectsV2")
)
_TWO_APPLICATIONS = user(
    "etl",
    key(200, used=0, id=OLD),
    key(100, used=1, id=NEW),
    tags={OLD: "billing export", NEW: "reporting", f"{PREFIX}owner": "team-data"},
)
_HELD_LONG = user(
    "dora",
    key(94, used=0, id="AKIAHELDHELDHELDHELD"),
    key(20, used=3, id="AKIASUCCSUCCSUCCSUCC"),
    stored="AKIASUCCSUCCSUCCSUCC",
    memory={"AKIAHELDHELDHELDHELD": known(notice=notice(Why.IN_USE, 8))},
    tags={f"{PREFIX}owner": "team-web"},
)
_LAST_DAYS = pair("lars", issued=12, used=1, due=notice(Why.OVERLAP, 2), tags={f"{PREFIX}owner": "team-ml"})
_MALFORMED = user("hugo", key(80, used=0), tags={f"{PREFIX}exempt": "forever"})
_BY_HAND_QUIET = user("hanna", key(84, used=40), key(50, used=0, id=NEW))
_BY_HAND_IN_USE = user("hans", key(84, used=1), key(50, used=0, id=NEW))
_UNUSED = user("ulla", key(200, used=95))
_UNUSED_GOES = user("udo", key(200, used=97), memory={OLD: known(notice=notice(Why.UNUSED, 0))})
_NEVER_USED = user("nils", key(81))
_GIVEN_ANEW = pair("greta", issued=30, used=20, due=notice(Why.OVERLAP, -16, told=17))
_USED_BEFORE = pair("petra", issued=14, used=20, new_used=None, due=notice(Why.OVERLAP, 0))
_FELL = user("felix", key(95, used=0), memory={OLD: known(notice=notice(Why.UNUSED, 3))})
_NOW_EXEMPT = pair(
    "emma", issued=12, used=13, due=notice(Why.OVERLAP, 2), tags={f"{PREFIX}exempt": "2027-01-31 audit"}
)
_MOVED_DELETION = user(
    "mona",
    off(120, used=30, id=OLD),
    key(46, id=NEW),
    stored=NEW,
    memory={OLD: known(off=30, notice=notice(Why.INACTIVE, 0))},
)
_EXPOSED = replace(user("xaver", off(300), key(20, used=0, id=NEW)), quarantine=QUARANTINE)
_OLD_TAGS = user(
    "otto",
    key(30, used=0),
    tags={f"{PREFIX}inactive-since:{OLD}": "2026-10-01", f"{PREFIX}pending": "2026-10-01 run"},
)
_FIRST_SEEN_OFF = user("fred", off(150, used=60, id=THIRD), key(40, used=0, id=NEW))

# What on-call gets: each stands as a file of its name in MAILS.
SCENES: dict[str, Scene] = {
    "first-audit": Scene(
        run=run_of(
            DUE,
            EXEMPT,
            SOON,
            _UNUSED,
            _FIRST_SEEN_OFF,
            _BY_HAND_QUIET,
            *_neglected(10),
            enforce=False,
            alias="prod",
        ),
        settings=AUDIT,
    ),
    "first-enforce": Scene(
        run=run_of(DUE, EXEMPT, SOON, _UNUSED, _FIRST_SEEN_OFF, _BY_HAND_QUIET, _NEVER_USED, alias="prod")
    ),
    "back-to-audit": Scene(run=run_of(REMINDED, DUE, enforce=False, alias="prod"), settings=AUDIT),
    "neglected-account": Scene(run=run_of(*_neglected(60), alias="prod", total=412, with_keys=180)),
    "hundred-replaced": Scene(run=run_of(*_neglected(100), alias="prod", total=412, with_keys=180)),
    "three-replaced": Scene(
        run=run_of(
            DUE,
            user(
                "data+etl,nightly@corp",
                key(75, used=1, id="AKIADUE2DUE2DUE2DUE2"),
                tags={f"{PREFIX}owner": "team-payments", "AKIADUE2DUE2DUE2DUE2": "nightly export"},
            ),
            user("n" * 64, key(74, used=30, id="AKIADUE3DUE3DUE3DUE3")),
            alias="prod",
        )
    ),
    "in-use-extension": Scene(
        run=run_of(HELD, _HELD_LONG, SOON, alias="prod", uses={"AKIAHELDHELDHELDHELD": (_BUILD_HOST,)})
    ),
    "last-days-in-use": Scene(run=run_of(_LAST_DAYS, REMINDED, alias="prod")),
    "only-reminders": Scene(
        run=run_of(REMINDED, pair("ruth", issued=11, used=12, due=notice(Why.OVERLAP, 2, told=8)))
    ),
    "forced-off": Scene(run=run_of(FORCED, QUIET, alias="prod")),
    "switched-off-and-deleted": Scene(run=run_of(QUIET, LONG_OFF, _UNUSED_GOES, alias="prod")),
    "monday-summary": Scene(
        run=run_of(_off_since_the_last_mail(), _deleted_since_the_last_mail(), SOON, alias="prod")
    ),
    "no-old-key": Scene(run=run_of(_leaked(), alias="prod")),
    "rolled-back": Scene(run=_rolled_back()),
    "blocked-by-two-applications": Scene(run=run_of(_TWO_APPLICATIONS, alias="prod")),
    "by-hand": Scene(run=run_of(_BY_HAND_QUIET, _BY_HAND_IN_USE, alias="prod")),
    "unused": Scene(run=run_of(_UNUSED, _NEVER_USED, alias="prod")),
    "notice-given-anew": Scene(run=run_of(_GIVEN_ANEW, _USED_BEFORE, alias="prod")),
    "notice-fell": Scene(run=run_of(_FELL, _NOW_EXEMPT, alias="prod")),
    "deletion-moved": Scene(run=run_of(_MOVED_DELETION, alias="prod")),
    "renamed-user": Scene(run=run_of(_renamed(), alias="prod")),
    "exposed-key": Scene(run=run_of(_EXPOSED, DUE, alias="prod")),
    "vanished-key": Scene(run=run_of(_vanished(), alias="prod")),
    "secret-lost": Scene(run=run_of(_lost("lisa"), _to_restore("tom"), alias="prod")),
    "successor-not-stored": Scene(run=run_of(_not_stored("nora"), alias="prod")),
    "secret-left-behind": Scene(
        run=run_of(
            alias="prod",
            left_behind=(Memory(user_id="AIDAGUSTAVGUSTAV", name="gustav", secret_arn=secret_of("gustav")),),
        )
    ),
    "old-tags": Scene(run=run_of(_OLD_TAGS, DUE, alias="prod")),
    "switched-back-on": Scene(run=run_of(BACK_ON, alias="prod")),
    "interrupted": Scene(run=run_of(_interrupted(), alias="prod")),
    "interrupted-elsewhere": Scene(run=run_of(_in_another_region(), _three_keys(), alias="prod")),
    "root-key": Scene(run=run_of(DUE, root=True, alias="prod")),
    "unreadable-user": Scene(run=run_of(UNREADABLE, _MALFORMED, alias="prod")),
    "nobody-listens": Scene(run=run_of(DUE, QUIET, HELD, listeners=0, alias="prod")),
    "subscriptions-unread": Scene(run=run_of(DUE, QUIET, listeners=None, alias="prod")),
    "nobody-below-the-path": Scene(
        run=run_of(total=0, with_keys=0, alias="prod"), settings=replace(ENFORCE, user_path_prefix="/robots/")
    ),
    "redelivered": Scene(run=_redelivered(), redelivered=True),
    "cap-reached": Scene(
        run=run_of(*_neglected(60), waiting=40, alias="prod", total=5000, with_keys=5000),
        settings=replace(ENFORCE, policy=replace(ENFORCE.policy, max_users_per_run=20)),
    ),
    "five-thousand-users": Scene(
        run=run_of(*many(), waiting=0, alias="production-of-a-company-with-a-long-name", total=5000),
        settings=replace(ENFORCE, runbook_url="https://wiki.example.com/on-call/access-keys"),
    ),
}


def write(scenes: Mapping[str, Scene], into: Path) -> Sequence[Path]:
    for old in into.glob("*.txt"):
        old.unlink()
    written = [into / f"{name}.txt" for name in scenes]
    for path, scene in zip(written, scenes.values(), strict=True):
        path.write_text(scene.mail())
    return written


if __name__ == "__main__":
    write(SCENES, MAILS)
