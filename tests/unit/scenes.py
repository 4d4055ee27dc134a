"""Runs for the tests of what is told: users in every state, on a fixed day, with what became of their plans.

`python -m tests.unit.scenes` writes the golden mails anew, into tests/unit/mails: look at the difference before it is
committed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keyrotation.act.apply import Done, Outcome
from keyrotation.act.replacement import Issued
from keyrotation.decide.actions import Hold, Plan, Replace
from keyrotation.decide.plan import plan_user
from keyrotation.model import Use, User
from keyrotation.run.order import Order
from keyrotation.run.record import Run
from keyrotation.run.settings import Mode, RotatorSettings
from keyrotation.tell.digest import digest_of

from tests.unit.people import NEW, OCCASION, OLD, TODAY, days_ago, key, user
from tests.unit.run.test_settings import ENVIRONMENT

PREFIX = "access-key-rotation:"
ROLE = "arn:aws:iam::123456789012:role/access-key-rotation-rotator"
AUDIT = RotatorSettings.parse({**ENVIRONMENT, "ROTATOR_ROLE_ARN": ROLE})
ENFORCE = replace(AUDIT, mode=Mode.ENFORCE)


def planned(users: Sequence[User], listeners: int | None) -> tuple[Plan, ...]:
    occasion = replace(OCCASION, listeners=listeners)
    return tuple(plan_user(each, ENFORCE.policy, occasion) for each in users)


def run_of(
    *users: User,
    done: bool = True,
    failure: str | None = None,
    alias: str = "",
    uses: Mapping[str, tuple[Use, ...]] | None = None,
    total: int = 20,
    waiting: int = 0,
    deferred: tuple[str, ...] = (),
    root: bool | None = False,
    with_keys: int = 18,
    listeners: int | None = 1,
) -> Run:
    """A run over these users; with `done`, every action took effect. The last `waiting` plans wait."""
    plans = planned(users, listeners)
    acted = [plan for plan in plans[: len(plans) - waiting] if plan.actions] if done else []
    outcomes = tuple(
        Outcome(
            plan=plan,
            done=tuple(
                Done(
                    action=action,
                    issued=Issued(key_id=NEW, secret_name="x", secret_arn="x")
                    if isinstance(action, Replace)
                    else None,
                )
                for action in plan.actions
                if not isinstance(action, Hold)
            )
            if failure is None
            else (),
            failure=failure,
            once_told=tuple(action for action in plan.actions if isinstance(action, Hold)),
        )
        for plan in acted
    )
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
        outcomes=outcomes,
        waiting=plans[len(plans) - waiting :] if waiting else (),
        deferred=deferred,
        uses=uses or {},
    )


DUE = user(key(74, used=0), name="alice")
QUIET = user(key(88, used=13), key(14, used=0, id=NEW), stored=NEW, name="bob")
HELD = user(key(88, used=1), key(14, used=0, id=NEW), stored=NEW, name="carol")
FORCED = user(
    key(102, used=1),
    key(28, used=0, id=NEW),
    tags={f"{PREFIX}held-until:{OLD}": f"{TODAY} in-use"},
    stored=NEW,
    name="dave",
)
EXEMPT = user(key(400, used=0), tags={f"{PREFIX}exempt": "2027-03-01 vendor"}, name="erin")
SOON = user(key(70, used=0), name="frank")
BACK_ON = user(key(50, used=0), tags={f"{PREFIX}inactive-since:{OLD}": str(days_ago(1))}, name="uma")
UNREADABLE = User(name="grace", unread=("it could not be read (GetUser: AccessDenied)",))


MAILS = Path(__file__).parent / "mails"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A run, and the settings with which it is told."""

    run: Run
    settings: RotatorSettings = ENFORCE

    def mail(self) -> str:
        digest = digest_of(self.run, self.settings, redelivered=False)
        return f"Subject: {digest.subject}\n\n{digest.body}"


def _neglected(number: int) -> tuple[User, ...]:
    """Far over the threshold, in use."""
    return tuple(
        user(key(120 + 7 * each, used=each % 5, id=f"AKIANEGLECTED{each:07}"), name=f"service-{each:02}")
        for each in range(number)
    )


def _rolled_back() -> Run:
    cause = (
        f"rolled back: the new key {NEW} was deleted (the new key did not work within 57 seconds "
        "(GetCallerIdentity: InvalidClientTokenId))"
    )
    return run_of(DUE, failure=cause, alias="prod")


