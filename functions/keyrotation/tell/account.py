"""What is to be told about the account itself."""

from keyrotation.decide.actions import Item, Kind, Level
from keyrotation.decide.rules import attention
from keyrotation.policy import Policy
from keyrotation.run.order import Order


def account_items(
    order: Order, policy: Policy, *, path_prefix: str, listeners: int | None
) -> tuple[Item, ...]:
    """What is to be told about the account itself; nothing here is ever acted upon."""
    items = []
    if not listeners:
        unheard = "no subscription to the topic is confirmed and without a filter policy"
        if listeners is None:
            unheard = "this run could not read whether a subscription to the topic is confirmed"
        items.append(
            attention(
                f"{unheard}. No key is switched off or deleted while nobody is known to get this mail",
                kind=Kind.NOBODY_LISTENS,
            )
        )
    if order.total == 0:
        text = (
            f"there is no IAM user below UserPathPrefix={path_prefix}: no key is rotated. If that is not what you want, "
            "deploy with the path that your users have"
        )
        items.append(attention(text, kind=Kind.SETTING))
    if order.root_has_keys:
        text = "the root user has access keys. No policy limits what they can do: delete them"
        items.append(Item(level=Level.CRITICAL, kind=Kind.ROOT_KEYS, text=text))
    if order.root_has_keys is None:
        items.append(attention("this run could not read whether the root user has access keys"))
    if order.with_keys > policy.sustained_users:
        enough = -(-order.with_keys * 3 // policy.issue_age)
        items.append(
            attention(
                f"MaxUsersPerRun={policy.max_users_per_run} keeps up with about {policy.sustained_users} users who "
                f"have keys, and this account has {order.with_keys}: keys will come due faster than they are "
                f"replaced. Raise it to {enough} at least",
                kind=Kind.SETTING,
            )
        )
    return tuple(items)
