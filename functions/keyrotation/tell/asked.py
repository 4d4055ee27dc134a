"""The entries of what people should know or do: each item with the commands that its kind calls for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from keyrotation.decide import tags
from keyrotation.decide.actions import Item, Kind, Level, Plan
from keyrotation.model import ATTACHED, INACTIVE, STORE, name_of_secret
from keyrotation.tell import commands, links
from keyrotation.tell.commands import Command
from keyrotation.tell.entries import Entry, Telling

STRANDED = "stranded"
# What comes up and asks nothing of anybody: it stands in a mail, and is no reason for one.
NEEDS_NOBODY = (Kind.DELETION, Kind.OFF_DATE_QUIET)


def items(telling: Telling, level: Level) -> Iterator[Entry]:
    for plan in telling.run.plans:
        for item in plan.items:
            if item.level is level and not _said_elsewhere(plan, item):
                yield telling.about(
                    plan,
                    _TEXTS.get(item.kind, item.text),
                    *BESIDE_A_USERS_ITEM[item.kind](telling, plan, item),
                    kind=item.kind,
                    key_id=item.key_id,
                    by=item.by,
                    then=item.then,
                    since=item.since,
                    once=item.once,
                )


# Of items that are only a day and what happens then.
_TEXTS = {
    Kind.OFF_DATE: "its new key is ready, and it is still in use: its owner has to switch to the new key. If it is in use on "
    "its day, it gets one last extension, with a notice of its own",
}


def _said_elsewhere(plan: Plan, item: Item) -> bool:
    """A reminder that asks nothing, or that another item explains, is a line under NOTICES; a lost secret is told once."""
    if item.notice is not None and item.level is Level.UPCOMING:
        needs_someone = {each.key_id for each in plan.items if each.level is Level.ATTENTION}
        return item.kind in NEEDS_NOBODY or item.key_id in needs_someone
    kinds = {each.kind for each in plan.items}
    return item.kind is Kind.NOT_STORED and not kinds.isdisjoint({Kind.LOST, Kind.TO_RESTORE})


def account(telling: Telling, items: Iterable[Item]) -> Iterator[Entry]:
    for item in items:
        yield BESIDE_AN_ITEM_OF_THE_ACCOUNT[item.kind](telling, Entry(kind=item.kind, text=item.text))
    for memory in telling.run.left_behind:
        name = name_of_secret(memory.secret_arn or "")
        line = commands.delete_secret(name, region=telling.settings.aws_region)
        yield Entry(
            kind=Kind.LEFT_BEHIND,
            once=memory.user_id,
            text=f"the user {memory.name} is gone, and the secret {name} is still there and costs",
            commands=(commands.administrator("to delete it (it can be restored for 30 days)", line),),
        )


def stranded(telling: Telling) -> Iterator[Entry]:
    """Mode went to Audit while a replacement was in flight: nothing but Enforce can settle it."""
    for plan in telling.run.plans:
        if plan.settles:
            text = (
                "an interrupted replacement waits for Mode=Enforce, which finishes or undoes it: until then there may be "
                "a new key that nobody holds. The old key goes on working"
            )
            yield telling.about(plan, text, _memory(telling, plan), kind=STRANDED)


# Nobody is told of something that they cannot act upon: what its readers may want to do about an item.


def _nothing(_telling: Telling, _plan: Plan, _item: Item) -> Iterator[Command]:
    yield from ()


def _see_why(telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    if plan.user.unread:
        yield commands.administrator("to see whether it can be read", _reading(telling, plan))
        if plan.user.id:
            yield _memory(telling, plan)
    elif tags.parse(plan.user.tags).malformed:
        yield from _see_tags(telling, plan, item)
    else:
        yield from _see_keys(telling, plan, item)


def _reading(telling: Telling, plan: Plan) -> str:
    """The read that failed, as far as that is known."""
    fact = plan.user.unread_fact
    if fact is None:
        return commands.read_user(plan.user.name)
    if fact == STORE:
        return commands.describe_secret(telling.secret_of(plan), region=telling.settings.aws_region)
    if fact == ATTACHED:
        return commands.list_policies(plan.user.name)
    return commands.read_last_use(fact)


def _see_tags(_telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    yield commands.administrator("to see its tags", commands.list_tags(plan.user.name))


def _remove_tags(_telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    old = tags.parse(plan.user.tags).old
    yield commands.administrator("to remove them", commands.remove_tags(plan.user.name, old))


def _see_memory(telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    yield _memory(telling, plan)


def _memory(telling: Telling, plan: Plan) -> Command:
    line = commands.read_memory(
        plan.user.id, table_name=telling.settings.table_name, region=telling.settings.aws_region
    )
    return commands.administrator("to see what is remembered", line)


def _see_keys(_telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    yield commands.administrator("to see the keys", commands.list_keys(plan.user.name))


def _secure(telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    """In this order: what is exposed stops working, then it is looked at, and only then there is a new key."""
    user = plan.user
    for key in user.keys:
        if key.active:
            off = commands.set_status(user.name, key.id, INACTIVE)
            yield commands.administrator(f"if {key.id} is the exposed key, now", off)
    for key in user.keys:
        look = commands.look_in_cloudtrail(key.id, region=telling.settings.aws_region)
        yield commands.administrator(f"then, in each Region that you use, to see what {key.id} did", look)
    if isinstance(user.quarantine, str):
        detach = commands.detach_policy(user.name, user.quarantine, partition=telling.settings.partition)
        yield commands.administrator("once the exposed key is off, to detach the policy", detach)
    yield commands.have_replaced(user.name, "last, to have a new key made")


def _start_over(_telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    """The key that cannot be fetched is the newer one, whichever of the two the item is about."""
    lost = max((key for key in plan.user.keys if key.active), key=lambda key: key.seniority, default=None)
    if lost is not None:
        line = commands.delete_key(plan.user.name, lost.id)
        yield commands.administrator(f"if nobody uses {lost.id}, to delete it", line)
        yield commands.have_replaced(plan.user.name, "then, to have a new key made")


def _go_on_or_stop(telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    yield commands.have_replaced(plan.user.name, "if no other tool does, to go on")
    yield _left_alone(telling, plan, item, "if another tool manages its keys")


def _fetch(telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    yield telling.fetch(plan)


def _fetch_or_keep_on(telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    yield from telling.install(plan)
    yield _left_alone(telling, plan, item, "to have it kept on")


def _restore(telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    line = commands.restore_secret(telling.secret_of(plan), region=telling.settings.aws_region)
    yield commands.administrator("to have it back", line)


def _leave_alone_for_longer(telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    yield _left_alone(telling, plan, item, "to have it left alone for longer")


def _switch_off_or_keep_both(telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    if item.key_id is not None:
        off = commands.set_status(plan.user.name, item.key_id, INACTIVE)
        yield commands.administrator("if nobody needs it, to switch it off", off)
        yield _left_alone(telling, plan, item, "to have both kept on")


def _delete(_telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    if item.key_id is not None:
        yield commands.administrator("if nobody needs it", commands.delete_key(plan.user.name, item.key_id))


def _switch_off(_telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    if item.key_id is not None:
        line = commands.set_status(plan.user.name, item.key_id, INACTIVE)
        yield commands.administrator("if nobody needs it", line)


def _replace_sooner_or_leave_alone(telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    yield commands.have_replaced(plan.user.name, "to have it replaced at the next run")
    yield _left_alone(telling, plan, item, "to have it left alone")


def _switch_on(telling: Telling, plan: Plan, item: Item) -> Iterator[Command]:
    if item.key_id is not None:
        yield telling.before_deletion(plan, item.key_id, item.by)


def _end_exemption(_telling: Telling, plan: Plan, _item: Item) -> Iterator[Command]:
    yield commands.administrator("to end the exemption", commands.end_exemption(plan.user.name))


def _left_alone(telling: Telling, plan: Plan, item: Item, purpose: str) -> Command:
    return commands.leave_alone(plan.user.name, item.by or telling.run.today, purpose)


# Every kind is here or in the next table, and a test says so.
BESIDE_A_USERS_ITEM: Mapping[Kind, Callable[[Telling, Plan, Item], Iterator[Command]]] = {
    Kind.NOTICE: _nothing,
    Kind.NOT_UNDERSTOOD: _see_why,
    Kind.INTERRUPTED: _see_memory,
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
    Kind.UNHEARD: _nothing,
    Kind.OLD_TAGS: _remove_tags,
    Kind.EXPOSED: _secure,
    Kind.VANISHED: _go_on_or_stop,
    Kind.NOT_STORED: _start_over,
    Kind.LOST: _start_over,
    Kind.REPLACEMENT: _replace_sooner_or_leave_alone,
    Kind.OFF_DATE: _fetch,
    Kind.OFF_DATE_QUIET: _fetch,
    Kind.RETIREMENT: _leave_alone_for_longer,
    Kind.DELETION: _switch_on,
    Kind.EXEMPTION_ENDS: _leave_alone_for_longer,
    Kind.TO_RESTORE: _restore,
    Kind.DELETED: _nothing,
}


def _as_it_is(_telling: Telling, entry: Entry) -> Entry:
    return entry


def _with_subscriptions(telling: Telling, entry: Entry) -> Entry:
    topic_arn = telling.settings.topic_arn
    if topic_arn is None:
        return entry  # in a member of an organization: whom the centre tells is not to be seen from here
    line = commands.list_subscriptions(topic_arn)
    return replace(
        entry,
        commands=(commands.administrator("to see the subscriptions, and who has yet to confirm", line),),
    )


def _with_own_credentials(telling: Telling, entry: Entry) -> Entry:
    return replace(entry, console=links.own_credentials(partition=telling.settings.partition))


BESIDE_AN_ITEM_OF_THE_ACCOUNT: Mapping[Kind, Callable[[Telling, Entry], Entry]] = {
    Kind.NOTICE: _as_it_is,
    Kind.SETTING: _as_it_is,
    Kind.NOBODY_LISTENS: _with_subscriptions,
    Kind.ROOT_KEYS: _with_own_credentials,
}