def _many() -> tuple[User, ...]:
    """Five thousand: nine of ten are due and as long-winded as IAM allows, the others need someone."""
    due = tuple(
        user(
            key(400, used=0, id=f"AKIAMANY{each:012}"),
            tags={f"{PREFIX}owner": "An Owner With A Very Long Name " * 8},
            name=f"{each:04}-{'n' * 59}",
        )
        for each in range(4500)
    )
    held = tuple(
        user(
            key(88 + each % 5, used=1, id=f"AKIAHELD{each:012}"),
            key(14 + each % 5, used=0, id=f"AKIASUCC{each:012}"),
            stored=f"AKIASUCC{each:012}",
            tags={f"AKIAHELD{each:012}": "Description " * 20},
            name=f"held-{each:03}-{'n' * 55}",
        )
        for each in range(500)
    )
    return (*due, *held)


_BUILD_HOST = Use(
    source="203.0.113.7", user_agent="aws-cli/2.31.0 md/prompt#off", events=("PutObject", "ListObjectsV2")
)
_TWO_APPLICATIONS = user(
    key(200, used=0, id=OLD),
    key(100, used=1, id=NEW),
    tags={OLD: "billing export", NEW: "reporting", f"{PREFIX}owner": "team-data"},
    name="etl",
)
_HELD_LONG = user(
    key(94, used=0, id="AKIAHELDHELDHELDHELD"),
    key(20, used=3, id="AKIASUCCSUCCSUCCSUCC"),
    tags={f"{PREFIX}held-until:AKIAHELDHELDHELDHELD": f"{days_ago(-8)} in-use", f"{PREFIX}owner": "team-web"},
    stored="AKIASUCCSUCCSUCCSUCC",
    name="dora",
)
_MALFORMED = user(key(80, used=0), tags={f"{PREFIX}exempt": "forever"}, name="hugo")

# What on-call gets: each stands as a file of its name in MAILS.
SCENES: dict[str, Scene] = {
    "first-audit": Scene(
        run=run_of(DUE, QUIET, HELD, EXEMPT, SOON, *_neglected(10), done=False, alias="prod"), settings=AUDIT
    ),
    "neglected-account": Scene(
        run=run_of(*_neglected(60), alias="prod", total=412, with_keys=180),
    ),
    "three-replaced": Scene(
        run=run_of(
            DUE,
            user(
                key(75, used=1, id="AKIADUE2DUE2DUE2DUE2"),
                tags={f"{PREFIX}owner": "team-payments", "AKIADUE2DUE2DUE2DUE2": "nightly export"},
                name="data+etl,nightly@corp",
            ),
            user(key(74, used=30, id="AKIADUE3DUE3DUE3DUE3"), name="n" * 64),
            alias="prod",
        )
    ),
    "two-held": Scene(
        run=run_of(HELD, _HELD_LONG, SOON, alias="prod", uses={"AKIAHELDHELDHELDHELD": (_BUILD_HOST,)})
    ),
    "forced-off": Scene(run=run_of(FORCED, QUIET, alias="prod")),
    "rolled-back": Scene(run=_rolled_back()),
    "blocked-by-two-applications": Scene(run=run_of(_TWO_APPLICATIONS, alias="prod")),
    "root-key": Scene(run=run_of(DUE, root=True, alias="prod")),
    "unreadable-user": Scene(run=run_of(UNREADABLE, _MALFORMED, alias="prod")),
    "nobody-listens": Scene(run=run_of(DUE, QUIET, HELD, listeners=0, alias="prod")),
    "cap-reached": Scene(
        run=run_of(*_neglected(60), waiting=40, alias="prod", total=5000, with_keys=5000),
        settings=replace(ENFORCE, policy=replace(ENFORCE.policy, max_users_per_run=20)),
    ),
    "five-thousand-users": Scene(
        run=run_of(*_many(), waiting=4900, alias="production-of-a-company-with-a-long-name", total=5000),
        settings=replace(ENFORCE, runbook_url="https://wiki.example.com/on-call/access-keys"),
    ),
}

if __name__ == "__main__":
    for old in MAILS.glob("*.txt"):
        old.unlink()
    for name, scene in SCENES.items():
        (MAILS / f"{name}.txt").write_text(scene.mail())
