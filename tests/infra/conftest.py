"""The template and the cloud assembly, each made once a session."""

import pytest

from tests.assembled import Assembly, assemble
from tests.infra.synthesized import Template, synthesize


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize(tmp_path_factory.mktemp("synthesized"))


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Made anew, whatever an earlier run has left."""
    return assemble(tmp_path_factory.mktemp("assembly"))
