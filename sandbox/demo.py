"""`make demo`: the real stack on an emulated account, one daily run: each key before and after it, the mail in a file, and whether
the run kept its promises.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, cast, seed, table_of
from sandbox.clients import Key
from sandbox.controls import Mail
from sandbox.day import run_day
from sandbox.launch import CHECKOUT
from sandbox.screen import ON_CALL, check, keys_of, say, show, title

MAIL = CHECKOUT / "build" / "demo-mail.txt"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that a check may look at: who was there, what they held, what was there before, the mail."""

    account: EmulatedAccount
    people: tuple[Person, ...]
    keys: dict[str, list[Key]]
    before: dict[str, "Snapshot"]
    mail: Mail
    logs: str

    def fated(self, *fates: str) -> Iterator[Person]:
        return (person for person in self.people if person.fate in fates)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A user's keys (status by id) and tags."""

    keys: dict[str, str]
    tags: dict[str, str]


def main() -> int:
    """Exit status 0 when every check passed."""
    began = time.monotonic()
    say("Starting an emulated AWS account on this machine (TLS, IAM enforced; nothing goes to AWS)")
    with EmulatedAccount.start() as account:
        say("Deploying the stack with the CDK CLI, Mode=Enforce")
        outputs = account.deploy({"Mode": "Enforce", "AlertEmail": ON_CALL})
        now = datetime.now(UTC)
        people = cast(now.date())
        keys = seed(account, people, now)
        before = {person.name: snapshot(account, person.name) for person in people}

        found = {person.name: keys_of(account, person.name, now) for person in people}

        say("Running one day with the schedule's own payload: scanner, queue, rotator")
        inbox = account.inbox(ON_CALL)
        run_day(account, outputs)
        mail = inbox.next()

        title("EACH KEY, BEFORE THE RUN -> AFTER IT")
        for person in people:
            heading = f"{person.name}: {person.story}"
            show(heading, found[person.name], keys_of(account, person.name, now))
        title("THE MAIL")
        MAIL.parent.mkdir(exist_ok=True)
        MAIL.write_text(f"To: {ON_CALL}\nSubject: {mail.subject}\n\n{mail.body}\n")
        print(f"  Subject: {mail.subject}\n  The whole mail: {MAIL.relative_to(CHECKOUT)}")

        scene = Scene(
            account=account,
            people=people,
            keys=keys,
            before=before,
            mail=mail,
            logs="\n".join(account.logs(outputs["ScannerName"]) + account.logs(outputs["RotatorName"])),
        )
        title("CHECKS")
        passed = [check(sentence, problems(scene)) for sentence, problems in CHECKS.items()]
    print(f"\n{sum(passed)} of {len(passed)} checks passed in {time.monotonic() - began:.0f} seconds.")
    return 0 if all(passed) else 1


def snapshot(account: EmulatedAccount, user_name: str) -> Snapshot:
    iam = account.client("iam")
    tags = iam.get_user(UserName=user_name)["User"].get("Tags", [])
    keys = iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    return Snapshot(
        keys={key["AccessKeyId"]: key["Status"] for key in keys},
        tags={tag["Key"]: tag["Value"] for tag in tags},
    )


# The checks: each yields what is wrong, and nothing when its sentence is true.


def new_keys_work(scene: Scene) -> Iterator[str]:
    for person in scene.fated("replaced"):
        old = scene.keys[person.name][0]
        value = fetch(scene, person.name, as_key=old)
        new = Key(key_id=value["AccessKeyId"], secret=value["SecretAccessKey"])
        if new.key_id == old.key_id:
            yield f"{person.name}: the secret holds the old key"
        if not who_am_i(scene, new).endswith(f"/{person.name}"):
            yield f"{person.name}: the new key is somebody else's"


def old_keys_still_work(scene: Scene) -> Iterator[str]:
    for person in scene.fated("replaced", "noticed", "reported"):
        for key in scene.keys[person.name]:
            if not who_am_i(scene, key).endswith(f"/{person.name}"):
                yield f"{person.name}: {key.key_id} is somebody else's"


def switched_off_keys_are_refused(scene: Scene) -> Iterator[str]:
    for person in scene.fated("switched off", "deleted"):
        old, *others = scene.keys[person.name]
        try:
            who_am_i(scene, old)
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "InvalidClientTokenId":
                yield f"{person.name}: {refused}"
        else:
            yield f"{person.name}: {old.key_id} still works"
        for other in others:
            who_am_i(scene, other)
        status = snapshot(scene.account, person.name).keys.get(old.key_id)
        if status != (None if person.fate == "deleted" else "Inactive"):
            yield f"{person.name}: {old.key_id} is {status}"


def noticed_keys_have_their_day(scene: Scene) -> Iterator[str]:
    table = table_of(scene.account)
    for person in scene.fated("noticed"):
        key = scene.keys[person.name][0]
        user_id = scene.account.client("iam").get_user(UserName=person.name)["User"]["UserId"]
        notice = table.read(user_id).key(key.key_id).notice
        if notice is None:
            yield f"{person.name}: nothing is remembered of a notice"
        elif not _is_noticed(scene.mail, user_name=person.name, key_id=key.key_id, day=str(notice.day)):
            yield f"{person.name}: the mail does not name {key.key_id} on {notice.day}"


