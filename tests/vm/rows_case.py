"""Every keyword on the kernel, as tests/vm/rows.py says."""
import rows
from guest import expect, finish, forward

forward()
wrong, kept = rows.check("kernel")
expect("keywords that are lost", wrong, [])
finish(f"{len(kept)} keywords are kept by the kernel, the others refused aloud")
