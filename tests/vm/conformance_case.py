"""The conformance cases on the kernel's SADB and policies: tests/conformance."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["IPSECKEY_BIN"] = "/tmp/bin"
os.makedirs("/tmp/bin")
for name in ("ipseckey", "ipsecconf"):
    os.symlink(os.environ["IPSECKEY"], f"/tmp/bin/{name}")
sys.path[0:0] = [f"{HERE}/conformance", f"{HERE}/dataplane", f"{HERE}/oracle"]
import run  # noqa: E402

sys.exit(run.main("kernel", os.environ.get("CASES", "").replace(",", " ").split()))
