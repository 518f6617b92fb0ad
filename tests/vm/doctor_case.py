"""`ipseckey doctor` compared with what this kernel really does, and how it reports why something does not work."""
import json
import os
import re
import subprocess

from guest import CIPHERS, IPSECKEY, MACS, contains, expect, finish, ipseckey, key, run, states


def doctor(*options):
    done = subprocess.run([IPSECKEY, *options, "doctor"], stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


# Everything is supported, and the report leaves no SA behind.
run("ip", *"xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 1 mode transport aead rfc4106(gcm(aes))".split(),
    "0x" + key(160), "128")
before = states()
status, text = doctor("--json")
found = json.loads(text)
expect("exit status", status, 0)
expect("SAs after doctor", states(), before)
expect("the kernel was asked", (found["asked"], found["sadb"], found["usable"], found["may_change"]),
       (True, "kernel", True, True))
expect("all of it is there", [f["name"] for f in found["facts"] if f["answer"] != "yes"], [])
names = {f["name"] for f in found["facts"]}
expect("each algorithm is named", {c[0] for c in CIPHERS} | {m[0] for m in MACS} <= names, True)
expect("protocols and features", {"ESP over IPv4", "ESP over IPv6", "AH over IPv4", "AH over IPv6", "ESN", "NAT-T"} <= names,
       True)
expect("every counter has a meaning", [c["name"] for c in found["counters"] if not c["meaning"]], [])
expect("no policy", found["policies"], 0)
status, text = doctor()
contains("what SAs alone do", " ".join(text.split()), "Policies none: without policies the kernel's SAs protect nothing")
run("ip", *"xfrm policy add src 10.0.0.1 dst 10.0.0.2 dir out tmpl proto esp mode transport".split())
contains("a policy", " ".join(doctor()[1].split()), "Policies 1: the kernel protects the traffic that they select")
run("ip", *"xfrm policy flush".split())
expect("one screen", len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) <= 80, True)
contains("the choice", " ".join(text.split()), "auto picks kernel: no ipsecd answers on its default socket, and this kernel has ESP or AH")
os.symlink(IPSECKEY, "/tmp/ipsecalgs")
algorithms = run("/tmp/ipsecalgs", "--sadb=kernel")
expect("ipsecalgs: each algorithm is here", tuple(len(re.findall(rf"\b{word}\b", algorithms)) for word in ("yes", "no")), (22, 0))

# Without the right to ask: from the machine's files, exit status 3.
done = subprocess.run(["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", IPSECKEY, "--json", "doctor"],
                      stdout=subprocess.PIPE, text=True, check=False)
found = json.loads(done.stdout)
expect("without CAP_NET_ADMIN", (done.returncode, found["asked"], found["may_change"], found["usable"]),
       (3, False, False, False))
refused = subprocess.run(["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", IPSECKEY, "--sadb=kernel"],
                         input=f"add esp spi 0x9 src 10.0.0.1 dst 10.0.0.2 encr_alg aes-gcm encrkey {key(160)}\n",
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
expect("its status", refused.returncode, 1)
contains("an SA without the right", refused.stdout, "EPERM", "it needs CAP_NET_ADMIN in this network namespace: run it as root")

# A protocol is removed: the refusal names the module.
run("ip", "xfrm", "state", "flush")
run("rmmod", "ah6")
text = doctor()[1]
contains("AH over IPv6 is gone", text, "no: AH over IPv6 (`modprobe ah6`)")
text = ipseckey(stdin=f"add ah spi 0x9 src fd00::1 dst fd00::2 auth_alg md5 authkey {key(128)}\n", fails=True)
contains("an SA without its protocol", text, "the kernel says: Requested type not found; this kernel has no AH: module ah6 is"
         " missing; `modprobe ah6`")

# An algorithm is removed.
run("rmmod", "camellia_generic")
contains("Camellia is gone", doctor()[1], "no: camellia-cbc")
algorithms = run("/tmp/ipsecalgs", "--sadb=kernel")
expect("ipsecalgs: one is not here", tuple(len(re.findall(rf"\b{word}\b", algorithms)) for word in ("yes", "no")), (21, 1))
contains("which one", algorithms, "camellia-cbc        128-256/64     -   16    -  no ")
text = ipseckey(stdin=f"add esp spi 0x9 src 10.0.0.1 dst 10.0.0.2 encr_alg camellia encrkey {key(128)} auth_alg md5 authkey {key(128)}\n",
                fails=True)
contains("an SA without its algorithm", text, "its crypto API lacks cbc(camellia)", "`ipseckey doctor` lists what is available")

finish("doctor and the refusals tell what this kernel can do")
