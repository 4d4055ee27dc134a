"""How long the rotator waits for an answer."""

from tests.component.deployment import Deployment


def test_the_first_secret_of_a_region_has_half_a_minute(deployment: Deployment) -> None:
    """The account's key for secrets is made with it; what is only read has less."""
    rotator = deployment.load("rotator")

    assert rotator.secretsmanager.meta.config.read_timeout == 30
    assert rotator.iam.meta.config.read_timeout < 30
