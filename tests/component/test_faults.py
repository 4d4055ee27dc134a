"""The harness of faults itself: what it is there to find, it finds."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from keyrotation.act import replacement
from keyrotation.act.ledger import Ledger
from keyrotation.act.replacement import Issuer, ReplacementFailed
from keyrotation.act.secret_store import NewKey, ReadySecret, SecretStore
from keyrotation.decide import notices, rules
from keyrotation.decide.actions import Action, Deactivate, Plan
from keyrotation.decide.state import State
from keyrotation.look import observe
from keyrotation.memory import OffReason, Why
from keyrotation.model import Key, Occasion, User
from keyrotation.tell.publish import Topic

from tests.component.faults.case import Lived, Stage, Strike
from tests.component.faults.kinds import KINDS
from tests.component.faults.worlds import WORLDS, World

BY_NAME = {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch, Stage(patch).ready() as ready:
        yield ready


def named(part: str) -> World:
    (world,) = [world for world in WORLDS if part in world.name]
    return world


def struck(stage: Stage, world: World, operation: str, kind: str) -> Lived:
    """The first such call of the first day meets this kind of fault."""
    recorded = stage.live(world)
    assert recorded.violations == []
    at = [call.operation for call in recorded.calls].index(operation)
    return stage.live(world, [Strike(position=at, kind=BY_NAME[kind])])


def wrong(lived: Lived) -> str:
    return "\n".join([*lived.violations, *lived.astray])


DUE = "asked for by tag"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_fault_meets_its_call(stage: Stage, kind: Any) -> None:
    lived = struck(stage, named(DUE), "PutSecretValue", kind.name)

    assert [(call.operation, user) for call, user in lived.struck] == [("PutSecretValue", "carol")]
    assert wrong(lived) == ""


def test_the_calls_of_a_case_are_still_known_when_the_next_one_was_lived_through(stage: Stage) -> None:
    first = stage.live(named(DUE), days=1)
    assert len(first.calls) == first.ends[0] > 0

    stage.live(named("nobody uses"), days=1)
    assert len(first.calls) == first.ends[0]


def test_a_throttled_call_is_tried_again_by_the_sdk_as_it_is_configured(stage: Stage) -> None:
    struck(stage, named(DUE), "PutSecretValue", "throttled once")
    assert stage.calls.sent.count("PutSecretValue") == 2

    struck(stage, named(DUE), "PutSecretValue", "throttled")
    # Three times in vain, and the next day's once.
    assert stage.calls.sent.count("PutSecretValue") == 4


def test_a_function_that_dies_makes_no_further_call_and_its_order_comes_again(stage: Stage) -> None:
    lived = struck(stage, named("nobody uses"), "UpdateAccessKey", "dies after")

    at = [call.operation for call in lived.calls].index("UpdateAccessKey")
    assert lived.calls[at + 1].operation == "ChangeMessageVisibility"
    assert len(lived.raised) == 1


def leak_in_failure(_issuer: Issuer, _user: User, key: NewKey, *_: object) -> None:
    raise ReplacementFailed(f"could not store {key.secret}")


def leak_in_log(_store: SecretStore, _arn: str, _user_name: str, key: NewKey) -> None:
    print(key.secret)  # noqa: T201  # what this plants is what must be found


@pytest.mark.parametrize(
    ("target", "name", "planted", "place"),
    [
        (Issuer, "_settle", leak_in_failure, "a mail"),
        (SecretStore, "stage", leak_in_log, "a log or a metric"),
    ],
    ids=["mail", "log"],
)
def test_a_secret_half_that_leaves_the_process_is_found(
    *,
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    target: type,
    name: str,
    planted: Callable[..., None],
    place: str,
) -> None:
    recorded = stage.live(named(DUE))
    at = [call.operation for call in recorded.calls].index("PutSecretValue")
    monkeypatch.setattr(target, name, planted)

    lived = stage.live(named(DUE), [Strike(position=at, kind=BY_NAME["access denied"])])

    assert f"a secret half of a key stands in {place}" in lived.violations


# What the product must not do, done to it.


def delete_without_looking(
    issuer: Issuer, user: User, key: NewKey, _arn: str, ledger: Ledger, cause: str
) -> None:
    issuer.iam.delete_access_key(UserName=user.name, AccessKeyId=key.id)
    issuer._undo_pending(ledger, cause)


def keep_what_failed(
    issuer: Issuer, _user: User, _key: NewKey, _arn: str, ledger: Ledger, cause: str
) -> None:
    issuer._undo_pending(ledger, cause)


def promise(_store: SecretStore, _secret: ReadySecret, _key_id: str) -> None:
    """Promotes nothing."""


def forget_failure(*_: Any, **__: Any) -> str:
    return "something"


def test_the_oracle_finds_a_roll_back_that_does_not_look(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Issuer, "_settle", delete_without_looking)

    lived = struck(stage, named(DUE), "UpdateSecretVersionStage", "answer lost")

    assert "AWSCURRENT names" in wrong(lived)
    assert "which they hold, does not work" in wrong(lived)


def test_the_oracle_finds_a_key_that_nobody_holds(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Issuer, "_settle", keep_what_failed)

    lived = struck(stage, named(DUE), "PutSecretValue", "access denied")

    assert "is active, and nobody holds it" in wrong(lived)


def test_the_oracle_finds_an_act_on_the_word_of_a_failed_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = observe._with_last_use

    def guess(iam: Any, key: Any) -> Any:
        try:
            return honest(iam, key)
        except Exception:  # noqa: BLE001  # the very defect
            return replace(key, last_use=None)

    monkeypatch.setattr(observe, "_with_last_use", guess)

    recorded = stage.live(named("elder in use"))
    reads = [at for at, call in enumerate(recorded.calls) if call.operation == "GetAccessKeyLastUsed"]
    lived = stage.live(
        named("elder in use"), [Strike(position=at, kind=BY_NAME["access denied"]) for at in reads[:4]]
    )
    assert "UpdateAccessKey: carol: done although" in wrong(lived)


def test_the_oracle_finds_a_promise_that_is_not_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SecretStore, "promote", promise)

    assert "did not get where the rules lead" in "\n".join(stage.live(named(DUE)).astray)


def test_the_oracle_finds_a_failure_that_no_mail_tells(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacement, "cause_of", forget_failure)

    lived = struck(stage, named(DUE), "CreateAccessKey", "access denied")

    assert "CreateAccessKey failed (AccessDenied): no mail tells it of carol" in lived.violations


def switch_off_at_once(state: State, key: Key, _why: Why, _day: date) -> Iterator[Action]:
    yield Deactivate(key_id=key.id, on=state.today, reason=OffReason.QUIET, why="it is", in_secret=False)


def test_the_oracle_finds_a_key_that_goes_off_and_nobody_was_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_told_first", switch_off_at_once)

    assert "that nobody was told before: []" in wrong(stage.live(named("never announced")))


def test_the_oracle_finds_a_notice_that_is_kept_though_nobody_was_reminded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "told_lately", lambda *_: True)

    assert "of which nobody was reminded" in wrong(stage.live(named("nobody was reminded")))


def test_the_oracle_finds_a_notice_that_is_remembered_though_no_mail_went_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Topic, "deliver", lambda *_: "a message that went nowhere")

    assert "a notice of" in wrong(lived := stage.live(named("an elder in use")))
    assert "that nobody was told" in wrong(lived)


def test_the_oracle_finds_a_notice_for_a_day_that_is_too_near(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(State, "ahead", lambda state, _days: state.today)

    assert "for a day that is too near" in wrong(stage.live(named("an unused key")))


def test_the_oracle_finds_a_key_that_goes_off_while_nobody_listens(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Occasion, "heard", property(lambda _: True))

    assert "while nobody listens" in wrong(stage.live(named("nobody listens")))


def test_the_oracle_finds_a_write_in_audit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "actions", property(lambda plan: plan.decided))

    assert "CreateAccessKey: a write in Audit" in wrong(stage.live(named("Audit")))


def test_the_oracle_finds_a_pending_that_is_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Issuer, "remember", lambda **_: None)

    assert "`pending` is left" in wrong(stage.live(named(DUE), days=1))
