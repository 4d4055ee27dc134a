"""Months of the field: exemptions that end, weeks without a listener, Terraform, new paths. No key goes off or away but on a day
that people were told of, `WarnDays` before at least, and however it was held up, it comes to an end.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import ModuleType

import moto.iam.models
import pytest
from keyrotation.model import secret_name
from keyrotation.policy import Policy

from tests.component.account import NOW, PREFIX, TODAY, Account
from tests.component.deployment import Context, Deployment, Mail

WARN = timedelta(days=Policy().warn_days)
EXTENSION = timedelta(days=Policy().in_use_extension_days)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A message said on day `on` that this happens to a key on `day`."""

    on: date
    key_id: str
    what: str
    day: date


@dataclass
class Life:
    """Of one user, a run a day by scanner and rotator. `days`: lived so far.

    After every day it is judged whether what went off or away was told.
    """

    account: Account
    deployment: Deployment
    monkeypatch: pytest.MonkeyPatch
    name: str
    scanner: ModuleType
    rotator: ModuleType
    days: int = 0
    mails: dict[int, list[Mail]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    off: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)

    @property
    def today(self) -> date:
        return TODAY + timedelta(days=self.days)

    def a_day(self, *used: str, runs: bool = True, listeners: int = 1) -> None:
        """These keys are used on it, and then there is the run."""
        now = NOW + timedelta(days=self.days)
        self.deployment.now = now
        self.monkeypatch.setattr(moto.iam.models, "utcnow", lambda: now.replace(tzinfo=None))
        for key_id in used:
            self.account.use(key_id, days=-self.days)
        self.mails[self.days] = []
        if runs:
            self._run(listeners)
        self.days += 1

    def _run(self, listeners: int) -> None:
        before = self.account.keys(self.name)
        self.deployment.subscribers(listeners)
        scheduled = {"run_id": f"day-{self.days}", "scheduled_time": "2026-11-22T06:00:00Z"}
        self.scanner.handler(scheduled, Context(function_name="scanner"))
        (order,) = self.deployment.orders()
        event = self.deployment.delivery(order)
        self.rotator.handler(event, Context(function_name="rotator"))
        self.deployment.done_with(event)
        mails = self.deployment.mails()
        after = self.account.keys(self.name)
        for key_id, status in before.items():
            if key_id not in after:
                self._was_told(key_id, "delete")
                self.gone[key_id] = self.days
            elif status == "Active" and after[key_id] == "Inactive":
                self._was_told(key_id, "switch-off")
                self.off[key_id] = self.days
        self.mails[self.days] = mails if listeners else []
        for mail in self.mails[self.days]:
            self.told += [
                Told(
                    on=self.today, key_id=each["key"], what=each["what"], day=date.fromisoformat(each["day"])
                )
                for each in json.loads(mail.data)["notices"]
            ]

    def _was_told(self, key_id: str, what: str) -> None:
        """The last that people heard: of this day or an earlier one, for as long as `WarnDays`, and lately."""
        told = [each for each in self.told if (each.key_id, each.what) == (key_id, what)]
        assert told, f"{what} of {key_id} on {self.today}: nobody was told"
        day = told[-1].day
        assert day <= self.today, f"{what} on {self.today}, told for {day}"
        first = next(each for each in told if each.day == day)
        assert first.on <= self.today - WARN, f"told on {first.on}, {what} on {self.today}"
        assert told[-1].on >= self.today - WARN - timedelta(days=1), f"last told on {told[-1].on}"

    def go_on(self, days: int, *used: str, **how: int) -> None:
        for _ in range(days):
            self.a_day(*used, **how)  # type: ignore[arg-type]

    def until(self, happened: Callable[[], bool], *used: str, within: int) -> None:
        for _ in range(within):
            if happened():
                return
            self.a_day(*used)
        raise AssertionError(f"it did not come within {within} days")

    def sent(self, days: Iterable[int]) -> list[Mail]:
        return [mail for day in days for mail in self.mails[day]]


