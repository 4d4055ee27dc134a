"""`make demo-life`: one key's life, three times: an owner who follows by itself, one who installs late, and one who never does.

The real stack on the emulated account, from day 67 of three keys to day 132. The days between two screens pass in a moment; the
runs that repeat a notice are made too, since a notice that was not repeated lately is not kept.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from keyrotation.follow.store import Store

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey, seed
from sandbox.clients import Key
from sandbox.day import days_pass, run_day
from sandbox.launch import CHECKOUT
from sandbox.screen import ON_CALL, KeyState, check, keys_of, say, show, title

FOLLOWS, LATE, NEVER = "follows", "late", "never"
OWNERS = {
    FOLLOWS: "its program asks access-key-follow",
    LATE: "its owner installs the new key on day 93",
    NEVER: "its owner does not read mails",
}
FIRST_DAY = 67
SHOWN = (67, 74, 80, 88, 102, 132)
# Beside those, the days on which a notice is repeated, or a key is deleted.
RUNS = (*SHOWN, 84, 93, 98, 115, 118, 128)
REPLACED_ON, INSTALLED_LATE_ON = 74, 93
# By the default policy, after the run of that day: the owner's keys, the oldest first.
EXPECTED: dict[int, dict[str, list[str]]] = {
    67: {FOLLOWS: ["active"], LATE: ["active"], NEVER: ["active"]},
    74: {FOLLOWS: ["active", "active"], LATE: ["active", "active"], NEVER: ["active", "active"]},
    80: {FOLLOWS: ["active", "active"], LATE: ["active", "active"], NEVER: ["active", "active"]},
    88: {FOLLOWS: ["inactive", "active"], LATE: ["active", "active"], NEVER: ["active", "active"]},
    102: {FOLLOWS: ["inactive", "active"], LATE: ["inactive", "active"], NEVER: ["inactive", "active"]},
    # Nobody has used the new key of the third: its old one may be needed back, and is kept a few days longer.
    132: {FOLLOWS: ["active"], LATE: ["active"], NEVER: ["inactive", "active"]},
}
CAPTIONS = {
    67: "The keys are in use. A mail says that they will be replaced in 7 days.",
    74: "New keys are in the secrets, both keys work. Each old key is deactivated on day 88.",
    80: "One program has changed over by itself. Two go on with the old key.",
    88: "The old key that nobody uses is deactivated. Two are still in use: they get 14 days more, and somebody is asked.",
    102: "Installed in time, on day 93: deactivated, and nobody notices. Not installed: deactivated in use, and its calls fail.",
    132: "30 days after it went off an old key is deleted; later, where nobody has used the new one yet.",
}


class Machine:
    """The program of one owner: a process for each use, with the credentials that its profile has."""

    def __init__(self, home: Path, account: EmulatedAccount, key: Key) -> None:
        self._home = home
        (home / ".aws").mkdir(parents=True)
        self.install(key)
        emulator = account.emulator
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "PYTHONPATH": str(CHECKOUT / "functions"),
            "AWS_PROFILE": "app",
            "AWS_DEFAULT_REGION": account.region,
            "AWS_ENDPOINT_URL": emulator.endpoint,
            "AWS_CA_BUNDLE": str(emulator.ca),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def install(self, key: Key) -> None:
        """As an owner does by hand."""
        (self._home / ".aws" / "credentials").write_text(
            f"[app]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n"
        )

    def adopt(self, region: str) -> None:
        """Have the program ask access-key-follow from now on, which looks at every use instead of every six hours."""
        store = Store(self._home / "follow" / "app.json")
        words = ["adopt", str(store.path), "--profile", "app", "--region", region, "--take-over"]
        subprocess.run(
            [sys.executable, "-m", "keyrotation.follow", *words],
            env=self._environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        store.write(replace(store.read(), every=0.1))

    def calls_aws(self) -> bool:
        """Whether it could."""
        program = "import boto3; boto3.client('sqs').list_queues()"
        done = subprocess.run(
            [sys.executable, "-c", program], env=self._environment, stderr=subprocess.DEVNULL, check=False
        )
        return done.returncode == 0


@dataclass
class Film:
    """The account, the three programs, and what was seen. `today`: of the keys' life; the clock's day stays the same."""

    account: EmulatedAccount
    outputs: Mapping[str, str]
    machines: Mapping[str, Machine]
    first: Mapping[str, Key]
    today: int = FIRST_DAY
    seen: dict[int, dict[str, list[str]]] = field(default_factory=dict)
    worked: dict[int, dict[str, bool]] = field(default_factory=dict)
    asked: dict[int, set[str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    new: dict[str, Key] = field(default_factory=dict)

    def day_of_life(self, day: date) -> str:
        return f"day {self.today + (day - datetime.now(UTC).date()).days}"

    def goes_to(self, day: int) -> None:
        days_pass(self.account, day - self.today)
        self.today = day

    def run(self) -> None:
        """The programs do their work, then the day's run."""
        if self.today == INSTALLED_LATE_ON:
            self.new[LATE] = self.fetch(LATE)
            self.machines[LATE].install(self.new[LATE])
        self.worked[self.today] = {name: machine.calls_aws() for name, machine in self.machines.items()}
        before = self.keys()
        box = self.account.mailbox(self.outputs["TopicArn"])
        inbox = self.account.inbox(ON_CALL)
        run_id = run_day(self.account, self.outputs)
        mail, report = inbox.next(run_id=run_id), json.loads(box.next(run_id=run_id).body)
        self.told += [mail.subject, mail.body, json.dumps(report)]
        self.asked[self.today] = {
            each["user"]
            for section in ("forced-off", "critical", "attention")
            for each in report["sections"][section]
        }
        after = self.keys()
        self.seen[self.today] = {
            name: ["active" if key.active else "inactive" for key in keys.values()]
            for name, keys in after.items()
        }
        if self.today in SHOWN:
            self._show(before, after, mail.subject, report)
        if self.today == REPLACED_ON:
            # It asks again within the hour, and changes over on the same day.
            self.machines[FOLLOWS].calls_aws()

    def keys(self) -> dict[str, dict[str, KeyState]]:
        now = datetime.now(UTC)
        return {name: keys_of(self.account, name, now) for name in self.machines}

    def fetch(self, name: str) -> Key:
        """What the mail tells the owner to do: fetch the new key with the old one."""
        secrets = self.account.client("secretsmanager", key=self.first[name])
        value = json.loads(
            secrets.get_secret_value(SecretId=f"access-keys/{name}/credentials")["SecretString"]
        )
        return Key(key_id=value["AccessKeyId"], secret=value["SecretAccessKey"])

    def _show(
        self,
        before: Mapping[str, Mapping[str, KeyState]],
        after: Mapping[str, Mapping[str, KeyState]],
        subject: str,
        report: Mapping[str, Any],
    ) -> None:
        title(f"DAY {self.today}")
        print(f"  {CAPTIONS[self.today]}\n")
        for name, story in OWNERS.items():
            works = "its call works" if self.worked[self.today][name] else "ITS CALL FAILS"
            show(f"{name}: {story}; {works}", before[name], after[name], day_of=self.day_of_life)
        print(f"\n  mail: {subject}")
        if asked := self.asked[self.today]:
            print(
                f"        somebody is asked about {', '.join(sorted(asked))} (severity: {report['severity']})"
            )


