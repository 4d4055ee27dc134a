"""The simulation's watch sees each kind of violation: lives that somebody made up, in which the product does wrong."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from random import Random

import pytest
from keyrotation.act.secret_policy import secret_policy
from keyrotation.decide import tags as tag
from keyrotation.memory import What, Why
from keyrotation.model import INACTIVE, secret_name, version_id
from keyrotation.policy import Policy

from tests.simulation.account import Account, Said
from tests.simulation.clients import Iam, SecretsManager
from tests.simulation.consumers import Consumer, Install
from tests.simulation.faults import Line
from tests.simulation.people import QUARANTINE
from tests.simulation.policies import Policies
from tests.simulation.secrets_manager import CURRENT, PENDING
from tests.simulation.watch import Deed, Watch

FIRST = date(2026, 1, 1)
ROTATOR = "arn:aws:iam::123456789012:role/rotator"


class Life:
    """One user with one key, and what the product does to them: by day of the key's life."""

    def __init__(self) -> None:
        self.account = Account()
        self.watch = Watch(account=self.account, policies=Policies(now=Policy()))
        self.account.witness = self.watch
        line = Line(random=Random(0))
        self.iam, self.secrets = Iam(self.account, line), SecretsManager(self.account, line)
        self.user = self.account.iam.create_user("ann")
        self.old = self.account.iam.create_access_key("ann", created=self._at(0)).id
        self.account.people_know.add(self.old)
        self.new = ""
        self.on(0)

    def on(self, day: int, hour: int = 6) -> None:
        self.account.now = self._at(day, hour)
        self.watch.morning(self.user)

    def uses(self, key_id: str) -> None:
        self.account.iam.use(key_id, at=self.account.now, service="s3")

    def tells(self, key_id: str, day: int, why: Why, what: What = What.SWITCH_OFF) -> None:
        told = Said(key_id=key_id, what=what, why=why, day=self._at(day).date())
        self.watch.heard((told,))

    def replaces(self, *, policy: str | None = None) -> str:
        """As the product does it."""
        self.watch.attempt += 1
        name = secret_name(self.user.name)
        if name not in self.account.secrets.secrets:
            self.secrets.create_secret(Name=name, Description="", SecretString="{}")
        ours = secret_policy(
            user_arn=self.user.arn, user_id=self.user.id, reader_arns=(), rotator_role_arn=ROTATOR
        )
        self.secrets.put_resource_policy(SecretId=name, ResourcePolicy=policy or ours, BlockPublicPolicy=True)
        self.new = self.creates()
        self.stores(self.new)
        self.promotes(self.new)
        return self.new

    def creates(self) -> str:
        made: str = self.iam.create_access_key(UserName=self.user.name)["AccessKey"]["AccessKeyId"]
        return made

    def stores(self, key_id: str) -> None:
        self.secrets.put_secret_value(
            SecretId=secret_name(self.user.name),
            SecretString=json.dumps({"AccessKeyId": key_id}),
            ClientRequestToken=version_id(key_id),
            VersionStages=[PENDING],
        )

    def promotes(self, key_id: str) -> None:
        secret = self.account.secrets.secrets[secret_name(self.user.name)]
        self.secrets.update_secret_version_stage(
            SecretId=secret.arn,
            VersionStage=CURRENT,
            MoveToVersionId=version_id(key_id),
            RemoveFromVersionId=secret.with_stage(CURRENT),
        )

    def switches_off(self, key_id: str) -> None:
        self.iam.update_access_key(UserName=self.user.name, AccessKeyId=key_id, Status=INACTIVE)

    def deletes(self, key_id: str) -> None:
        self.iam.delete_access_key(UserName=self.user.name, AccessKeyId=key_id)

    def person_switches(self, key_id: str, status: str) -> None:
        self.account.iam.update_access_key(self.user.name, key_id, status)

    def evening(self, *, deep: bool = False) -> None:
        self.watch.evening(self.user, looked=True, deep=deep)

    def overlap(self) -> None:
        """Day 74: replaced, and the old key told for day 88. Its program moves on day 77."""
        self.on(73)
        self.uses(self.old)
        self.on(74)
        self.replaces()
        self.tells(self.old, 88, Why.OVERLAP)
        self.evening()
        self.on(77)
        self.uses(self.new)

    def off(self) -> None:
        """Day 88: the old key goes off, quiet and told again, and its deletion is told for day 118."""
        self.overlap()
        self.on(85)
        self.tells(self.old, 88, Why.OVERLAP)
        self.on(88)
        self.switches_off(self.old)
        self.tells(self.old, 118, Why.INACTIVE, What.DELETE)
        self.evening()

    def in_use(self, extension: int = 14) -> None:
        """Day 88: the old key is in use, and told to go off on day 102."""
        self.overlap()
        self.on(87)
        self.uses(self.old)
        self.uses(self.new)
        self.on(88)
        self.tells(self.old, 88 + extension, Why.IN_USE)

    def unused(self) -> None:
        """The key was never used, and is told on day 81 to go off on day 88."""
        self.on(81)
        self.tells(self.old, 88, Why.UNUSED)

    def by_hand(self, *, newer_used: bool = True) -> None:
        """Both keys active, the newer one made by hand on day 50; told on day 81."""
        self.on(49)
        self.uses(self.old)
        self.on(50)
        self.new = self.account.iam.create_access_key("ann", created=self.account.now).id
        if newer_used:
            self.on(52)
            self.uses(self.new)
        self.on(85)
        self.tells(self.old, 92, Why.BY_HAND)

    @staticmethod
    def _at(day: int, hour: int = 6) -> datetime:
        return datetime.combine(FIRST + timedelta(days=day), time(hour), tzinfo=UTC)


