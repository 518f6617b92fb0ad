"""Nothing is dropped silently: each keyword of the language, in an `add` and in an `update`, appears in the kernel's SA
afterwards, or drew a warning, or was refused."""
import json
import re
import subprocess

import rows
from guest import IPSECKEY, expect, finish, forward, ipseckey, key

ENDS = "src 192.0.2.1 dst 192.0.2.2"
# Part of every SA here; tests/vm/load_case.py tests it.
BASE = ("spi", "src", "dst", "encr_alg", "encrkey", "auth_alg", "authkey")
# By the keyword's first name: the words of an add, and those of an update if they differ. A keyword that is not here gets the
# sample that tests/vm/rows.py makes from its value's name in the help.
WORDS = {
    "pair-spi": "pair-spi 0x99", "inbound": "inbound", "outbound": "outbound", "sport": "sport 5", "dport": "dport 6",
    "proto": "proto 6", "isrc": "isrc 10.0.0.0/8", "idst": "idst 10.1.0.0/16", "isport": "isport 3", "idport": "idport 4",
    "iproto": "iproto 17", "icmp-type": "proto 1 icmp-type 8", "icmp-code": "proto 1 icmp-type 3 icmp-code 0", "encap": "encap udp nat_lport 4500", "nat_loc": "encap udp nat_loc 198.51.100.4",
    "nat_lport": "encap udp nat_lport 5", "nat_rem": "encap udp nat_rem 10.0.0.3", "nat_rport": "encap udp nat_rport 5",
    "reserved_bits": "reserved_bits 128", "icv": "icv 96", "replay": "replay 32", "replay_value": "replay_value 7", "state": "state 4",
    "srcidtype": "srcidtype fqdn a.example", "dstidtype": "dstidtype fqdn b.example", "label": "label 3",
    "outer-label": "outer-label 3", "implicit-label": "implicit-label 3", "reqid": "reqid 5", "mark": "mark 5", "if_id": "if_id 6",
    "tfcpad": "tfcpad 200 isrc 10.0.0.0/8 idst 10.1.0.0/16", "df": "df clear isrc 10.0.0.0/8 idst 10.1.0.0/16",
    "dscp": "dscp copy isrc 10.0.0.0/8 idst 10.1.0.0/16", "keepalive": "keepalive 20 encap udp nat_lport 4500", "bundle": "bundle 3",
    "output-mark": "output-mark 5/15", "dev": "dev lo",
    "esn": "esn replay 64", "align8": "align8", "offload": "offload crypto lo",
    **{f"{kind}_{what}": f"{kind}_{what} 1000" for kind in ("soft", "hard", "idle") for what in ("bytes", "addtime", "usetime", "alloc")
       if kind != "idle" or "time" in what}}
UPDATES = {"spi": None, "dst": None, "src": "src 192.0.2.9", "encr_alg": "encr_alg 3des", "encrkey": f"encr_alg aes encrkey {key(128)}",
           "auth_alg": "auth_alg md5", "authkey": f"auth_alg md5 authkey {key(128)}"}


def said_of(lines):
    """Runs the commands; the numbers, from 0, of those that drew an error or a warning."""
    done = subprocess.run([IPSECKEY, "--sadb=kernel", "-f", "-"], input="\n".join(lines) + "\n", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    return {int(line) - 1 for line in re.findall(r"^<stdin>:(\d+):", done.stderr, re.M)}


def seen():
    """What a user sees of each SA, without what differs each time; by type and SPI."""
    sas = map(json.loads, ipseckey("--json", "-p", "dump").splitlines())
    return {(sa["satype"], sa["spi"]): {name: value for name, value in sa.items() if name not in ("spi", "current", "flags")}
            for sa in sas}


table = rows.table()
names = ["spi", *table]
for name in names:
    if name not in WORDS and name not in BASE:
        WORDS[name] = f"{name} {rows.samples(table[name])[0]}".strip()
expect("words here of a keyword that is none", sorted(set(WORDS) - set(names)), [])
satype = {name: "ah" if name == "align8" else "esp" for name in names}
spi = {name: 0x1000 + n for n, name in enumerate(names)}


def plain(name, bits=128):
    """An `add` that draws no warning: no two have a key in common."""
    first = 1 + names.index(name)
    cipher = f"encr_alg aes encrkey {key(bits, first)} " if satype[name] == "esp" else ""
    return f"add {satype[name]} spi {spi[name]:#x} {ENDS} {cipher}auth_alg sha256 authkey {key(256, first)}"


silent = []
forward()


def look(what, words, said, after, before):
    for n, name in enumerate(names):
        sa = (satype[name], spi[name])
        if words.get(name) and n not in said and after.get(sa) == before[sa]:
            silent.append(f"{what} {words[name]}")


expect("plain SAs", said_of(map(plain, names)), set())
before = seen()
updates = {**WORDS, **UPDATES}
said = said_of([f"update {satype[name]} spi {spi[name]:#x} dst 192.0.2.2 {updates[name] or ''}" for name in names])
look("update", updates, said, seen(), before)
ipseckey("flush")
said = said_of(f"{plain(name, 256 if name == 'reserved_bits' else 128)} {WORDS.get(name, '')}" for name in names)
look("add", WORDS, said, seen(), before)
expect("keywords that were dropped in silence", silent, [])
finish(f"{len(names)} keywords are honoured, warned of or refused")