def main() -> int:
    """Exit status 0 when every check passed."""
    began = time.monotonic()
    say("Starting an emulated AWS account on this machine (TLS, IAM enforced; nothing goes to AWS)")
    with EmulatedAccount.start() as account, tempfile.TemporaryDirectory(prefix="demo-life-") as homes:
        say("Deploying the stack with the CDK CLI, Mode=Enforce, Notify=Always")
        outputs = account.deploy({"Mode": "Enforce", "AlertEmail": ON_CALL, "Notify": "Always"})
        film = play(account, outputs, Path(homes))
        title("CHECKS")
        passed = [check(sentence, problems) for sentence, problems in checks(film).items()]
    print(f"\n{sum(passed)} of {len(passed)} checks passed in {time.monotonic() - began:.0f} seconds.")
    return 0 if all(passed) else 1


def play(account: EmulatedAccount, outputs: Mapping[str, str], homes: Path) -> Film:
    """All days, with the stack that is deployed; the programs live in the empty folder `homes`."""
    film = _begin(account, outputs, homes)
    for day in sorted(RUNS):
        film.goes_to(day)
        film.run()
    return film


def _begin(account: EmulatedAccount, outputs: Mapping[str, str], homes: Path) -> Film:
    """Three users with a key each that is 67 days old and used daily."""
    people = tuple(
        Person(name=name, story=story, keys=(SeededKey(age=FIRST_DAY, used=0),))
        for name, story in OWNERS.items()
    )
    keys = {name: made for name, (made,) in seed(account, people, datetime.now(UTC)).items()}
    statement = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    for name in keys:
        account.client("iam").put_user_policy(
            UserName=name,
            PolicyName="works",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
    machines = {name: Machine(homes / name, account, key) for name, key in keys.items()}
    machines[FOLLOWS].adopt(account.region)
    return Film(account=account, outputs=outputs, machines=machines, first=keys)


# The checks: each yields what is wrong, and nothing when its sentence is true.


def keys_are_as_the_calendar_says(film: Film) -> Iterator[str]:
    for day, expected in EXPECTED.items():
        if film.seen[day] != expected:
            yield f"day {day}: {film.seen[day]}, and not {expected}"


def nobody_breaks_who_follows(film: Film) -> Iterator[str]:
    for day, worked in film.worked.items():
        for name in (FOLLOWS, LATE):
            if not worked[name]:
                yield f"day {day}: the program of {name} could not call AWS"


def who_never_follows_breaks_after_two_notices(film: Film) -> Iterator[str]:
    for day, worked in film.worked.items():
        # The run of day 102 comes after that day's work.
        if worked[NEVER] != (day <= 102):
            yield f"day {day}: the program of {NEVER} {'works' if worked[NEVER] else 'fails'}"


def only_the_right_owners_are_asked(film: Film) -> Iterator[str]:
    if film.asked[88] != {LATE, NEVER}:
        yield f"day 88: {film.asked[88]}"
    if film.asked[102] != {NEVER}:
        yield f"day 102: {film.asked[102]}"
    if any(FOLLOWS in asked for asked in film.asked.values()):
        yield f"somebody was asked about {FOLLOWS}"


def the_old_keys_are_refused(film: Film) -> Iterator[str]:
    for name, key in film.first.items():
        try:
            film.account.client("sts", key=key).get_caller_identity()
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "InvalidClientTokenId":
                yield f"{name}: {refused}"
        else:
            yield f"{name}: the old key still works"


def no_secret_was_told(film: Film) -> Iterator[str]:
    logs = film.account.logs(film.outputs["ScannerName"]) + film.account.logs(film.outputs["RotatorName"])
    told = "\n".join(film.told + logs)
    if "run completed" not in told:
        yield "the rotator's log is not there to be searched"
    if any(key.secret in told for key in (*film.first.values(), *film.new.values())):
        yield "a secret access key is in a mail, a report or a log"


def checks(film: Film) -> dict[str, Iterator[str]]:
    return {
        "on each day the keys are as the calendar says": keys_are_as_the_calendar_says(film),
        "no call of a program fails whose owner follows, by itself or late": nobody_breaks_who_follows(film),
        "the program whose owner never follows works until day 102": who_never_follows_breaks_after_two_notices(
            film
        ),
        "somebody is asked about those who still use the old key on day 88 and on day 102, and about nobody else": (
            only_the_right_owners_are_asked(film)
        ),
        "the three old keys are refused in the end": the_old_keys_are_refused(film),
        "no secret access key is in a mail, a report or a log": no_secret_was_told(film),
    }


if __name__ == "__main__":
    sys.exit(main())