def _is_noticed(mail: Mail, *, user_name: str, key_id: str, day: str) -> bool:
    """In the block of that user, whatever its lines."""
    blocks = (" ".join(each.split()) for each in re.split(r"^\* ", mail.body, flags=re.MULTILINE)[1:])
    said = re.compile(rf"On {day}, in \d+ days, {key_id} is ")
    return any(block.startswith(user_name) and said.search(block) for block in blocks)


def the_others_are_untouched(scene: Scene) -> Iterator[str]:
    for person in scene.fated("untouched"):
        if snapshot(scene.account, person.name) != scene.before[person.name]:
            yield f"{person.name} was changed"
    for person in scene.fated("reported"):
        if snapshot(scene.account, person.name).keys != scene.before[person.name].keys:
            yield f"{person.name}'s keys were changed"


def nobody_else_reads_or_replaces_a_secret(scene: Scene) -> Iterator[str]:
    curious = next(person for person in scene.people if person.reads_all_secrets)
    secrets = scene.account.client("secretsmanager", key=scene.keys[curious.name][0])
    for person in scene.fated("replaced"):
        name = secret_of(person.name)
        attempts: dict[str, Callable[[], object]] = {
            "read": lambda name=name: secrets.get_secret_value(SecretId=name),  # type: ignore[misc]
            "overwrite": lambda name=name: secrets.put_secret_value(SecretId=name, SecretString="x"),  # type: ignore[misc]
            "open": lambda name=name: secrets.delete_resource_policy(SecretId=name),  # type: ignore[misc]
        }
        for verb, attempt in attempts.items():
            try:
                attempt()
            except ClientError as refused:
                if refused.response["Error"]["Code"] != "AccessDeniedException":
                    yield f"{curious.name} could not {verb} {name}, but for another reason: {refused}"
            else:
                yield f"{curious.name} could {verb} {name}"


def coverage_adds_up(scene: Scene) -> Iterator[str]:
    found = re.search(r"examined (\d+) of (\d+) users, (\d+) exempt, (\d+) unreadable", scene.mail.body)
    expected = [len(scene.people), len(scene.people), 1, 0]
    if found is None or [int(number) for number in found.groups()] != expected:
        yield f"the mail says {found and found.group()}, there are {len(scene.people)} users, one of them exempt"


def the_mail_names_whom_it_should(scene: Scene) -> Iterator[str]:
    named = set(re.findall(r"^\* (\S+)", scene.mail.body, re.MULTILINE))
    expected = {person.name for person in scene.people if person.fate != "untouched"} | {"june"}
    if named != expected:
        yield f"too many: {sorted(named - expected)}, missing: {sorted(expected - named)}"


def no_secret_was_told(scene: Scene) -> Iterator[str]:
    told = scene.mail.subject + scene.mail.body + scene.logs
    if "run completed" not in scene.logs:
        yield "the rotator's log is not there to be searched"
    values = [key.secret for keys in scene.keys.values() for key in keys]
    values += [
        fetch(scene, person.name, as_key=scene.keys[person.name][0])["SecretAccessKey"]
        for person in scene.fated("replaced")
    ]
    if any(value in told for value in values):
        yield "a secret access key is in the mail or in a log"


def no_user_has_three_keys(scene: Scene) -> Iterator[str]:
    for person in scene.people:
        if (number := len(snapshot(scene.account, person.name).keys)) > 2:
            yield f"{person.name} has {number} keys"


CHECKS: dict[str, Callable[[Scene], Iterator[str]]] = {
    "the new keys in the secrets authenticate; their owners fetched them with the old ones": new_keys_work,
    "the old keys of replaced users and of those who were only warned still work": old_keys_still_work,
    "keys that were switched off or deleted are refused; the newer ones work": switched_off_keys_are_refused,
    "the mail gives notice of each key that goes off later, and memory has the same day": noticed_keys_have_their_day,
    "users with nothing due, exempt users and the two applications' keys are untouched": the_others_are_untouched,
    "a user with secretsmanager:* can neither read, overwrite nor open a secret": nobody_else_reads_or_replaces_a_secret,
    "the run's coverage adds up": coverage_adds_up,
    "the mail names exactly those whom it should": the_mail_names_whom_it_should,
    "no secret access key is in the mail or in a log": no_secret_was_told,
    "no user has more than two keys": no_user_has_three_keys,
}


def who_am_i(scene: Scene, key: Key) -> str:
    return scene.account.client("sts", key=key).get_caller_identity()["Arn"]


def fetch(scene: Scene, user_name: str, *, as_key: Key) -> dict[str, str]:
    secrets = scene.account.client("secretsmanager", key=as_key)
    value: dict[str, str] = json.loads(
        secrets.get_secret_value(SecretId=secret_of(user_name))["SecretString"]
    )
    return value


def secret_of(user_name: str) -> str:
    return f"access-keys/{user_name.replace(',', '/comma/')}/credentials"


if __name__ == "__main__":
    sys.exit(main())
