"""What the rotation would do to an account and when: `access-key-preview --help`, or `python -m keyrotation.preview`.

With the caller's own credentials, and by calls that only read. Writes nothing, changes nothing, and never sees a secret.
A composition root, as the two handlers are: here the clock is read and the clients are made. By botocore alone: that is all
that the package needs to be installed for it (docs/preview.md).
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from botocore.config import Config
from botocore.session import Session

from keyrotation import VERSION
from keyrotation.causes import CALL_ERRORS
from keyrotation.look.inventory import account_alias
from keyrotation.look.observe import Sources
from keyrotation.model import Occasion
from keyrotation.preview.options import Asked, Refused, parse
from keyrotation.preview.outlook import Account, Preview, Unread, Where, previewed
from keyrotation.preview.page import page
from keyrotation.preview.reading import WORKERS, read_account
from keyrotation.preview.refusals import TRIES, why_failed
from keyrotation.preview.renderings import as_json, comma_separated, table
from keyrotation.remember.table import TABLE_NAME, Table
from keyrotation.run.settings import region_of

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

# As the scanner: it backs off as IAM asks, and gives a call that hangs up in good time.
CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": TRIES},
    max_pool_connections=WORKERS,
    connect_timeout=3,
    read_timeout=30,
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/.+")
_WRITTEN = {"table": table, "csv": comma_separated, "json": as_json, "html": page}


def main(arguments: Sequence[str], *, now: datetime, stdout: TextIO, stderr: TextIO) -> int:
    """Returns the exit code: 0; 1 for what AWS or the credentials refuse; 2 for a wrong option; 3 when only some could be read."""
    try:
        asked = parse(arguments)
    except Refused as refused:
        stderr.write(f"preview: {refused}\n")
        return 2
    accounts: list[Account] = []
    unread: list[Unread] = []
    for name in asked.accounts or ("",):
        try:
            accounts.append(_account(name, asked, accounts, now=now, progress=_progress(stderr, name)))
        except (*CALL_ERRORS, OSError, ValueError) as error:
            unread.append(Unread(name=name, why=why_failed(error)))
        except _Again as again:
            unread.append(Unread(name=name, why=str(again)))
    stderr.writelines(f"preview: {f'{each.name}: ' if each.name else ''}{each.why}\n" for each in unread)
    if not accounts:
        return 1
    found = Preview(accounts=tuple(accounts), unread=tuple(unread), wanted=asked.wanted)
    _WRITTEN[asked.format](found, stdout)
    return 3 if unread else 0


class _Again(Exception):
    """The account was read already; its keys would be counted twice."""


def _account(
    name: str, asked: Asked, before: Sequence[Account], *, now: datetime, progress: Callable[[str], None]
) -> Account:
    """Raises what botocore raises, and _Again."""
    session = _session(name, asked)
    sources = Sources(
        iam=_client(session, "iam", asked),
        secrets=_client(session, "secretsmanager", asked),
        table=Table(client=_client(session, "dynamodb", asked), name=TABLE_NAME, fresh=str),
        path_prefix=asked.path_prefix,
    )
    region = sources.secrets.meta.region_name
    sts: STSClient = _client(session, "sts", asked)
    caller = sts.get_caller_identity()
    for each in before:
        if (each.where.account, each.where.region) == (caller["Account"], region):
            raise _Again(f"this is the account {caller['Account']} again, read as {each.where.name}")
    where = Where(
        name=name,
        account=caller["Account"],
        alias=account_alias(sources.iam),
        region=region,
        caller=caller["Arn"],
        path_prefix=asked.path_prefix,
        version=VERSION,
        at=now,
    )
    found = read_account(sources, progress)
    # Somebody listens, or nothing would be switched off; and nobody waits for a preview to time out.
    occasion = Occasion(now=now, region=region, function_timeout=timedelta(minutes=15), listeners=1)
    return previewed(found, asked.policy, occasion, where)


def _session(name: str, asked: Asked) -> Session:
    """Of a profile; or of a role, assumed with the credentials that there are without it. Raises what botocore raises."""
    if not _ROLE.fullmatch(name):
        return Session(profile=name or asked.profile)
    own = Session(profile=asked.profile)
    sts: STSClient = _client(own, "sts", asked)
    assumed = sts.assume_role(RoleArn=name, RoleSessionName="access-key-preview")["Credentials"]
    session = Session()
    session.set_credentials(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
    return session


def _client(session: Session, service: str, asked: Asked) -> Any:
    """Without a Region of the options or the environment, of the profile's."""
    region = asked.region or region_of(os.environ)
    return session.create_client(service, region_name=region, config=CONFIG)


def _progress(stderr: TextIO, name: str) -> Callable[[str], None]:
    """One line that is written over, for a person who waits; a file or a pipe gets nothing."""
    shown = stderr.isatty()

    def show(text: str) -> None:
        if shown:
            stderr.write(f"\r\x1b[K{f'{name}: ' if name and text else ''}{text}")
            stderr.flush()

    return show


def run() -> int:
    """As a command."""
    return main(sys.argv[1:], now=datetime.now(UTC), stdout=sys.stdout, stderr=sys.stderr)


if __name__ == "__main__":
    sys.exit(run())
