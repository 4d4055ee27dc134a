"""Previews made by hand: one account on a fixed day."""

from datetime import UTC, date, datetime
from typing import Any

from keyrotation.policy import Policy
from keyrotation.preview.outlook import Account, Preview, Row, Wanted, Where

DAY = date(2026, 11, 22)
WHERE = Where(
    account="123456789012",
    alias="prod",
    region="eu-central-1",
    caller="arn:aws:sts::123456789012:assumed-role/Auditor/kim",
    path_prefix="/",
    version="1.2.3",
    at=datetime(2026, 11, 22, 6, tzinfo=UTC),
)


def a_row(**facts: Any) -> Row:
    usual: dict[str, Any] = {
        "account": WHERE.account,
        "region": WHERE.region,
        "user": "carol",
        "user_id": "AIDACAROLCAROLCAROL01",
        "user_created_on": date(2026, 1, 1),
        "owner": "",
        "path": "/",
    }
    return Row(**{**usual, **facts})


def only(*rows: Row, told: tuple[str, ...] = (), wanted: Wanted | None = None) -> Preview:
    account = Account(where=WHERE, policy=Policy(), rows=rows, told=told, waiting={})
    return Preview(accounts=(account,), wanted=wanted or Wanted())
