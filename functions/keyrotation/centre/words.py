"""The centre's own sentences and commands, made of ids that were checked: a report says which, and never how."""

import shlex
from typing import Final

from keyrotation.centre.understood import Announced, Asked
from keyrotation.memory import What, Why
from keyrotation.tell.reports import report_key

# By the report's word for it, in the order of the runbook. Of another word, of a version to come, `_ANOTHER` is said.
_SENTENCES: Final = {
    "forced-off": "was switched off while still in use: find the program, or switch it on again",
    "off-before": "was switched off while still in use: find the program, or switch it on again",
    "key-exposed": "AWS found the key in public: switch it off and make a new one",
    "failed": "a change did not finish; the next run tries it again",
    "root-keys": "the root user has access keys: delete them",
    "secret-lost": "the secret with the new key is gone, so the old key stays on",
    "not-understood": "could not be read, or has a tag that is not understood: nothing is done about it",
    "held-in-use": "the old key is still in use: switch the program to the new key",
    "held-until-quiet": "the old key was used lately: switch the program to the new key",
    "by-hand": "two keys, the newer one made by hand: delete the one that is not needed",
    "by-hand-quiet": "two keys, the newer one made by hand: delete the one that is not needed",
    "successor-not-stored": "the new key is in no secret: restore the secret, or ask for another key",
    "replacement-blocked": "no new key can be made: both places are taken",
    "replacement-blocked-by-two-active-keys": "no new key can be made: two keys are active",
    "nobody-would-hear": "stays as it is: nobody is known to hear of a switch-off",
    "switched-back-on": "was switched on again by somebody",
    "key-vanished": "the newest key was deleted by somebody else: no replacement until a person asks for one",
    "interrupted": "a replacement was interrupted",
    "stranded": "an interrupted replacement waits for Mode=Enforce",
    "unused-kept": "is not used, and is kept: it is the user's only key, or protected",
    "setting": "a setting does not fit this account",
    "old-tags": "has tags of version 0.1, which do nothing",
    "secret-left-behind": "a deleted user's secret is still there",
    "secret-goes": "the secret is scheduled for deletion",
    "notice": "needs someone",
}
_ANOTHER: Final = "needs someone; the account's own report says more"
_WHAT: Final = {What.SWITCH_OFF: "switched off", What.DELETE: "deleted"}
_WHY: Final = {
    Why.OVERLAP: "a newer key replaces it",
    Why.IN_USE: "a newer key replaces it, in use or not",
    Why.BY_HAND: "a newer key was made by hand",
    Why.UNUSED: "not used",
    Why.INACTIVE: "it is off",
}


def sentence(asked: Asked) -> str:
    """What is the matter, in the centre's words."""
    return _SENTENCES.get(asked.kind, _ANOTHER)


def of(user: str | None, key: str | None, owner: str) -> str:
    """Whom it is about: names in quotation marks, as they were checked."""
    parts = [] if user is None else [f'user "{user}"']
    parts += [] if key is None else [f"key {key}"]
    parts += [f'owner "{owner}"'] if owner else []
    return ", ".join(parts) or "the account"


def command(asked: Asked, account: str, *, bucket: str) -> str:
    """Which reads: what to change is for whoever has looked."""
    if asked.user is not None:
        return f"aws iam list-access-keys --user-name {shlex.quote(asked.user)}  # in account {account}"
    return f"aws s3 cp s3://{bucket}/{report_key(account)} -"


def announcement(notice: Announced) -> str:
    """One line: what happens to which key, when and why."""
    told = "given today" if notice.new else "again"
    return (
        f"{notice.day} at the earliest: {of(notice.user, notice.key, notice.owner)} is {_WHAT[notice.what]} "
        f"({_WHY[notice.why]}; {told})"
    )
