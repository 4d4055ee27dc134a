"""The controls of a running emulator, typed: time, faults, pages, and what it has seen."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sandbox.controls import Call, Mail, Page
from sandbox.emulator import CONTROL_PATH
from sandbox.launch import Emulator


class Remote:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    @contextmanager
    def seed_clock(self, *, days_ago: float) -> Iterator[None]:
        """Within the block IAM's clock is back: what is created there is that old."""
        self._set("clock", seconds_ago=timedelta(days=days_ago).total_seconds())
        try:
            yield
        finally:
            self._set("clock", seconds_ago=0)

    def let_pass(self, time: timedelta) -> None:
        """Make users, keys, last uses and messages that much older; what functions wrote about time stays."""
        self._set("pass-time", seconds=time.total_seconds())

    def set_last_used(
        self, key_id: str, *, at: datetime, service: str = "s3", region: str = "us-east-1"
    ) -> None:
        """Say when, with what and where a key was last used; `at` has a time zone."""
        self._set("last-used", key_id=key_id, at=at.isoformat(), service=service, region=region)

    def clear_last_used(self, key_id: str) -> None:
        """As if the key had never been used."""
        self._set("last-used", key_id=key_id, at=None)

    @contextmanager
    def fail(
        self,
        action: str,
        *,
        code: str,
        status: int = 400,
        takes_effect: bool = False,
        times: int = 1,
        where: Mapping[str, str] | None = None,
    ) -> Iterator[None]:
        """Within the block an allowed `iam:CreateAccessKey` (say) fails that often, for any caller.

        `takes_effect`: it is done all the same, and only its answer is this error. `where` limits it to requests
        with these parameters, such as {"UserName": "alice"}.
        """
        with self._faulty(action, times, where, code=code, status=status, takes_effect=takes_effect):
            yield

    @contextmanager
    def kill_after(self, action: str, *, where: Mapping[str, str] | None = None) -> Iterator[None]:
        """Within the block the process of the function that first does this is killed once it has taken effect."""
        with self._faulty(action, 1, where, code=None, status=0, takes_effect=True):
            yield

    @contextmanager
    def _faulty(
        self, action: str, times: int, where: Mapping[str, str] | None, **what: Any
    ) -> Iterator[None]:
        self._set("fail", action=action, times=times, where=dict(where or {}), **what)
        try:
            yield
        finally:
            self._set("heal", action=action)

    @contextmanager
    def page_size(self, action: str, size: int) -> Iterator[None]:
        """Within the block a list, such as `ListUsers`, comes in pages no larger than this."""
        self._set("page-size", action=action, size=size)
        try:
            yield
        finally:
            self._set("page-size", action=action, size=None)

    def pages(self) -> dict[Page, int]:
        """How often each page of a list was fetched since `forget`."""
        return {Page(**page["page"]): page["fetched"] for page in self._get("pages")}

    def calls(self, *, principal: str) -> list[Call]:
        """What a user or a role (by ARN, for all its sessions) has asked for since `forget`, in order."""
        return [Call(**call) for call in self._get("calls") if call["principal"] == principal]

    def forget(self) -> None:
        """Start the records of calls and pages anew."""
        self._set("forget")

    def mails(self, *, to: str) -> list[Mail]:
        """Everything sent to an address that a topic has as an email subscription, in order."""
        return [Mail(**mail) for mail in self._get("mails") if mail["to"] == to]

    def _set(self, control: str, **request: Any) -> None:
        self._ask(control, request)

    def _get(self, control: str) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self._ask(control, {})
        return answer

    def _ask(self, control: str, request: Mapping[str, Any]) -> Any:
        body = json.dumps(request).encode()
        return json.loads(self._emulator.request("POST", CONTROL_PATH + control, body))
