"""An emulated AWS account on this machine: the real stack, the real CLI, nothing that reaches AWS."""
