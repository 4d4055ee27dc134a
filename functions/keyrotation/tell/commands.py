"""The commands that a mail tells people to copy, and who runs them.

An option and its value are one word, `--option=value`: IAM takes a user's name such as `--debug`.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from keyrotation.decide import tags
from keyrotation.model import ACTIVE, secret_name

# How far ahead the commands propose an exemption, from the day that it is to avert.
_PROPOSED_EXEMPTION = timedelta(days=30)


class Runner(StrEnum):
    """Whose credentials a command wants."""

    OWNER = "The owner, with the old key"
    OWNER_WITHOUT_KEY = "The owner, signed in to the console, or a role of SecretReaderArns"
    CONSUMER = "Where the program runs, in the home folder of its user"
    ADMINISTRATOR = "An administrator"


@dataclass(frozen=True, kw_only=True)
class Command:
    """`line` is fit for a shell; `purpose` continues "The owner, with the old key, ..."."""

    runner: Runner
    purpose: str
    line: str


def administrator(purpose: str, line: str) -> Command:
    return Command(runner=Runner.ADMINISTRATOR, purpose=purpose, line=line)


def fetch(secret: str, *, region: str, old_key_works: bool) -> Command:
    """`secret`: its name."""
    runner = Runner.OWNER if old_key_works else Runner.OWNER_WITHOUT_KEY
    return Command(runner=runner, purpose="to fetch the new key", line=fetch_new_key(secret, region=region))


def follow(user_name: str, secret: str, *, region: str) -> Command:
    """From then on that program needs nobody any more (docs/consumers.md)."""
    line = (
        f"access-key-follow adopt {shlex.quote(_file(user_name))} --profile=PROFILE --region={region} "
        f"--secret={shlex.quote(secret)} --take-over"
    )
    return Command(runner=Runner.CONSUMER, purpose="to have it follow by itself from now on", line=line)


def switch_on(user_name: str, key_id: str, purpose: str) -> Command:
    return administrator(purpose, set_status(user_name, key_id, ACTIVE))


def have_replaced(user_name: str, purpose: str) -> Command:
    return administrator(purpose, ask_for_replacement(user_name))


def leave_alone(user_name: str, day: date, purpose: str) -> Command:
    """An exemption that averts what happens on this day, which a tag may have put in the year 9999."""
    until = min(day, date.max - _PROPOSED_EXEMPTION) + _PROPOSED_EXEMPTION
    return administrator(f"{purpose}, through {until}", exempt(user_name, until=until))


def set_status(user_name: str, key_id: str, status: str) -> str:
    return f"aws iam update-access-key {_key(user_name, key_id)} --status={status}"


def delete_key(user_name: str, key_id: str) -> str:
    return f"aws iam delete-access-key {_key(user_name, key_id)}"


def fetch_new_key(secret: str, *, region: str) -> str:
    """For the owner, signed with the old key while it works; secrets are in one Region, IAM is not."""
    return (
        f"aws secretsmanager get-secret-value --region={region} --secret-id={shlex.quote(secret)} "
        "--query=SecretString --output=text"
    )


def restore_secret(secret: str, *, region: str) -> str:
    return f"aws secretsmanager restore-secret --region={region} --secret-id={shlex.quote(secret)}"


def delete_secret(secret: str, *, region: str) -> str:
    """With the longest time in which it can be restored."""
    return (
        f"aws secretsmanager delete-secret --region={region} --secret-id={shlex.quote(secret)} "
        "--recovery-window-in-days=30"
    )


def exempt(user_name: str, *, until: date) -> str:
    return _tag(user_name, tags.EXEMPT, f"{until} on call")


def end_exemption(user_name: str) -> str:
    return f"aws iam untag-user {_user(user_name)} --tag-keys={tags.EXEMPT}"


def ask_for_replacement(user_name: str) -> str:
    return _tag(user_name, tags.REPLACE, "on call")


def list_tags(user_name: str) -> str:
    return f"aws iam list-user-tags {_user(user_name)}"


def remove_tags(user_name: str, tag_keys: Sequence[str]) -> str:
    # Several values follow their option; each of these begins with this system's own prefix.
    return f"aws iam untag-user {_user(user_name)} --tag-keys {' '.join(map(shlex.quote, tag_keys))}"


def list_keys(user_name: str) -> str:
    return f"aws iam list-access-keys {_user(user_name)}"


def read_last_use(key_id: str) -> str:
    return f"aws iam get-access-key-last-used --access-key-id={key_id}"


def list_policies(user_name: str) -> str:
    """Those that are attached to the user itself."""
    return f"aws iam list-attached-user-policies {_user(user_name)}"


def describe_secret(secret: str, *, region: str) -> str:
    """Without its value."""
    return f"aws secretsmanager describe-secret --region={region} --secret-id={shlex.quote(secret)}"


def look_in_cloudtrail(key_id: str, *, region: str) -> str:
    return (
        f"aws cloudtrail lookup-events --region={region} "
        f"--lookup-attributes=AttributeKey=AccessKeyId,AttributeValue={key_id} --max-items=50"
    )


def detach_policy(user_name: str, policy_name: str, *, partition: str) -> str:
    arn = f"arn:{partition}:iam::aws:policy/{policy_name}"
    return f"aws iam detach-user-policy {_user(user_name)} --policy-arn={shlex.quote(arn)}"


def read_memory(user_id: str, *, table_name: str, region: str) -> str:
    """One user's item: what was done and told."""
    key = shlex.quote(f'{{"user_id":{{"S":"{user_id}"}}}}')
    return f"aws dynamodb get-item --region={region} --table-name={shlex.quote(table_name)} --key={key}"


