"""All cases, and what each database is known to do differently."""
import authentication
import crossing
import end_node
import gateway
import policies
import sequence
from deviations import DEVIATIONS

CASES = (*end_node.CASES, *gateway.CASES, *policies.CASES, *authentication.CASES, *sequence.CASES, *crossing.CASES)
DATABASES = {"tun": "`--tun`", "hook": "`--hook --tun`", "bare hook": "`--hook`", "kernel": "kernel"}


def runs(database, case):
    """Without a device, the hook serves end nodes only."""
    return database != "bare hook" or case.bench.startswith("E")


def known(database, case, version):
    """The outcome that a case must have, and why."""
    for databases, names, versions, outcome, why in DEVIATIONS:
        if database in databases and case in names and version in versions:
            return outcome, why
    return "pass", ""


def expected(database, case, version):
    return known(database, case, version)[0]
