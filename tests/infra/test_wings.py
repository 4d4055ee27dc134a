"""docs/design.md shows the code as it is laid out."""

from tests.infra.wings import DESIGN, PACKAGE, into, wings


def test_the_tree_and_the_table_are_what_the_command_writes() -> None:
    design = DESIGN.read_text()
    assert into(design) == design, "make wings"


def test_every_folder_is_a_wing() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(wings()) == folders
