"""One small account for each way that a run can take, and where it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from keyrotation.memory import Why
from keyrotation.model import secret_name
from keyrotation.remember.table import TABLE_NAME

from tests.component.account import TODAY, Account
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
    """`in_pairs`: a replacement, or the mending of one, on which every pair of faults is tried.

    `listening`: a subscription is confirmed. `audit`: Mode is Audit.
    """

    name: str
    settle: Callable[[Account], People]
    in_pairs: bool = False
    listening: bool = True
    audit: bool = False


def is_replaced(old: str, *, announced: bool = True) -> Goal:
    """Exactly one new key, beside the old one, works and can be fetched; it is known as issued, and the old one's end is told."""

    def goal(seen: Seen) -> bool:
        new = [key_id for key_id in seen.keys if key_id != old]
        return (
            dict(seen.keys) == {old: ON, seen.current: ON}
            and new == [seen.current]
            and seen.current_works
            and not seen.tags
            and seen.current in seen.memory.issued
            and seen.notice(old) == (("switch-off", "overlap") if announced else None)
        )

    return goal


def _has(keys: Mapping[str, str], **notices: str | None) -> Goal:
    """These keys. `notices`: by key id, why something is announced of it; None: nothing is."""

    def goal(seen: Seen) -> bool:
        said = {key_id: seen.memory.notices.get(key_id) for key_id in notices}
        return dict(seen.keys) == keys and notices == {
            key_id: None if each is None else each.why for key_id, each in said.items()
        }

    return goal


def _is_ahead(seen: Seen, key_id: str) -> bool:
    """What is announced of the key is `WarnDays` away at least."""
    return seen.memory.notices[key_id].day >= str(TODAY + timedelta(days=7))


def _is_off(key_id: str, keys: Mapping[str, str]) -> Goal:
    """Switched off, known as off, and its deletion announced; or known as off, cut short, and left alone as if a person had
    switched it back on, which is told.
    """
    off = _has({**keys, key_id: OFF}, **{key_id: "inactive"})
    left_alone = _has({**keys, key_id: ON}, **{key_id: None})

    def goal(seen: Seen) -> bool:
        return (off(seen) and key_id in seen.memory.off) or (
            left_alone(seen) and key_id in seen.memory.back_on
        )

    return goal


def _due(account: Account, **tags: str) -> People:
    account.add_user("carol")
    old = account.add_key("carol", age=80, used=1)
    if tags:
        account.tag("carol", **tags)
    return People(goals={"carol": is_replaced(old)}, held={old: "carol"})


