"""How long the tests wait for others: a slow or a busy machine is no reason to fail."""

HANGING = 600  # seconds: a process that takes longer hangs
MISSING = 120  # seconds: what a page does not show by then, it will not show