# Lives in which everything is as it should be.


def replaced_told_off_and_deleted(life: Life) -> None:
    life.off()
    life.on(112)
    life.tells(life.old, 118, Why.INACTIVE, What.DELETE)
    life.on(118)
    life.uses(life.new)
    life.deletes(life.old)
    life.evening(deep=True)


def forced_off_after_its_extension(life: Life) -> None:
    life.in_use()
    life.on(100)
    life.tells(life.old, 102, Why.IN_USE)
    life.uses(life.old)
    life.on(102)
    life.switches_off(life.old)


def one_that_nobody_used_is_retired(life: Life) -> None:
    life.unused()
    life.on(88)
    life.switches_off(life.old)


def an_unused_one_waits_for_the_key_before_it(life: Life) -> None:
    """Both keys are active until day 220, and nobody ever used the newer one: it goes 35 days later."""
    life.watch.calm_since = FIRST
    life.by_hand(newer_used=False)
    life.on(130)
    life.uses(life.old)
    life.on(213)
    life.tells(life.old, 220, Why.UNUSED)
    life.on(219)
    life.evening()
    life.on(220)
    life.switches_off(life.old)
    life.evening(deep=True)


def the_elder_by_hand_goes(life: Life) -> None:
    life.by_hand()
    life.on(92)
    life.switches_off(life.old)


def an_orphan_is_deleted(life: Life) -> None:
    life.on(73)
    life.uses(life.old)
    life.on(74)
    orphan = life.creates()
    life.on(75)
    life.watch.attempt += 1
    life.deletes(orphan)


GOOD: dict[Callable[[Life], None], Deed] = {
    replaced_told_off_and_deleted: Deed.DELETED,
    forced_off_after_its_extension: Deed.FORCED,
    one_that_nobody_used_is_retired: Deed.UNUSED,
    an_unused_one_waits_for_the_key_before_it: Deed.UNUSED,
    the_elder_by_hand_goes: Deed.BY_HAND,
    an_orphan_is_deleted: Deed.ORPHAN,
}


@pytest.mark.parametrize("story", GOOD, ids=lambda story: story.__name__)
def test_a_life_in_good_order_breaks_nothing(story: Callable[[Life], None]) -> None:
    life = Life()
    story(life)
    assert life.watch.violations == []
    assert life.watch.deeds[GOOD[story]] == 1


# And lives in which something is not.


def nobody_was_told(life: Life) -> None:
    life.overlap()
    life.watch.hearing.void(life.old)
    life.on(88)
    life.switches_off(life.old)


def it_goes_off_before_the_day_that_was_told(life: Life) -> None:
    life.overlap()
    life.on(87)
    life.switches_off(life.old)