def read_user(user_name: str) -> str:
    return f"aws iam get-user {_user(user_name)}"


def list_subscriptions(topic_arn: str) -> str:
    return f"aws sns list-subscriptions-by-topic --region={topic_arn.split(':')[3]} --topic-arn={topic_arn}"


def read_log(log_group_name: str, run_id: str, *, region: str) -> str:
    """Everything that a run wrote, a line per user."""
    pattern = shlex.quote(f'"{run_id}"')
    return (
        f"aws logs filter-log-events --region={region} --log-group-name={shlex.quote(log_group_name)} "
        f"--filter-pattern={pattern} --query='events[].message' --output=text"
    )


def _tag(user_name: str, key: str, value: str) -> str:
    return f"aws iam tag-user {_user(user_name)} --tags={shlex.quote(f'Key={key},Value={value}')}"


def _user(user_name: str) -> str:
    return f"--user-name={shlex.quote(user_name)}"


def _key(user_name: str, key_id: str) -> str:
    return f"{_user(user_name)} --access-key-id={key_id}"


def _file(user_name: str) -> str:
    """Where the consumer's command keeps what it knows of a user."""
    return f".aws/follow/{user_name}.json"


def for_anybody(command: Command, *, user_name: str, key_id: str | None) -> Command:
    """The same with `NAME` and `KEY` for the user and the key, to be said once for many."""
    # By whole words: a user may be called anything that stands in a command.
    general = {
        f"--user-name={user_name}": "--user-name=NAME",
        f"--secret-id={secret_name(user_name)}": f"--secret-id={secret_name('NAME')}",
        f"--secret={secret_name(user_name)}": f"--secret={secret_name('NAME')}",
        _file(user_name): _file("NAME"),
        f"--access-key-id={key_id}": "--access-key-id=KEY",
    }
    words = [for_shell(general.get(word, word)) for word in shlex.split(command.line)]
    return replace(command, line=" ".join(words))


def for_shell(word: str) -> str:
    """Quoted where it has to be; of an option only the value."""
    option, equals, value = word.partition("=")
    if equals and option.startswith("--"):
        return f"{option}={shlex.quote(value)}"
    return shlex.quote(word)
