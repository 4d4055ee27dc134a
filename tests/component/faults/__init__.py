"""Every AWS call that a run makes, broken in every way, one at a time and in pairs; `python -m tests.component.faults`."""
