"""The memory of one user while something is done about him: what was decided is collected, and written before it takes effect."""

from dataclasses import dataclass, field, replace

from keyrotation.memory import Memory
from keyrotation.remember.table import Table


@dataclass
class Ledger:
    """`memory` is what is to be remembered; `flush` writes it when it differs from what the table has."""

    table: Table
    run_id: str
    user_name: str
    memory: Memory
    _written: Memory = field(init=False)

    def __post_init__(self) -> None:
        self._written = self.memory

    def flush(self) -> None:
        """Conditional on the revision that was read. Raises what `Table.save` raises."""
        if self.memory != self._written:
            named = replace(self.memory, name=self.user_name)
            self.memory = self._written = self.table.save(named, run_id=self.run_id)

    def write(self, memory: Memory) -> None:
        """This, with all that was collected before, and now. What could not be written is not tried again: it was not done."""
        collected, self.memory = self.memory, memory
        try:
            self.flush()
        except BaseException:
            self.memory = collected
            raise
