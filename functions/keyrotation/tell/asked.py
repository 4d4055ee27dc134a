"""The entries of what people should know or do: each item with the commands that its kind calls for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from keyrotation.decide.actions import Item, Kind, Level
from keyrotation.model import INACTIVE, User
from keyrotation.tell import commands, links
from keyrotation.tell.account import account_items
from keyrotation.tell.commands import Command
from keyrotation.tell.entries import Entry, Telling

STRANDED = "stranded"


def items(telling: Telling, level: Level) -> Iterator[Entry]:
    for plan in telling.run.plans:
        for item in plan.items:
            if item.level is level:
                yield telling.about(
                    plan,
                    item.text,
                    *BESIDE_A_USERS_ITEM[item.kind](telling, plan.user, item),
                    kind=item.kind,
                    key_id=item.key_id,
                    by=item.by,
                    then=item.then,
                    since=item.since,
                )


def account(telling: Telling) -> Iterator[Entry]:
    for item in account_items(telling.run.order, telling.settings.policy, listeners=telling.run.listeners):
        yield BESIDE_AN_ITEM_OF_THE_ACCOUNT[item.kind](telling, Entry(kind=item.kind, text=item.text))


def stranded(telling: Telling) -> Iterator[Entry]:
    """Mode went to Audit while a replacement was in flight: nothing but Enforce can settle it."""
    for plan in telling.run.plans:
        if plan.settles:
            text = (
                "an interrupted replacement waits for Mode=Enforce, which finishes or undoes it: until then there may be "
                "a new key that nobody holds. The old key goes on working"
            )
            look = commands.administrator("to see its tags", commands.list_tags(plan.user.name))
            yield telling.about(plan, text, look, kind=STRANDED)


# Nobody is told of something that they cannot act upon: what its readers may want to do about an item.


def _nothing(_telling: Telling, _user: User, _item: Item) -> Iterator[Command]:
    yield from ()


def _see_why(telling: Telling, user: User, item: Item) -> Iterator[Command]:
    if user.unread:
        yield commands.administrator("to see whether it can be read", commands.read_user(user.name))
    else:
        yield from _see_tags(telling, user, item)


def _see_tags(_telling: Telling, user: User, _item: Item) -> Iterator[Command]:
    yield commands.administrator("to see its tags", commands.list_tags(user.name))


def _fetch(telling: Telling, user: User, _item: Item) -> Iterator[Command]:
    yield telling.fetch(user)


def _fetch_or_keep_on(telling: Telling, user: User, item: Item) -> Iterator[Command]:
    yield telling.fetch(user)
    yield _left_alone(telling, user, item, "to have it kept on")


def _restore(telling: Telling, user: User, _item: Item) -> Iterator[Command]:
    line = commands.restore_secret(user.name, region=telling.settings.aws_region)
    yield commands.administrator("to have it back", line)


def _leave_alone_for_longer(telling: Telling, user: User, item: Item) -> Iterator[Command]:
    yield _left_alone(telling, user, item, "to have it left alone for longer")


def _switch_off_or_keep_both(telling: Telling, user: User, item: Item) -> Iterator[Command]:
    if item.key_id is not None:
        off = commands.set_status(user.name, item.key_id, INACTIVE)
        yield commands.administrator("if nobody needs it, to switch it off", off)
        yield _left_alone(telling, user, item, "to have both kept on")


def _delete(_telling: Telling, user: User, item: Item) -> Iterator[Command]:
    if item.key_id is not None:
        yield commands.administrator("if nobody needs it", commands.delete_key(user.name, item.key_id))


def _switch_off(_telling: Telling, user: User, item: Item) -> Iterator[Command]:
    if item.key_id is not None:
        line = commands.set_status(user.name, item.key_id, INACTIVE)
        yield commands.administrator("if nobody needs it", line)


def _replace_sooner_or_leave_alone(telling: Telling, user: User, item: Item) -> Iterator[Command]:
    yield commands.have_replaced(user.name, "to have it replaced at the next run")
    yield _left_alone(telling, user, item, "to have it left alone")


def _switch_on(_telling: Telling, user: User, item: Item) -> Iterator[Command]:
    if item.key_id is not None:
        yield commands.switch_on(user.name, item.key_id, "if somebody needs it")


def _end_exemption(_telling: Telling, user: User, _item: Item) -> Iterator[Command]:
    yield commands.administrator("to end the exemption", commands.end_exemption(user.name))


def _left_alone(telling: Telling, user: User, item: Item, purpose: str) -> Command:
    return commands.leave_alone(user.name, item.by or telling.run.today, purpose)


# Every kind is here or in the next table, and a test says so.
BESIDE_A_USERS_ITEM: Mapping[Kind, Callable[[Telling, User, Item], Iterator[Command]]] = {
    Kind.NOTICE: _nothing,
    Kind.NOT_UNDERSTOOD: _see_why,
    Kind.INTERRUPTED: _see_tags,
    Kind.SETTING: _see_tags,
    Kind.EXEMPT: _end_exemption,
    Kind.BACK_ON: _leave_alone_for_longer,
    Kind.IN_USE: _fetch_or_keep_on,
    Kind.UNTIL_QUIET: _fetch_or_keep_on,
    Kind.BY_HAND: _switch_off_or_keep_both,
    Kind.BY_HAND_QUIET: _switch_off_or_keep_both,
    Kind.UNUSED_KEPT: _switch_off_or_keep_both,
    Kind.BLOCKED: _delete,
    Kind.BLOCKED_BY_PAIR: _switch_off,
    Kind.WITHHELD: _nothing,
    Kind.REPLACEMENT: _replace_sooner_or_leave_alone,
    Kind.OFF_DATE: _fetch,
    Kind.OFF_DATE_QUIET: _fetch,
    Kind.RETIREMENT: _leave_alone_for_longer,
    Kind.DELETION: _switch_on,
    Kind.EXEMPTION_ENDS: _leave_alone_for_longer,
    Kind.TO_RESTORE: _restore,
}


def _as_it_is(_telling: Telling, entry: Entry) -> Entry:
    return entry


def _with_subscriptions(telling: Telling, entry: Entry) -> Entry:
    line = commands.list_subscriptions(telling.settings.topic_arn)
    return replace(entry, commands=(commands.administrator("to see who has yet to confirm", line),))


def _with_own_credentials(telling: Telling, entry: Entry) -> Entry:
    return replace(entry, console=links.own_credentials(partition=telling.settings.partition))


BESIDE_AN_ITEM_OF_THE_ACCOUNT: Mapping[Kind, Callable[[Telling, Entry], Entry]] = {
    Kind.NOTICE: _as_it_is,
    Kind.SETTING: _as_it_is,
    Kind.NOBODY_LISTENS: _with_subscriptions,
    Kind.ROOT_KEYS: _with_own_credentials,
}