@pytest.fixture
def life(account: Account, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Life]:
    """Begins one, of a new user of this name."""

    def begin(name: str, *, tags: dict[str, str] | None = None, **settings: str) -> Life:
        account.add_user(name, tags=tags)
        policy = {name: value for name, value in settings.items() if name != "NOTIFY"}
        scanner, rotator = deployment.load("scanner", **policy), deployment.load("rotator", **settings)
        return Life(account, deployment, monkeypatch, name, scanner, rotator)

    return begin


@pytest.mark.parametrize("notify", ["Changes", "Problems"])
def test_after_an_exemption_a_key_in_use_gets_its_notice_anew_and_the_days_before_its_end_ask_for_somebody(
    account: Account, life: Callable[..., Life], notify: str
) -> None:
    """On call does what the mail offers: the exemption outlasts the extension. Version 0.1 cut the key the day after."""
    vera = life("vera", NOTIFY=notify)
    old = account.add_key("vera", age=74, used=0)
    vera.go_on(21, old)
    in_use = [each.day for each in vera.told if each.key_id == old][-1]
    assert in_use == TODAY + timedelta(days=14 + 14)
    account.tag("vera", exempt=f"{TODAY + timedelta(days=60)} on call")

    vera.a_day(old)
    assert account.memory("vera").key(old).notice is None, "it fell"
    vera.until(lambda: old in vera.off, old, within=80)

    cut = vera.off[old]
    assert cut >= 61 + WARN.days
    assert account.keys("vera")[old] == "Inactive"
    (critical,) = vera.mails[cut]
    assert ": CRITICAL" in critical.subject
    between = vera.sent(range(61, cut))
    assert [mail.attributes["severity"] for mail in between if "ACT by" in mail.subject] != []
    assert not any("nobody has to do anything" in mail.text for mail in vera.sent(range(cut - 10, cut)))


@pytest.mark.parametrize("gap", ["nobody listens", "the schedule is off"])
def test_whoever_comes_back_is_given_notice_before_a_key_in_use_goes_off(
    account: Account, life: Callable[..., Life], gap: str
) -> None:
    """For 24 days nobody can have heard anything. Version 0.1 cut the key in the first run after that."""
    yara = life("yara")
    old = account.add_key("yara", age=74, used=0)
    yara.go_on(16, old)
    if gap == "nobody listens":
        yara.go_on(24, old, listeners=0)
    else:
        yara.go_on(24, old, runs=False)

    yara.a_day(old)

    assert account.keys("yara")[old] == "Active"
    (mail,) = yara.mails[40]
    assert mail.attributes["severity"] == "attention"
    day = yara.told[-1].day
    assert (yara.told[-1].key_id, day >= TODAY + timedelta(days=40) + WARN) == (old, True)
    yara.until(lambda: old in yara.off, old, within=30)
    assert TODAY + timedelta(days=yara.off[old]) == day


def test_a_tighter_threshold_that_wants_the_slot_deletes_a_key_on_a_day_that_was_told(
    account: Account, life: Callable[..., Life]
) -> None:
    """Its slot is needed long before `DeleteAfterDays` are over: the mail that switches it off says that day, and no other does."""
    nora = life("nora", tags={f"{PREFIX}max-age-days": "65"}, DELETE_AFTER_DAYS="90")
    old = account.add_key("nora", age=49, used=0)
    nora.a_day(old)
    new = account.new_key("nora", old)

    nora.until(lambda: old in nora.gone, new, within=60)

    days = [each.day for each in nora.told if (each.key_id, each.what) == (old, "delete")]
    assert set(days) == {TODAY + timedelta(days=nora.gone[old])}
    assert nora.gone[old] < nora.off[old] + 90
    nora.until(lambda: len(account.keys("nora")) == 2, new, within=3)


def test_a_replacement_that_is_asked_for_has_an_inactive_key_deleted_sooner_on_a_day_that_is_told_anew(
    account: Account, life: Callable[..., Life]
) -> None:
    omar = life("omar")
    off = account.add_key("omar", age=60, used=50, status="Inactive")
    on = account.add_key("omar", age=50, used=0)
    omar.go_on(3, on)
    account.tag("omar", replace="please")

    omar.until(lambda: off in omar.gone, on, within=30)

    days = [each.day for each in omar.told if each.key_id == off]
    assert list(dict.fromkeys(days)) == [TODAY + timedelta(days=each) for each in (24, 3 + WARN.days)]
    assert omar.gone == {off: 3 + WARN.days}
    omar.until(lambda: len(account.keys("omar")) == 2, on, within=3)