def nobody_was_reminded(life: Life) -> None:
    life.overlap()
    life.on(88)
    life.switches_off(life.old)


def a_notice_is_too_short(life: Life) -> None:
    life.overlap()
    life.on(82)
    life.tells(life.old, 88, Why.OVERLAP)
    life.tells(life.old, 88, Why.IN_USE)


def a_day_that_was_told_comes_closer(life: Life) -> None:
    life.in_use()
    life.on(90)
    life.tells(life.old, 95, Why.IN_USE)


def an_extension_is_too_short(life: Life) -> None:
    life.in_use(extension=8)


def an_extension_begins_before_its_owner_had_a_chance(life: Life) -> None:
    life.overlap()
    life.on(88)
    life.tells(life.old, 102, Why.IN_USE)


def nobody_listens(life: Life) -> None:
    life.overlap()
    life.on(85)
    life.tells(life.old, 88, Why.OVERLAP)
    life.on(88)
    life.account.listeners = 0
    life.switches_off(life.old)


def one_in_use_goes_off_as_quiet(life: Life) -> None:
    life.overlap()
    life.on(87)
    life.uses(life.old)
    life.tells(life.old, 88, Why.OVERLAP)
    life.on(88)
    life.switches_off(life.old)


def its_owner_cannot_fetch_the_new_one(life: Life) -> None:
    life.overlap()
    life.on(87)
    life.tells(life.old, 88, Why.OVERLAP)
    life.account.secrets.schedule_deletion(secret_name("ann"), life.account.now)
    life.on(88)
    life.switches_off(life.old)


def the_user_was_renamed_before_the_run(life: Life) -> None:
    life.overlap()
    life.on(87)
    life.tells(life.old, 88, Why.OVERLAP)
    life.account.iam.update_user("ann", new_name="anna")
    life.watch.moved.add(life.user.id)
    life.on(88)
    life.switches_off(life.old)


def the_user_is_exempt(life: Life) -> None:
    life.overlap()
    life.on(87)
    life.tells(life.old, 88, Why.OVERLAP)
    life.account.iam.tag_user("ann", tag.EXEMPT, "2030-01-01 migration")
    life.on(88)
    life.switches_off(life.old)


def a_tag_is_malformed(life: Life) -> None:
    life.overlap()
    life.on(87)
    life.tells(life.old, 88, Why.OVERLAP)
    life.account.iam.tag_user("ann", tag.EXEMPT, "always")
    life.on(88)
    life.switches_off(life.old)


def the_user_cannot_be_read(life: Life) -> None:
    life.overlap()
    life.on(87)
    life.tells(life.old, 88, Why.OVERLAP)
    life.account.garbled.add(life.user.id)
    life.on(88)
    life.switches_off(life.old)


def the_mode_is_audit(life: Life) -> None:
    life.overlap()
    life.on(87)
    life.tells(life.old, 88, Why.OVERLAP)
    life.watch.enforce = False
    life.on(88)
    life.switches_off(life.old)


def a_notice_outlives_an_exemption(life: Life) -> None:
    life.overlap()
    life.on(80)
    life.account.iam.tag_user("ann", tag.EXEMPT, f"{FIRST + timedelta(days=86)} migration")
    life.evening()
    life.on(87)
    life.evening()
    life.on(88)
    life.switches_off(life.old)


def a_person_had_just_switched_it_on(life: Life) -> None:
    life.overlap()
    life.on(80)
    life.person_switches(life.old, INACTIVE)
    life.evening()
    life.on(81)
    life.person_switches(life.old, "Active")
    life.evening()
    life.tells(life.old, 88, Why.OVERLAP)
    life.on(88)
    life.switches_off(life.old)


def the_only_active_key_goes(life: Life) -> None:
    life.on(81)
    life.uses(life.old)
    life.tells(life.old, 120, Why.OVERLAP)
    life.on(119)
    life.tells(life.old, 120, Why.OVERLAP)
    life.on(120)
    life.switches_off(life.old)


def a_used_one_is_retired(life: Life) -> None:
    life.unused()
    life.on(85)
    life.uses(life.old)
    life.on(88)
    life.switches_off(life.old)


def nobody_used_the_newer_one_by_hand(life: Life) -> None:
    life.by_hand(newer_used=False)
    life.on(92)
    life.switches_off(life.old)


