"""Which key signs what in each turn that things can take, and which key is served afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from keyrotation.follow.aws import Failed, Refused
from keyrotation.follow.look import AGAIN, DEAD, KEPT, Look, look
from keyrotation.follow.store import EVERY, AccessKey, State

from tests.unit.follow.world import DAY, NEW, NEWEST, NOW, OLD, USER, World, state


@dataclass
class Consumer:
    """The command of `refresh --then`, and the disk: what each of them got, and what AWS had been asked by then."""

    world: World
    refuses: bool = False
    full: bool = False
    took: list[AccessKey] = field(default_factory=list)
    asked_before: list[tuple[str, str]] = field(default_factory=list)
    kept: list[State] = field(default_factory=list)

    def take(self, key: AccessKey) -> str | None:
        self.asked_before = list(self.world.asked)
        self.took.append(key)
        return "it ended with 3" if self.refuses else None

    def keep(self, kept: State) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.kept.append(kept)


def looked(world: World, before: State, *, now: float = NOW) -> Look:
    """Without a command."""

    def keep(_: State) -> None:
        raise AssertionError("nothing has to be kept on the way")

    return look(before, now, aws=world, hand_over=None, keep=keep)


def handed(consumer: Consumer, before: State, *, now: float = NOW) -> Look:
    return look(before, now, aws=consumer.world, hand_over=consumer.take, keep=consumer.keep)


def asked(*questions: tuple[AccessKey, str]) -> list[tuple[str, str]]:
    return [(key.id, question) for key, question in questions]


# --- without a command ---


def test_a_new_key_is_fetched_with_the_old_one_proved_with_itself_and_then_served() -> None:
    world = World()
    found = looked(world, state())
    assert (found.state.key, found.state.previous, found.state.changed, found.fine) == (NEW, OLD, NOW, True)
    assert world.asked == asked((OLD, "secret"), (NEW, "owner"))
    assert found.state.told == f"changed from {OLD.id} to {NEW.id}"


@pytest.mark.parametrize("hours", [0, 6, 71, 24 * 30])
def test_after_the_change_nothing_is_signed_with_the_old_key(hours: int) -> None:
    """Rule 1. The rotation would take the question whether it is dead for a use, and hold it for its owner."""
    world = World()
    changed = looked(World(), state()).state
    found = looked(world, changed, now=NOW + hours * 3600)
    assert (found.state.key, found.fine) == (NEW, True)
    assert world.asked == asked((NEW, "secret"))


def test_the_key_before_is_kept_for_three_days_and_then_forgotten() -> None:
    before = state(NEW, previous=OLD, changed=NOW)
    assert KEPT == 3 * DAY
    assert looked(World(), before, now=NOW + KEPT).state.previous == OLD
    assert looked(World(), before, now=NOW + KEPT + 1).state.previous is None


def test_the_key_before_is_forgotten_also_when_aws_cannot_be_reached() -> None:
    world = World(failing={"secret": Failed("EndpointConnectionError")})
    found = looked(world, state(NEW, previous=OLD, changed=NOW), now=NOW + KEPT + 1)
    assert (found.state.previous, found.fine) == (None, False)


@pytest.mark.parametrize("word", sorted(DEAD))
def test_the_key_before_is_asked_when_aws_says_that_the_new_one_is_dead(word: str) -> None:
    """Somebody has undone the change: AWSCURRENT is the old key again."""

    class Undone(World):
        def _ask(self, key: AccessKey, question: str) -> None:
            super()._ask(key, question)
            if key == NEW:
                raise Refused(word)

    world = Undone(current_key=OLD)
    found = looked(world, state(NEW, previous=OLD, changed=NOW))
    assert (found.state.key, found.fine) == (OLD, True)
    assert world.asked == asked((NEW, "secret"), (OLD, "secret"), (OLD, "owner"))


@pytest.mark.parametrize(
    "failure",
    [
        Refused("SignatureDoesNotMatch"),
        Refused("InvalidSignatureException"),
        Refused("RequestTimeTooSkewed"),
        Refused("RequestExpired"),
        Refused("AccessDeniedException"),
        Refused("ThrottlingException"),
        Refused("InternalServiceError"),
        Refused("an unknown error"),
        Failed("EndpointConnectionError"),
        Failed("ReadTimeoutError"),
        Failed("the secret is not as the rotation writes it"),
    ],
    ids=str,
)
def test_a_wrong_clock_or_any_other_failure_is_not_a_dead_key(failure: Failed) -> None:
    world = World(failing={"secret": failure})
    found = looked(world, state(NEW, previous=OLD, changed=NOW))
    assert (found.state.key, found.state.previous, found.fine) == (NEW, OLD, False)
    assert world.asked == asked((NEW, "secret"))
    assert str(failure) in found.state.told


def test_where_the_current_key_is_dead_the_one_before_it_is_served_as_long_as_it_works() -> None:
    """A person switched the new key off by mistake: AWSCURRENT still names it."""
    world = World(dead=(NEW,))
    found = looked(world, state(NEW, previous=OLD, changed=NOW))
    assert found.state.key == OLD
    again = looked(world, found.state, now=NOW + EVERY)
    assert (again.state.key, again.fine) == (OLD, False)
    assert again.state.told == f"the new key {NEW.id} is refused (InvalidClientTokenId): {OLD.id} stays"
    healed = looked(World(), again.state, now=NOW + EVERY + AGAIN)
    assert (healed.state.key, healed.fine) == (NEW, True)


def test_where_every_key_is_dead_the_last_one_is_served_and_what_to_do_is_told() -> None:
    """The machine was off for longer than the overlap."""
    world = World(dead=(OLD,))
    found = looked(world, state())
    assert (found.state.key, found.fine) == (OLD, False)
    assert world.asked == asked((OLD, "secret"))
    assert found.state.told == (
        "every key here is refused (UnrecognizedClientException): have the current one handed over by other means, and "
        "adopt it"
    )


def test_a_new_key_that_does_not_work_yet_is_not_served() -> None:
    world = World(dead=(NEW,))
    found = looked(world, state())
    assert (found.state.key, found.state.next_look, found.fine) == (OLD, NOW + AGAIN, False)


def test_a_new_key_that_could_not_be_proved_is_not_served() -> None:
    found = looked(World(failing={"owner": Failed("ConnectTimeoutError")}), state())
    assert (found.state.key, found.fine) == (OLD, False)


def test_a_new_key_that_belongs_to_somebody_else_is_never_served() -> None:
    world = World(owners={NEW.id: "arn:aws:iam::111122223333:user/team/admin"})
    found = looked(world, state())
    assert (found.state.key, found.state.previous, found.fine) == (OLD, None, False)
    assert "belongs to arn:aws:iam::111122223333:user/team/admin" in found.state.told


def test_a_user_of_the_same_name_on_another_path_is_somebody_else() -> None:
    found = looked(World(owners={NEW.id: USER.replace("/team/", "/")}), state())
    assert (found.state.key, found.fine) == (OLD, False)


def test_a_secret_that_names_another_user_is_not_followed_and_its_key_not_even_tried() -> None:
    world = World(user_name="admin")
    found = looked(world, state())
    assert (found.state.key, found.fine) == (OLD, False)
    assert world.asked == asked((OLD, "secret"))


@pytest.mark.parametrize("word", ["ResourceNotFoundException", "AccessDeniedException"])
def test_before_the_first_key_a_secret_that_cannot_be_read_is_nothing_unusual(word: str) -> None:
    found = looked(World(failing={"secret": Refused(word)}), state())
    assert (found.state.key, found.state.next_look, found.fine) == (OLD, NOW + EVERY, True)
    assert found.state.told == f"no key was issued yet, or this user may not read it ({word})"


def test_a_placeholder_is_no_key() -> None:
    world = World(current_key=None)
    found = looked(world, state())
    assert (found.state.key, found.state.told, found.fine) == (OLD, "no key was issued yet", True)
    assert world.asked == asked((OLD, "secret"))


def test_the_next_look_is_in_six_hours_or_in_ten_minutes_after_a_failure() -> None:
    assert looked(World(), state()).state.next_look == NOW + 6 * 3600
    assert looked(World(dead=(OLD,)), state()).state.next_look == NOW + 600


def test_a_store_that_looks_more_often_does_so_after_a_failure_too() -> None:
    assert looked(World(dead=(OLD,)), state(every=60)).state.next_look == NOW + 60


# --- with a command ---


def test_with_a_command_nothing_is_signed_with_the_new_key_before_the_command_took_it() -> None:
    """Rule 2. A use of the new key tells the rotation that its owner has it, and the old one goes off sooner."""
    consumer = Consumer(World())
    found = handed(consumer, state(handed=OLD.id))
    assert (found.state.key, found.state.previous, found.state.handed, found.fine) == (NEW, OLD, NEW.id, True)
    assert consumer.took == [NEW]
    assert consumer.asked_before == asked((OLD, "secret"))
    assert consumer.world.asked == asked((OLD, "secret"), (NEW, "owner"))


def test_while_the_command_fails_nothing_at_all_is_signed_with_the_new_key() -> None:
    consumer = Consumer(World(), refuses=True)
    found = handed(consumer, state(handed=OLD.id))
    for hours in range(6, 15 * 24, 6):
        found = handed(consumer, found.state, now=NOW + hours * 3600)
        assert (found.state.key, found.state.handed, found.fine) == (OLD, OLD.id, False)
    assert {key for key, _ in consumer.world.asked} == {OLD.id}
    assert found.state.told == f"the command did not take {NEW.id} (it ended with 3): {OLD.id} stays"
    assert found.state.next_look - (NOW + hours * 3600) == AGAIN


def test_a_new_key_is_kept_before_the_command_gets_it_and_outlives_the_old_one() -> None:
    """The command failed for as long as the overlap lasted: when it is mended, it still gets the key."""
    consumer = Consumer(World(), refuses=True)
    waiting = handed(consumer, state(handed=OLD.id)).state
    assert [kept.offered for kept in consumer.kept] == [NEW]
    later = Consumer(World(dead=(OLD,)))
    found = handed(later, waiting, now=NOW + 20 * DAY)
    assert (later.took, found.state.key, found.state.offered, found.fine) == ([NEW], NEW, None, True)
    assert later.asked_before == asked((OLD, "secret"))


def test_a_key_that_was_never_handed_over_gives_way_to_a_newer_one() -> None:
    waiting = handed(Consumer(World(), refuses=True), state(handed=OLD.id)).state
    consumer = Consumer(World(current_key=NEWEST))
    found = handed(consumer, waiting, now=NOW + 20 * DAY)
    assert (consumer.took, found.state.key, found.state.previous) == ([NEWEST], NEWEST, OLD)


def test_a_key_that_cannot_be_kept_is_not_handed_over() -> None:
    consumer = Consumer(World(), full=True)
    with pytest.raises(OSError, match="No space"):
        handed(consumer, state(handed=OLD.id))
    assert consumer.took == []


def test_after_a_crash_right_after_the_command_it_is_not_run_again_and_the_old_key_signs_nothing() -> None:
    consumer = Consumer(World(failing={"owner": Failed("EndpointConnectionError")}))
    cut_off = handed(consumer, state(handed=OLD.id)).state
    assert (cut_off.key, cut_off.offered, cut_off.handed) == (OLD, NEW, NEW.id)
    assert cut_off == replace(
        consumer.kept[-1],
        looked=NOW,
        next_look=NOW + AGAIN,
        told=f"the new key {NEW.id} could not be proved (EndpointConnectionError): {OLD.id} stays",
    )
    later = Consumer(World())
    found = handed(later, cut_off, now=NOW + AGAIN)
    assert (later.took, found.state.key, found.fine) == ([], NEW, True)
    assert later.world.asked == asked((NEW, "owner"))


def test_a_key_of_somebody_else_is_not_kept_though_the_command_took_it() -> None:
    consumer = Consumer(World(owners={NEW.id: "arn:aws:iam::111122223333:user/admin"}))
    found = handed(consumer, state(handed=OLD.id))
    assert (found.state.key, found.state.offered, found.fine) == (OLD, None, False)


def test_the_command_gets_the_key_of_today_the_first_time_and_each_key_once() -> None:
    consumer = Consumer(World(current_key=OLD))
    found = handed(consumer, state())
    again = handed(consumer, found.state, now=NOW + DAY)
    assert (consumer.took, again.state.key, again.fine) == ([OLD], OLD, True)
    assert consumer.world.asked == asked((OLD, "secret"), (OLD, "secret"))


def test_the_command_gets_the_key_of_today_also_before_the_rotation_has_issued_one() -> None:
    consumer = Consumer(World(failing={"secret": Refused("ResourceNotFoundException")}))
    found = handed(consumer, state())
    assert (consumer.took, found.state.handed, found.fine) == ([OLD], OLD.id, True)


def test_from_the_first_command_on_the_store_knows_that_there_is_one_even_if_it_failed() -> None:
    found = handed(Consumer(World(), refuses=True), state())
    assert found.state.handed == ""


def test_where_the_key_is_dead_and_the_one_before_works_the_command_gets_that_one() -> None:
    consumer = Consumer(World(dead=(NEW,)))
    found = handed(consumer, state(NEW, previous=OLD, changed=NOW, handed=NEW.id))
    assert (consumer.took, found.state.key) == ([OLD], OLD)


def test_an_offer_that_became_the_key_is_not_kept_twice() -> None:
    found = looked(World(), state(NEW, previous=OLD, changed=NOW, offered=NEW))
    assert found.state.offered is None
