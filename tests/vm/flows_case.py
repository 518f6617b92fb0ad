"""200 kinds of packets by the rules of flows.py, sent and received by a kernel with policies."""
from flows import Kernel, compare

compare(Kernel)