def a_pair_by_hand_is_taken_for_an_overlap(life: Life) -> None:
    life.by_hand()
    life.tells(life.old, 92, Why.OVERLAP)
    life.on(92)
    life.switches_off(life.old)


def an_overlap_is_cut_short(life: Life) -> None:
    life.watch.policies.now = Policy(overlap_days=20, quiet_days_before_first_use=20)
    life.on(73)
    life.uses(life.old)
    life.replaces()
    life.tells(life.old, 81, Why.OVERLAP)
    life.on(75)
    life.uses(life.new)
    life.on(81)
    life.switches_off(life.old)


def it_is_deleted_without_a_notice(life: Life) -> None:
    life.off()
    life.watch.hearing.void(life.old)
    life.on(118)
    life.deletes(life.old)


def it_is_deleted_before_its_day(life: Life) -> None:
    life.off()
    life.on(110)
    life.tells(life.old, 118, Why.INACTIVE, What.DELETE)
    life.on(117)
    life.deletes(life.old)


def it_is_deleted_and_may_be_needed_back(life: Life) -> None:
    life.on(73)
    life.uses(life.old)
    life.on(74)
    life.replaces()
    life.tells(life.old, 109, Why.OVERLAP)
    life.on(108)
    life.tells(life.old, 109, Why.OVERLAP)
    life.on(109)
    life.switches_off(life.old)
    life.tells(life.old, 120, Why.INACTIVE, What.DELETE)
    life.on(119)
    life.tells(life.old, 120, Why.INACTIVE, What.DELETE)
    life.on(120)
    life.deletes(life.old)


def an_active_key_is_deleted(life: Life) -> None:
    life.overlap()
    life.tells(life.old, 100, Why.INACTIVE, What.DELETE)
    life.on(99)
    life.tells(life.old, 100, Why.INACTIVE, What.DELETE)
    life.on(100)
    life.deletes(life.old)


def an_orphan_had_been_stored(life: Life) -> None:
    life.overlap()
    life.deletes(life.old)
    life.on(100)
    orphan = life.creates()
    life.stores(orphan)
    life.watch.violations.clear()
    life.watch.attempt += 1
    life.deletes(orphan)


def an_orphan_is_somebodys(life: Life) -> None:
    life.on(73)
    life.uses(life.old)
    life.on(74)
    orphan = life.creates()
    life.watch.held[life.user.id] = {orphan}
    life.watch.attempt += 1
    life.deletes(orphan)


def a_key_by_hand_is_deleted_as_an_orphan(life: Life) -> None:
    life.on(74)
    by_hand = life.account.iam.create_access_key("ann", created=life.account.now).id
    life.deletes(by_hand)


def an_orphan_stays(life: Life) -> None:
    life.on(73)
    life.uses(life.old)
    life.on(74)
    life.creates()
    for day in (75, 76, 77):
        life.on(day)
        life.evening()


def a_third_key_is_asked_for(life: Life) -> None:
    life.overlap()
    life.account.iam.tag_user("ann", tag.REPLACE, "now")
    with pytest.raises(Exception, match="LimitExceeded"):
        life.creates()


def nothing_was_due(life: Life) -> None:
    life.on(40)
    life.uses(life.old)
    life.replaces()


def nobody_uses_what_is_replaced(life: Life) -> None:
    life.on(100)
    life.replaces()


def a_key_was_found_exposed(life: Life) -> None:
    life.on(74)
    life.uses(life.old)
    life.user.policies.add(QUARANTINE)
    life.replaces()


def another_tool_manages_this_user(life: Life) -> None:
    life.off()
    life.on(90)
    life.watch.person_deleted(life.user, life.user.keys[life.new])
    life.account.iam.delete_access_key("ann", life.new)
    life.account.iam.update_access_key("ann", life.old, "Active")
    life.uses(life.old)
    life.creates()


def a_stranger_may_read(life: Life) -> None:
    life.on(74)
    life.uses(life.old)
    nobody = secret_policy(
        user_arn=life.user.arn, user_id=life.user.id, reader_arns=(), rotator_role_arn=ROTATOR
    )
    statements = [each for each in json.loads(nobody)["Statement"] if each["Sid"] != "NobodyElseReads"]
    life.replaces(policy=json.dumps({"Statement": statements}))


