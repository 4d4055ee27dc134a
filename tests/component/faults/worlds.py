"""One small account for each way that a run can take, and where it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from keyrotation.model import secret_name

from tests.component.account import NOW, REGION, Account
from tests.component.faults.oracle import Seen

Goal = Callable[[Seen], bool]
ON, OFF = "Active", "Inactive"


@dataclass(frozen=True, kw_only=True)
class People:
    """What was put into the account. `goals`: by user, what is to be once the runs are over.

    `held`: user by the id of each key that somebody holds and that works. `may_go`: those that a rule takes.
    """

    goals: Mapping[str, Goal]
    held: dict[str, str]
    may_go: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, kw_only=True)
class World:
    """`in_pairs`: a replacement, or the mending of one, on which every pair of faults is tried."""

    name: str
    settle: Callable[[Account], People]
    in_pairs: bool = False


def is_replaced(old: str) -> Goal:
    """Exactly one new key, beside the old one, works and can be fetched."""

    def goal(seen: Seen) -> bool:
        new = [key_id for key_id in seen.keys if key_id != old]
        return (
            dict(seen.keys) == {old: ON, seen.current: ON}
            and new == [seen.current]
            and seen.current_works
            and not seen.tags
        )

    return goal


def _has(keys: Mapping[str, str], *tags: str) -> Goal:
    """These keys, and tags of these names alone."""
    return lambda seen: dict(seen.keys) == keys and set(seen.tags) == set(tags)


def _is_off(key_id: str, keys: Mapping[str, str], *tags: str) -> Goal:
    """Switched off; or marked so, cut short, and left alone as if a person had switched it back on, which is told."""
    off = _has({**keys, key_id: OFF}, *tags, f"inactive-since:{key_id}")
    held = f"held-until:{key_id}"
    left_alone = _has({**keys, key_id: ON}, held)
    return lambda seen: off(seen) or (left_alone(seen) and seen.tags[held].endswith(" reactivated"))


def _due(account: Account, **tags: str) -> People:
    account.add_user("carol")
    old = account.add_key("carol", age=80, used=1)
    if tags:
        account.tag("carol", **tags)
    return People(goals={"carol": is_replaced(old)}, held={old: "carol"})


def _due_beside_exempt(account: Account) -> People:
    carol = _due(account)
    account.add_user("erin")
    theirs = account.add_key("erin", age=200, used=100)
    account.tag("erin", exempt="2027-01-31 migration")
    return People(
        goals={**carol.goals, "erin": _has({theirs: ON}, "exempt")}, held={**carol.held, theirs: "erin"}
    )


def _asked_for(account: Account) -> People:
    account.add_user("carol")
    old = account.add_key("carol", age=10, used=1)
    account.tag("carol", replace="laptop lost")
    return People(goals={"carol": is_replaced(old)}, held={old: "carol"})


def _pair(account: Account, *, elder_used: float, elder_age: float = 92, age: float = 16) -> tuple[str, str]:
    account.add_user("carol")
    elder = account.add_key("carol", age=elder_age, used=elder_used)
    successor = account.add_key("carol", age=age, used=1)
    account.store("carol", successor)
    return elder, successor


def _quiet_elder(account: Account) -> People:
    elder, successor = _pair(account, elder_used=20)
    goal = _is_off(elder, {elder: OFF, successor: ON})
    return People(goals={"carol": goal}, held={elder: "carol", successor: "carol"}, may_go=frozenset({elder}))


def _elder_in_use(account: Account) -> People:
    elder, successor = _pair(account, elder_used=0)
    goal = _has({elder: ON, successor: ON}, f"held-until:{elder}")
    return People(goals={"carol": goal}, held={elder: "carol", successor: "carol"})


def _extension_over(account: Account) -> People:
    elder, successor = _pair(account, elder_used=0, elder_age=106, age=30)
    account.mark("carol", "held-until", elder, "2026-11-20 in-use")
    goal = _is_off(elder, {elder: OFF, successor: ON}, f"held-until:{elder}")
    return People(goals={"carol": goal}, held={elder: "carol", successor: "carol"}, may_go=frozenset({elder}))


def _inactive(account: Account, *, age: float) -> People:
    """A key that is off for long, beside one in use that is `age` days old."""
    account.add_user("carol")
    gone = account.add_key("carol", age=200, used=100, status=OFF)
    account.mark("carol", "inactive-since", gone, "2026-10-01")
    theirs = account.add_key("carol", age=age, used=1)
    goal = is_replaced(theirs) if age >= 76 else _has({theirs: ON})
    return People(goals={"carol": goal}, held={theirs: "carol"}, may_go=frozenset({gone}))


def _first_seen_inactive(account: Account) -> People:
    account.add_user("carol")
    off = account.add_key("carol", age=50, used=40, status=OFF)
    theirs = account.add_key("carol", age=30, used=1)
    goal = _has({off: OFF, theirs: ON}, f"inactive-since:{off}")
    return People(goals={"carol": goal}, held={theirs: "carol"})


def _switched_back_on(account: Account) -> People:
    elder, successor = _pair(account, elder_used=1)
    account.mark("carol", "inactive-since", elder, "2026-11-10")
    goal = _has({elder: ON, successor: ON}, f"held-until:{elder}")
    return People(goals={"carol": goal}, held={elder: "carol", successor: "carol"})


def _unused(account: Account) -> People:
    account.add_user("carol")
    key_id = account.add_key("carol", age=120)
    goal = _is_off(key_id, {key_id: OFF})
    return People(goals={"carol": goal}, held={key_id: "carol"}, may_go=frozenset({key_id}))


def _interrupted(account: Account) -> tuple[str, str]:
    """Yesterday, after the new key was made. Returns the old key and the new one."""
    account.add_user("carol")
    old = account.add_key("carol", age=80, used=1)
    new = account.add_key("carol", age=1)
    account.tag(
        "carol", pending=f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ} {REGION} run-2026-11-21 {old}"
    )
    return old, new


def _interrupted_stored(account: Account) -> People:
    old, new = _interrupted(account)
    account.stage("carol", new)
    return People(goals={"carol": is_replaced(old)}, held={old: "carol", new: "carol"})


def _interrupted_promoted(account: Account) -> People:
    old, new = _interrupted(account)
    account.store("carol", new)
    return People(goals={"carol": is_replaced(old)}, held={old: "carol", new: "carol"})


def _orphan(account: Account) -> People:
    old, _ = _interrupted(account)
    account.add_placeholder("carol")
    return People(goals={"carol": is_replaced(old)}, held={old: "carol"})


def _secret_deleted(account: Account) -> People:
    people = _due(account)
    account.add_placeholder("carol")
    account.delete_secret("carol")
    return people


def _secret_made_beforehand(account: Account) -> People:
    """By somebody, without a value, with a policy of their own."""
    people = _due(account)
    account.secrets.create_secret(Name=secret_name("carol"))
    account.secrets.put_resource_policy(SecretId=secret_name("carol"), ResourcePolicy='{"Statement": []}')
    return people


WORLDS = (
    World(name="a user who is due, beside one who is exempt", settle=_due_beside_exempt),
    World(name="a replacement that was asked for by tag", settle=_asked_for, in_pairs=True),
    World(name="a due user whose slot an inactive key takes", settle=lambda a: _inactive(a, age=80)),
    World(name="a secret that is scheduled for deletion", settle=_secret_deleted),
    World(name="a secret that somebody made beforehand", settle=_secret_made_beforehand),
    World(name="an interrupted replacement, stored", settle=_interrupted_stored, in_pairs=True),
    World(name="an interrupted replacement, promoted", settle=_interrupted_promoted),
    World(name="an interrupted replacement, never stored", settle=_orphan, in_pairs=True),
    World(name="a quiet elder", settle=_quiet_elder),
    World(name="an elder in use", settle=_elder_in_use),
    World(name="an elder whose extension is over", settle=_extension_over),
    World(name="an inactive key to delete", settle=lambda a: _inactive(a, age=30)),
    World(name="a key first seen inactive", settle=_first_seen_inactive),
    World(name="a key switched back on", settle=_switched_back_on),
    World(name="a key that nobody uses", settle=_unused),
)