def test_the_older_of_a_pair_made_by_hand_goes_off_and_away_on_days_that_were_told(
    account: Account, life: Callable[..., Life]
) -> None:
    """It goes off late in the life of the newer key, which is due before 30 days are over."""
    paul = life("paul")
    old = account.add_key("paul", age=130, used=40)
    new = account.add_key("paul", age=50, used=0)

    paul.until(lambda: old in paul.gone, new, within=80)

    assert paul.off[old] < paul.gone[old]
    paul.until(lambda: len(account.keys("paul")) == 2, new, within=10)


def terraform_apply(account: Account, name: str) -> None:
    """Tags that it does not know are removed."""
    if foreign := [tag for tag in account.tags(name) if tag.startswith(PREFIX)]:
        account.iam.untag_user(UserName=name, TagKeys=foreign)


def test_whose_tags_terraform_owns_is_promised_two_days_and_goes_off_on_the_second(
    account: Account, life: Callable[..., Life]
) -> None:
    """Version 0.1 kept its memory in those tags, and promised another day every day."""
    app = life("tf-app")
    old = account.add_key("tf-app", age=74, used=0)
    for _ in range(45):
        app.a_day(old)
        terraform_apply(account, "tf-app")

    days = [each.day for each in app.told if (each.key_id, each.what) == (old, "switch-off")]
    assert list(dict.fromkeys(days)) == [TODAY + timedelta(days=each) for each in (14, 28)]
    assert app.off == {old: 28}


def test_an_inactive_key_of_theirs_is_not_news_every_day_and_is_deleted(
    account: Account, life: Callable[..., Life]
) -> None:
    app = life("tf-old")
    key = account.add_key("tf-old", age=500, used=400)
    for _ in range(45):
        app.a_day()
        terraform_apply(account, "tf-old")

    assert app.off[key] == WARN.days
    assert app.gone[key] == WARN.days + 30
    assert len(app.sent(range(45))) <= 14


def test_a_key_of_theirs_that_a_person_switched_back_on_stays_on_and_gets_a_notice_of_its_own(
    account: Account, life: Callable[..., Life]
) -> None:
    app = life("tf-back")
    key = account.add_key("tf-back", age=500, used=400)
    app.until(lambda: key in app.off, within=10)
    terraform_apply(account, "tf-back")
    account.iam.update_access_key(UserName="tf-back", AccessKeyId=key, Status="Active")
    back_on = app.days

    app.go_on(EXTENSION.days)
    assert account.keys("tf-back")[key] == "Active"
    app.until(lambda: account.keys("tf-back")[key] == "Inactive", within=30)

    assert app.off[key] >= back_on + EXTENSION.days + WARN.days


def may_read(account: Account, name: str, secret: str = "") -> bool:
    """By the secret's policy, under the ARN of today."""
    arn = account.iam.get_user(UserName=name)["User"]["Arn"]
    found = account.secrets.get_resource_policy(SecretId=secret or secret_name(name))["ResourcePolicy"]
    (denial,) = [each for each in json.loads(found)["Statement"] if each["Sid"] == "NobodyElseReads"]
    return arn in denial["Condition"]["StringNotEquals"]["aws:PrincipalArn"]


def test_whose_path_changes_in_the_overlap_can_read_again_after_a_run_and_is_told_the_day_anew(
    account: Account, life: Callable[..., Life]
) -> None:
    """Version 0.1 forced the old key off while its owner could not fetch the new one."""
    wim = life("wim")
    old = account.add_key("wim", age=74, used=0)
    wim.go_on(2, old)
    first = wim.told[-1].day
    account.iam.update_user(UserName="wim", NewPath="/team/")
    assert not may_read(account, "wim")

    wim.a_day(old)

    assert may_read(account, "wim")
    (mail,) = wim.mails[2]
    assert secret_name("wim") in mail.text
    assert wim.told[-1].on == TODAY + timedelta(days=2), "the notice fell, and is given anew"
    assert wim.told[-1].day >= first
    wim.until(lambda: old in wim.off, old, within=40)
    assert wim.off[old] == 28


