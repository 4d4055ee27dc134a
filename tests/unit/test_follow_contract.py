"""Where the consumer's command and the rotation have to agree, though neither imports the other."""

import pytest
from keyrotation import model
from keyrotation.follow import adopt


@pytest.mark.parametrize("user_name", ["etl", "etl,nightly", ",", "a.b-c_d@e=f+g", "ends-AbC123"])
def test_both_know_the_secret_by_the_same_name(user_name: str) -> None:
    assert adopt.secret_name(user_name) == model.secret_name(user_name)