def somebody_may_read_in_the_owners_name(life: Life) -> None:
    life.on(74)
    life.uses(life.old)
    policy = secret_policy(
        user_arn=life.user.arn, user_id=life.user.id, reader_arns=(), rotator_role_arn=ROTATOR
    )
    statements = [
        each for each in json.loads(policy)["Statement"] if each["Sid"] != "NobodyReadsInTheOwnersName"
    ]
    life.replaces(policy=json.dumps({"Statement": statements}))


def its_owner_may_not_read(life: Life) -> None:
    life.on(74)
    life.uses(life.old)
    life.replaces(
        policy=secret_policy(
            user_arn="arn:aws:iam::123456789012:user/bob",
            user_id=life.user.id,
            reader_arns=(),
            rotator_role_arn=ROTATOR,
        )
    )


def a_stranger_reads(life: Life) -> None:
    life.overlap()
    life.watch.stranger_read(life.account.secrets.secrets[secret_name("ann")])


def awscurrent_is_given_to_a_dead_key(life: Life) -> None:
    life.overlap()
    life.account.iam.delete_access_key("ann", life.old)
    life.on(160)
    life.uses(life.new)
    newer = life.creates()
    life.stores(newer)
    life.account.iam.delete_access_key("ann", newer)
    life.promotes(newer)


def who_follows_by_itself_is_cut_off(life: Life) -> None:
    life.off()
    life.watch.refused(
        Consumer(user=life.user, key_id=life.old, every=1, phase=0, hour=3, install=Install.FETCHED)
    )


def a_pair_has_no_end(life: Life) -> None:
    life.watch.calm_since = FIRST
    life.overlap()
    for day in range(78, 200, 7):
        life.on(day)
        life.uses(life.old)
        life.uses(life.new)
        life.evening(deep=True)


def an_inactive_key_has_no_end(life: Life) -> None:
    life.watch.calm_since = FIRST
    life.off()
    life.on(230)
    life.uses(life.new)
    life.evening(deep=True)


def an_unused_key_has_no_end(life: Life) -> None:
    life.watch.calm_since = FIRST
    life.on(160)
    life.evening(deep=True)


def an_unused_key_has_no_end_after_the_key_before_it_went(life: Life) -> None:
    an_unused_one_waits_for_the_key_before_it(life)
    life.on(219 + 35 + 2 * 7 + 15)
    life.evening(deep=True)


def a_replacement_never_comes(life: Life) -> None:
    life.watch.calm_since = FIRST
    life.on(110)
    life.uses(life.old)
    life.evening(deep=True)


def a_key_reaches_the_threshold(life: Life) -> None:
    life.watch.calm_since = FIRST
    life.watch.prompt = {life.user.id}
    life.overlap()
    life.on(74 + 90)
    life.uses(life.new)
    life.evening(deep=True)


def a_key_is_named_twice_in_a_message(life: Life) -> None:
    life.overlap()
    told = [
        Said(key_id=life.old, what=What.SWITCH_OFF, why=why, day=date(2026, 12, 1))
        for why in (Why.OVERLAP, Why.UNUSED)
    ]
    life.watch.heard(tuple(told))


def an_overlap_is_told_again_and_again(life: Life) -> None:
    life.watch.calm_since = FIRST
    life.overlap()
    for day in range(88, 150, 8):
        life.on(day)
        life.tells(life.old, day + 7, Why.OVERLAP)


def awscurrent_is_rolled_back(life: Life) -> None:
    life.overlap()
    life.watch.handed_over.clear()
    life.deletes(life.new)


def too_many_users_are_changed(life: Life) -> None:
    life.watch.policies.now = Policy(max_users_per_run=1)
    life.overlap()
    life.watch.changed.add("AIDASOMEBODYELSE")
    life.watch.cap_kept()