def _due_beside_exempt(account: Account) -> People:
    """Of the other something was announced before a person exempted the user."""
    carol = _due(account)
    account.add_user("erin")
    theirs = account.add_key("erin", age=200, used=100)
    account.notice("erin", theirs, Why.UNUSED, days=0)
    account.tag("erin", exempt="2027-01-31 migration")
    return People(
        goals={**carol.goals, "erin": _has({theirs: ON}, **{theirs: None})},
        held={**carol.held, theirs: "erin"},
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


def _both_on(elder: str, successor: str, why: str | None, *, may_go: frozenset[str] = frozenset()) -> People:
    """Nothing happens to either key, and this is announced of the elder."""
    goal = _has({elder: ON, successor: ON}, **{elder: why})
    return People(goals={"carol": goal}, held={elder: "carol", successor: "carol"}, may_go=may_go)


def _elder_goes(elder: str, successor: str) -> People:
    goal = _is_off(elder, {elder: OFF, successor: ON})
    return People(goals={"carol": goal}, held={elder: "carol", successor: "carol"}, may_go=frozenset({elder}))


def _or_waits(people: People, keys: Mapping[str, str], off: str) -> People:
    """What is done as announced waits for the next mail, and the notice of the deletion with it: a mail that told of a fault may
    have been the last for a week.
    """
    told, waits = people.goals["carol"], _has(keys, **{off: None})
    return replace(
        people,
        goals={"carol": lambda seen: told(seen) or (waits(seen) and off in seen.memory.off)},
    )


def _quiet_elder(account: Account) -> People:
    elder, successor = _pair(account, elder_used=20)
    account.notice("carol", elder, Why.OVERLAP, days=0)
    return _or_waits(_elder_goes(elder, successor), {elder: OFF, successor: ON}, elder)


def _quiet_elder_unannounced(account: Account) -> People:
    """Its mail never went out, and its overlap is over."""
    elder, successor = _pair(account, elder_used=20)
    return _both_on(elder, successor, "overlap")


def _quiet_elder_not_reminded(account: Account) -> People:
    """Announced, and then no message went out for more than a week."""
    elder, successor = _pair(account, elder_used=20)
    account.notice("carol", elder, Why.OVERLAP, days=0, told=10)
    return _both_on(elder, successor, "overlap")


def _quiet_elder_unheard(account: Account) -> People:
    elder, successor = _pair(account, elder_used=20)
    account.notice("carol", elder, Why.OVERLAP, days=0)
    return _both_on(elder, successor, "overlap")


def _elder_in_use(account: Account) -> People:
    """A run that is cut short may have forgotten the old notice and not given the other: then it costs a week more."""
    elder, successor = _pair(account, elder_used=0)
    account.notice("carol", elder, Why.OVERLAP, days=0)
    people = _both_on(elder, successor, "in-use")
    extended, anew = people.goals["carol"], _has({elder: ON, successor: ON}, **{elder: "overlap"})
    return replace(
        people,
        goals={"carol": lambda seen: extended(seen) or (anew(seen) and _is_ahead(seen, elder))},
    )


def _extension_over(account: Account) -> People:
    elder, successor = _pair(account, elder_used=0, elder_age=106, age=30)
    account.notice("carol", elder, Why.IN_USE, days=0)
    return _elder_goes(elder, successor)


def _by_hand(account: Account, *, days: int | None) -> People:
    """Two keys that a person made, of which only the newer is in use; in so many days the older goes off, as was told."""
    account.add_user("carol")
    elder = account.add_key("carol", age=85 if days is None else 88, used=50)
    newer = account.add_key("carol", age=40, used=1)
    if days is None:
        return _both_on(elder, newer, "by-hand")
    account.notice("carol", elder, Why.BY_HAND, days=days)
    return _or_waits(_elder_goes(elder, newer), {elder: OFF, newer: ON}, elder)


def _inactive(account: Account, *, age: float) -> People:
    """A key that is off for long and goes today, as was told, beside one in use that is `age` days old."""
    account.add_user("carol")
    gone = account.add_key("carol", age=200, used=100, status=OFF)
    account.remember_key("carol", gone, off_since=date(2026, 10, 1))
    account.notice("carol", gone, Why.INACTIVE, days=0)
    theirs = account.add_key("carol", age=age, used=1)
    done = is_replaced(theirs) if age >= 74 else _has({theirs: ON})
    # A run that was cut short forgot the notice before it deleted the key: then it is given anew, and costs a week more.
    anew = _has({gone: OFF, theirs: ON}, **{gone: "inactive"})
    return People(
        goals={"carol": lambda seen: done(seen) or (anew(seen) and _is_ahead(seen, gone))},
        held={theirs: "carol"},
        may_go=frozenset({gone}),
    )


def _first_seen_inactive(account: Account) -> People:
    account.add_user("carol")
    off = account.add_key("carol", age=50, used=40, status=OFF)
    theirs = account.add_key("carol", age=30, used=1)
    announced = _has({off: OFF, theirs: ON}, **{off: "inactive"})
    people = People(
        goals={"carol": lambda seen: announced(seen) and off in seen.memory.off}, held={theirs: "carol"}
    )
    return _or_waits(people, {off: OFF, theirs: ON}, off)


def _switched_back_on(account: Account) -> People:
    elder, successor = _pair(account, elder_used=1)
    account.remember_key("carol", elder, off_since=date(2026, 11, 10))
    account.notice("carol", elder, Why.INACTIVE, days=0)
    left_alone = _has({elder: ON, successor: ON}, **{elder: None})
    return People(
        goals={"carol": lambda seen: left_alone(seen) and elder in seen.memory.back_on},
        held={elder: "carol", successor: "carol"},
    )


def _unused(account: Account) -> People:
    account.add_user("carol")
    key_id = account.add_key("carol", age=120)
    account.notice("carol", key_id, Why.UNUSED, days=0)
    goal = _is_off(key_id, {key_id: OFF})
    return People(goals={"carol": goal}, held={key_id: "carol"}, may_go=frozenset({key_id}))


def _unused_unannounced(account: Account) -> People:
    account.add_user("carol")
    key_id = account.add_key("carol", age=120)
    return People(goals={"carol": _has({key_id: ON}, **{key_id: "unused"})}, held={key_id: "carol"})


def _interrupted(account: Account) -> tuple[str, str]:
    """Yesterday, after the new key was made. Returns the old key and the new one."""
    account.add_user("carol")
    old = account.add_key("carol", age=80, used=1)
    new = account.add_key("carol", age=1)
    account.pending("carol", old)
    return old, new


def _interrupted_early(account: Account) -> People:
    """Before a key was made."""
    account.add_user("carol")
    old = account.add_key("carol", age=80, used=1)
    account.add_placeholder("carol")
    account.pending("carol", old)
    return People(goals={"carol": is_replaced(old)}, held={old: "carol"})


def _interrupted_stored(account: Account) -> People:
    old, new = _interrupted(account)
    account.stage("carol", new)
    return People(goals={"carol": is_replaced(old)}, held={old: "carol", new: "carol"})


def _interrupted_promoted(account: Account) -> People:
    """AWSCURRENT holds the key, and memory does not know it yet."""
    old, new = _interrupted(account)
    account.store("carol", new)
    account.remember_key("carol", new, issued_on=None, secret_arn=None)
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
    """By somebody, without a value, with a policy of their own: it is told, and left alone."""
    account.add_user("carol")
    old = account.add_key("carol", age=80, used=1)
    account.secrets.create_secret(Name=secret_name("carol"))
    account.secrets.put_resource_policy(SecretId=secret_name("carol"), ResourcePolicy='{"Statement": []}')
    return People(goals={"carol": _has({old: ON}, **{old: None})}, held={old: "carol"})


def _moved(account: Account) -> People:
    """In the middle of an overlap, to another path: the secret's policy follows, and the elder's end is told anew."""
    elder, successor = _pair(account, elder_used=1, elder_age=82, age=6)
    account.notice("carol", elder, Why.OVERLAP, days=2)
    account.iam.update_user(UserName="carol", NewPath="/moved/")
    arn = account.iam.get_user(UserName="carol")["User"]["Arn"]
    announced = _both_on(elder, successor, "overlap").goals["carol"]
    return People(
        goals={"carol": lambda seen: announced(seen) and seen.memory.policy_arn == arn},
        held={elder: "carol", successor: "carol"},
    )


def _exposed(account: Account) -> People:
    """AWS found the key in public: no new one is made."""
    account.add_user("carol")
    old = account.add_key("carol", age=80, used=1)
    account.quarantine("carol")
    return People(goals={"carol": _has({old: ON}, **{old: None})}, held={old: "carol"})


def _memory_lost_in_an_overlap(account: Account) -> People:
    """The elder's end was announced, and nobody knows it any more: the pair counts as made by hand, and is told of anew."""
    elder, successor = _pair(account, elder_used=40)
    account.notice("carol", elder, Why.OVERLAP, days=0)
    account.lose_memory()
    return _both_on(elder, successor, "by-hand")


def _memory_lost_before_a_replacement(account: Account) -> People:
    """The secret of before is found by its name."""
    people = _due(account)
    account.add_placeholder("carol")
    account.lose_memory()
    return people


def _memory_not_understood(account: Account) -> People:
    """A newer version wrote it, and said who knows what: nothing is done."""
    elder, successor = _pair(account, elder_used=20)
    account.notice("carol", elder, Why.OVERLAP, days=0)
    account.dynamodb.update_item(
        TableName=TABLE_NAME,
        Key={"user_id": {"S": account.user_id("carol")}},
        UpdateExpression="SET #schema = :newer",
        ExpressionAttributeNames={"#schema": "schema"},
        ExpressionAttributeValues={":newer": {"N": "99"}},
    )
    return _both_on(elder, successor, "overlap")


def _audited(account: Account) -> People:
    """What is due and announced for today, and what is only remembered."""
    elder, successor = _pair(account, elder_used=20)
    account.notice("carol", elder, Why.OVERLAP, days=0)
    account.add_user("dan")
    off = account.add_key("dan", age=80, used=40, status=OFF)
    theirs = account.add_key("dan", age=78, used=1)
    account.add_user("erin")
    due = account.add_key("erin", age=80, used=1)
    known = _has({off: OFF, theirs: ON}, **{off: None})
    return People(
        goals={
            **_both_on(elder, successor, None).goals,
            "erin": _has({due: ON}, **{due: None}),
            "dan": lambda seen: known(seen) and off in seen.memory.off,
        },
        held={elder: "carol", successor: "carol", theirs: "dan", due: "erin"},
    )


WORLDS = (
    World(name="a user who is due, beside one who is exempt", settle=_due_beside_exempt),
    World(name="a replacement that was asked for by tag", settle=_asked_for, in_pairs=True),
    World(name="a due user whose slot an inactive key takes", settle=lambda a: _inactive(a, age=80)),
    World(name="a secret that is scheduled for deletion", settle=_secret_deleted),
    World(name="a secret that somebody made beforehand", settle=_secret_made_beforehand),
    World(name="an interrupted replacement, no key made", settle=_interrupted_early),
    World(name="an interrupted replacement, stored", settle=_interrupted_stored, in_pairs=True),
    World(name="an interrupted replacement, promoted", settle=_interrupted_promoted),
    World(name="an interrupted replacement, never stored", settle=_orphan, in_pairs=True),
    World(name="a quiet elder", settle=_quiet_elder, in_pairs=True),
    World(name="a quiet elder that was never announced", settle=_quiet_elder_unannounced),
    World(name="a quiet elder of which nobody was reminded", settle=_quiet_elder_not_reminded),
    World(name="nobody listens to the end of an overlap", settle=_quiet_elder_unheard, listening=False),
    World(name="an elder in use", settle=_elder_in_use),
    World(name="an elder whose extension is over", settle=_extension_over),
    World(name="a pair by hand, to be announced", settle=lambda a: _by_hand(a, days=None)),
    World(name="a pair by hand, announced", settle=lambda a: _by_hand(a, days=0)),
    World(name="an inactive key to delete", settle=lambda a: _inactive(a, age=30)),
    World(name="a key first seen inactive", settle=_first_seen_inactive),
    World(name="a key switched back on", settle=_switched_back_on),
    World(name="a key that nobody uses", settle=_unused),
    World(name="an unused key, to be announced", settle=_unused_unannounced),
    World(name="a user who was moved in an overlap", settle=_moved),
    World(name="a user whose key AWS found exposed", settle=_exposed),
    World(name="memory lost in an overlap", settle=_memory_lost_in_an_overlap),
    World(name="memory lost before a replacement", settle=_memory_lost_before_a_replacement),
    World(name="memory that a newer version wrote", settle=_memory_not_understood),
    World(name="Audit", settle=_audited, audit=True),
)
