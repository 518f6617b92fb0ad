"""The same 200 kinds of packets, sent and received by `ipsecd --hook`. Its peer is a kernel; the guest of the other cases has no
nf_tables for IP."""
from flows import Hook, compare

compare(Hook)
