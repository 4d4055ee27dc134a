"""`adopt`: the static key of a profile becomes the key of a store, and the profile asks this program for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from keyrotation.follow.aws import Failed
from keyrotation.follow.profiles import KEY_ID, PROCESS, SECRET, TOKEN, ProfilesFile
from keyrotation.follow.store import AccessKey, State, Store
from keyrotation.follow.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyrotation.follow.look import Asks

STATIC = frozenset({KEY_ID, SECRET})


class Refusal(Told):
    """Nothing was changed; the message says why, and what to do."""


@dataclass(frozen=True)
class Found:
    """A key that works, whose it is, and the profiles that hold it."""

    key: AccessKey
    arn: str
    profiles: list[str]


@dataclass(frozen=True)
class Adoption:
    """What is to become of `profile`, and of every other profile that holds the same key."""

    store: Store
    credentials: ProfilesFile
    config: ProfilesFile
    profile: str
    region: str
    secret: str | None
    process: str

    def done_already(self) -> bool:
        """The profile asks this program for the store's key, and has no key of its own that would win."""
        ours = self.config.profiles().get(self.profile, {}).get(PROCESS) == self.process
        static = KEY_ID in self.credentials.profiles().get(self.profile, {})
        return ours and not static and self.store.path.exists()

    def check(self, aws: Asks, *, key_id_in_environment: str | None) -> Found:
        """What there is to take over. Raises Refusal, OSError, Unusable."""
        credentials, config = self.credentials.profiles(), self.config.profiles()
        static = credentials.get(self.profile, {})
        if TOKEN in static:
            raise Refusal(
                f"[{self.profile}] has a session token: its key is a temporary one, which is not rotated"
            )
        key = AccessKey.of({"AccessKeyId": static.get(KEY_ID), "SecretAccessKey": static.get(SECRET)})
        if key is None:
            raise Refusal(f"{self.credentials.path} has no access key in [{self.profile}]")
        holders = [name for name, settings in credentials.items() if settings.get(KEY_ID) == key.id]
        if problems := list(self._in_the_way(holders, config, key.id, key_id_in_environment)):
            raise Refusal("; ".join(problems))
        try:
            arn = aws.owner(key)
        except Failed as failed:
            raise Refusal(f"the key {key.id} could not be tried ({failed})") from None
        if ":user/" not in arn:
            raise Refusal(f"the key belongs to {arn}, which is no IAM user")
        self._state(key, arn)
        return Found(key, arn, holders)

    def carry_out(self, found: Found) -> None:
        """Raises OSError, Unusable. After a crash at any step, adopt again finishes it.

        The store first: from here on the key is in two places. Then the line in the config, which no SDK heeds as long as
        the profile has a key of its own. The static key goes last.
        """
        self.store.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.store.alone(wait=60):
            self.store.write(self._state(found.key, found.arn))
        for name in found.profiles:
            if self.config.profiles().get(name, {}).get(PROCESS) != self.process:
                self.config.with_setting(name, PROCESS, self.process)
        for name in found.profiles:
            self.credentials.without(name, STATIC)

    def _in_the_way(
        self,
        holders: list[str],
        config: dict[str, dict[str, str]],
        key_id: str,
        key_id_in_environment: str | None,
    ) -> Iterator[str]:
        """What would leave two consumers of the key behind, or a profile that does not ask us."""
        if key_id_in_environment == key_id:
            yield "the environment holds this key too, and it wins over the profile: unset AWS_ACCESS_KEY_ID"
        for name, settings in config.items():
            if settings.get(KEY_ID) == key_id or (name in holders and KEY_ID in settings):
                yield f"{self.config.path} has an access key in [{name}]: move it to {self.credentials.path}"
        for name in holders:
            if config.get(name, {}).get(PROCESS, self.process) != self.process:
                yield f"{self.config.path} has another credential_process in [{name}]: remove it"

    def _state(self, key: AccessKey, arn: str) -> State:
        """What the store is to hold. Raises Refusal when it is another user's."""
        fresh = State(
            region=self.region,
            arn=arn,
            secret=self.secret or secret_name(arn.rpartition("/")[2]),
            key=key,
        )
        if not self.store.path.exists():
            return fresh
        before = self.store.read()
        if before.arn != arn:
            raise Refusal(f"{self.store.path} is the store of {before.arn}, and this key belongs to {arn}")
        if key in (before.key, before.previous):
            # Interrupted earlier, or an old copy of the profile was put back: what the store holds is as new or newer.
            return replace(before, region=fresh.region, secret=fresh.secret, next_look=0)
        return replace(fresh, handed=before.handed, every=before.every, lifetime=before.lifetime)


def secret_name(user_name: str) -> str:
    """As the rotation names it: Secrets Manager takes no comma."""
    return f"access-keys/{user_name.replace(',', '/comma/')}/credentials"