BAD: dict[Callable[[Life], None], str] = {
    nobody_was_told: "no notice of a switch-off was heard",
    it_goes_off_before_the_day_that_was_told: "it was told for 2026-03-30",
    nobody_was_reminded: "nobody was reminded",
    a_notice_is_too_short: "6 days ahead",
    a_day_that_was_told_comes_closer: "5 days ahead",
    an_extension_is_too_short: "an extension of 8 days began",
    an_extension_begins_before_its_owner_had_a_chance: "was last used before",
    nobody_listens: "though nobody listens",
    one_in_use_goes_off_as_quiet: "it is in use",
    its_owner_cannot_fetch_the_new_one: "its owner cannot fetch",
    the_user_was_renamed_before_the_run: "was renamed or moved",
    the_user_is_exempt: "the user is exempt",
    a_tag_is_malformed: "a tag is not understood",
    the_user_cannot_be_read: "could not be read",
    the_mode_is_audit: "Mode is Audit",
    a_notice_outlives_an_exemption: "no notice of a switch-off was heard",
    a_person_had_just_switched_it_on: "a person had switched it on",
    the_only_active_key_goes: "the only active key",
    a_used_one_is_retired: "it is not unused",
    nobody_used_the_newer_one_by_hand: "nobody has used the newer key",
    a_pair_by_hand_is_taken_for_an_overlap: "its successor was made by hand",
    an_overlap_is_cut_short: "is there since",
    it_is_deleted_without_a_notice: "no notice of a delete was heard",
    it_is_deleted_before_its_day: "it was told for 2026-04-29",
    it_is_deleted_and_may_be_needed_back: "it may be needed back",
    an_active_key_is_deleted: "it is active",
    an_orphan_had_been_stored: "it had been stored",
    an_orphan_is_somebodys: "somebody has it",
    a_key_by_hand_is_deleted_as_an_orphan: "no notice of a delete was heard",
    an_orphan_stays: "nobody holds it",
    a_third_key_is_asked_for: "a third key",
    nothing_was_due: "nothing was due",
    nobody_uses_what_is_replaced: "one that nobody uses",
    a_key_was_found_exposed: "was found exposed",
    another_tool_manages_this_user: "had vanished",
    a_stranger_may_read: "role/Insider",
    somebody_may_read_in_the_owners_name: "AIDASOMEBODYELSE",
    its_owner_may_not_read: "the owner may not read",
    a_stranger_reads: "a stranger read",
    awscurrent_is_given_to_a_dead_key: "given to a dead key",
    who_follows_by_itself_is_cut_off: "follows by itself, and was cut off",
    a_pair_has_no_end: "without an end",
    an_inactive_key_has_no_end: "is never deleted",
    an_unused_key_has_no_end: "and stays on",
    an_unused_key_has_no_end_after_the_key_before_it_went: "and stays on",
    a_replacement_never_comes: "is not replaced",
    a_key_reaches_the_threshold: "is 90 days old",
    an_overlap_is_told_again_and_again: "again and again",
    awscurrent_is_rolled_back: "AWSCURRENT names it",
    too_many_users_are_changed: "2 users were changed",
    a_key_is_named_twice_in_a_message: "named twice",
}


@pytest.mark.parametrize("story", BAD, ids=lambda story: story.__name__)
def test_the_watch_sees_what_is_wrong(story: Callable[[Life], None]) -> None:
    life = Life()
    story(life)
    assert any(BAD[story] in each for each in life.watch.violations), life.watch.violations


@pytest.mark.parametrize(
    ("gone", "stopped", "wrong"),
    [({"AKIAGONE"}, False, 0), (set(), True, 0), (set(), False, 1)],
    ids=["it names a key that is gone", "it says that one had vanished", "neither"],
)
def test_an_item_of_an_earlier_day_excuses_a_replacement_that_never_comes(
    *, gone: set[str], stopped: bool, wrong: int
) -> None:
    life = Life()
    life.watch.remembered_again(life.user.id, {life.old} | gone, stopped=stopped)
    a_replacement_never_comes(life)
    assert len(life.watch.violations) == wrong


def test_a_key_that_is_gone_excuses_nothing_where_no_other_was_left() -> None:
    life = Life()
    life.account.iam.delete_access_key("ann", life.old)
    life.watch.remembered_again(life.user.id, {life.old}, stopped=False)
    life.old = life.account.iam.create_access_key("ann", created=life.account.now).id
    a_replacement_never_comes(life)
    assert len(life.watch.violations) == 1