def test_of_two_keys_the_one_that_is_used_is_never_touched(
    account: Account, life: Callable[..., Life]
) -> None:
    """The newer one was never used, and the older one works every day: a tool for idle keys may take either for both."""
    rosa = life("rosa")
    used = account.add_key("rosa", age=40, used=0)
    dead = account.add_key("rosa", age=39)

    rosa.go_on(120, used)

    assert used not in rosa.off
    assert used not in rosa.gone
    assert account.keys("rosa")[used] == "Active"
    assert dead not in rosa.off, "the key before it is active: both stay on, and that is told"


def test_of_two_keys_the_one_that_is_dead_goes_off_and_away_and_the_other_is_then_replaced(
    account: Account, life: Callable[..., Life]
) -> None:
    """Made by hand years ago, both of them; the program uses the newer one."""
    rosa = life("rosa")
    dead = account.add_key("rosa", age=900, used=800)
    used = account.add_key("rosa", age=30, used=0)

    rosa.until(lambda: dead in rosa.gone, used, within=90)

    assert (used in rosa.off, used in rosa.gone) == (False, False)
    rosa.until(lambda: len(account.keys("rosa")) == 2, used, within=40)


def test_with_delete_after_days_0_a_key_that_went_off_stays_until_its_slot_is_wanted_and_no_day_is_named(
    account: Account, life: Callable[..., Life]
) -> None:
    olga = life("olga", DELETE_AFTER_DAYS="0")
    key = account.add_key("olga", age=500, used=400)

    olga.go_on(150)

    assert (key in olga.off, olga.gone) == (True, {})
    assert [each for each in olga.told if each.what == "delete"] == []


def test_another_tool_that_deletes_each_new_key_is_met_once_and_then_a_person_decides(
    account: Account, life: Callable[..., Life]
) -> None:
    """Vault and Boundary rotate the key that they were given. Version 0.1 made a new key every day, and told nobody why."""
    boundary = life("boundary")
    theirs = account.add_key("boundary", age=80, used=0)
    boundary.a_day(theirs)
    issued = account.new_key("boundary", theirs)
    account.iam.delete_access_key(UserName="boundary", AccessKeyId=issued)

    boundary.go_on(30, theirs)

    assert account.keys("boundary") == {theirs: "Active"}
    (first,) = boundary.mails[1]
    assert (
        f"the key {issued}, which this system issued, was deleted by somebody else"
        in first.text.lower().replace(issued.lower(), issued)
    )
    assert first.attributes["severity"] == "attention"
    assert len(boundary.sent(range(1, 31))) <= 6, "told on two days, and then weekly"

    account.tag("boundary", replace="there is no other tool any more")
    boundary.a_day(theirs)
    assert len(account.keys("boundary")) == 2


def test_another_tool_that_makes_and_deletes_keys_of_its_own_finds_a_place_within_an_overlap_and_nothing_is_made_twice(
    account: Account, life: Callable[..., Life]
) -> None:
    """Vault makes the next key, uses it and deletes the one before. While both places are taken it cannot; then it goes on."""
    vault = life("vault")
    theirs = account.add_key("vault", age=80, used=0)
    vault.a_day(theirs)
    issued = account.new_key("vault", theirs)

    vault.go_on(3, theirs)
    account.iam.delete_access_key(UserName="vault", AccessKeyId=theirs)
    after = account.iam.create_access_key(UserName="vault")["AccessKey"]["AccessKeyId"]
    vault.go_on(40, after)

    keys = account.keys("vault")
    assert keys[after] == "Active", "the one that the program uses"
    assert set(keys) <= {issued, after}
    assert issued not in vault.off or keys.get(issued) != "Active"


def test_a_user_who_is_deleted_in_an_overlap_is_told_once_a_month_and_only_for_the_secret(
    account: Account, life: Callable[..., Life]
) -> None:
    gone = life("gone")
    account.add_user("else")
    old = account.add_key("gone", age=80, used=0)
    gone.go_on(2, old)
    account.delete_user("gone")
    gone.name = "else"

    gone.go_on(35)

    told = gone.sent(range(2, 37))
    assert len(told) == 2
    assert all("the user gone is gone" in mail.text.lower() for mail in told)
    assert all(mail.attributes["severity"] == "attention" for mail in told)


def test_whoever_is_renamed_in_an_overlap_is_told_the_secrets_real_name_and_goes_on_to_the_end(
    account: Account, life: Callable[..., Life]
) -> None:
    ines = life("ines")
    old = account.add_key("ines", age=74, used=0)
    ines.go_on(5, old)
    new = account.new_key("ines", old)
    account.rename("ines", "inez")
    ines.name = "inez"

    ines.a_day(old)
    assert may_read(account, "inez", secret_name("ines"))
    ines.until(lambda: old in ines.off, old, within=60)

    assert account.keys("inez") == {old: "Inactive", new: "Active"}
    mails = [mail.text.replace("=", " ") for mail in ines.sent(range(5, ines.days))]
    assert any("--secret-id access-keys/ines/credentials" in text for text in mails)
    assert not any("access-keys/inez/" in text for text in mails)
    # The next replacement too.
    ines.until(lambda: old in ines.gone, new, within=60)
    ines.until(lambda: len(account.keys("inez")) == 2, new, within=60)
    assert account.secret_names() == [secret_name("ines")]


def test_a_new_key_that_its_program_cannot_take_is_deleted_by_its_owner_and_another_is_asked_for(
    account: Account, life: Callable[..., Life]
) -> None:
    """A secret half with a slash in it breaks programs that write it into a URL. The old key works meanwhile."""
    loki = life("loki")
    old = account.add_key("loki", age=80, used=0)
    loki.a_day(old)
    first = account.new_key("loki", old)
    account.iam.delete_access_key(UserName="loki", AccessKeyId=first)
    account.tag("loki", replace="the secret half has a slash in it")

    loki.a_day(old)

    second = account.new_key("loki", old)
    assert second != first
    assert account.current("loki")["AccessKeyId"] == second
    assert account.keys("loki")[old] == "Active"


def test_a_job_that_read_its_key_when_it_began_goes_on_for_the_whole_overlap_and_its_extension(
    account: Account, life: Callable[..., Life]
) -> None:
    """It began the day before the replacement and runs for 13 days; others use the new key already."""
    batch = life("batch")
    old = account.add_key("batch", age=74, used=0)
    batch.a_day(old)
    new = account.new_key("batch", old)

    batch.go_on(13, old, new)

    assert account.keys("batch") == {old: "Active", new: "Active"}
    batch.until(lambda: old in batch.off, new, within=30)
    assert batch.off[old] >= 14 + Policy().quiet_days


def test_a_controller_that_loses_track_of_its_key_finds_no_place_and_takes_none_from_the_overlap(
    account: Account, life: Callable[..., Life]
) -> None:
    """It believes that its key is gone, and tries to make another every day: IAM refuses while there are two."""
    upjet = life("upjet")
    theirs = account.add_key("upjet", age=80, used=0)
    upjet.a_day(theirs)
    issued = account.new_key("upjet", theirs)

    for _ in range(10):
        with pytest.raises(account.iam.exceptions.LimitExceededException):
            account.iam.create_access_key(UserName="upjet")
        upjet.a_day(theirs)

    assert account.keys("upjet") == {theirs: "Active", issued: "Active"}
    upjet.until(lambda: theirs in upjet.off, issued, within=40)


def test_a_key_that_terraform_makes_anew_in_an_overlap_is_a_persons_and_nothing_goes_off_over_it(
    account: Account, life: Callable[..., Life]
) -> None:
    """`taint` deletes the key that Terraform knows, which is the old one, and makes another in its place."""
    app = life("tainted")
    theirs = account.add_key("tainted", age=80, used=0)
    app.go_on(4, theirs)
    issued = account.new_key("tainted", theirs)
    account.iam.delete_access_key(UserName="tainted", AccessKeyId=theirs)
    after = account.iam.create_access_key(UserName="tainted")["AccessKey"]["AccessKeyId"]

    app.go_on(20, after)

    assert account.keys("tainted") == {issued: "Active", after: "Active"}
