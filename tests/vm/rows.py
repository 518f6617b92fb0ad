"""Every row of the keyword table is stored completely by a SADB, or refused with a message.

The program itself lists the rows (`ipseckey help attr`): a keyword's names and a name for its value. Samples are made from that
list, so a new row needs no change here. Each sample goes into an SA beside a twin that differs only in this keyword, and get,
dump, JSON, save, load and apply must distinguish the two, or the SADB must have refused the sample with an error, or warned that
it ignores the keyword. A new kind of value needs a sample in SAMPLES.
"""
import json
import os
import re
import subprocess
import tempfile

IPSECKEY = os.environ["IPSECKEY"]
END = "help quit"  # Its output ends that of a command.

BASE = {"src": "203.0.113.201", "dst": "203.0.113.202"}  # Addresses of no host: so nothing is derived from them.
KEYS = {"ah": {"auth_alg": "sha512", "authkey": "{key:7>128}"},
        "esp": {"auth_alg": "sha512", "authkey": "{key:7>128}", "encr_alg": "aes", "encrkey": "{key:7>32}"}}
# The first sample of a number is a partner's SPI.
PARTNERS = tuple(f"add {satype} spi 7777 src {BASE['dst']} dst {BASE['src']} " + " ".join(f"{name} {value}" for name, value in keys.items()).format(key="5")
                 for satype, keys in KEYS.items())
# What a keyword may need beside it.
CONTEXTS = ("", "isrc 10.1.0.0/16 idst 10.2.0.0/16", "isrc 10.1.0.0/16 idst 10.2.0.0/16 iproto udp", "encap udp nat_lport 4501",
            "encap udp nat_rport 4501", "nat_lport 4501", "replay 64", "encrkey {key:7>64}", "proto tcp", "proto icmp", "proto icmp icmp-type 3")
# By the name of the value in the help; a number of bits, of octets or of something else, as the keyword requires. For a choice,
# which has bars or is a word, each.
SAMPLES = {
    "NUMBER": ("7777", "128", "96", "64", "40"), "BITS": ("128", "96"), "PORT": ("443",), "PROTOCOL": ("17",), "STATE": ("active_elsewhere", "4"),
    "ADDRESS|NAME": ("198.51.100.7",), "ADDRESS|NAME[/PREFIX]": ("10.64.0.0/10",), "TYPE TEXT": ("fqdn a.example",),
    "LEVEL[:COMPARTMENTS]": ("3",), "VALUE[/MASK]": ("0x5/0xff",), "ALGORITHM": ("camellia-cbc", "aes-ctr", "sha256", "sha1"),
    "HEX[/BITS]|@FILE": ("{other:7>32}", "{other:7>128}"), "DEVICE": ("lo",), "": ("",), "VALUE": (),
}


def samples(metavar):
    """The values to try."""
    if metavar in SAMPLES:
        return SAMPLES[metavar]
    found = [""]
    for word in metavar.split():
        choices = SAMPLES.get(word) or (word.split("|") if word != word.upper() else ())
        choices = [c for choice in choices for c in SAMPLES.get(choice, (choice,))]
        found = [f"{before} {choice}".strip() for before in found for choice in choices]
    if not found or found == [""]:
        raise ValueError(f"no sample of a value that the help calls {metavar}: give it one in SAMPLES")
    return found


def table():
    """The first name of each keyword and the name of its value; except for the one by which all views find an SA."""
    text = subprocess.run([IPSECKEY, "help", "attr"], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = {}
    for entry in re.split(r"\n(?=  [a-z])", text):
        head = " ".join(entry.split("\n        ")[0].split())
        names = re.fullmatch(r"([a-z][\w-]*)((?:, [a-z][\w-]*)*) ?(.*)", head)
        if names and "\n        " in entry:
            rows[names[1]] = names[3]
    rows.pop("spi")
    return rows


class Sample:
    """A keyword with a value, in an SA of a type, in a context."""

    def __init__(self, keyword, value, satype, context):
        self.keyword, self.value, self.satype, self.context = keyword, value, satype, context

    def group(self):
        return self.keyword, self.satype, self.context

    def words(self, spi, with_keyword):
        key, other = f"{spi:x}", f"{spi:x}c"
        has = {"spi": f"{spi:#x}", **BASE, **KEYS[self.satype]}
        has = {name: value for name, value in has.items() if name not in self.context.split()}
        if with_keyword and self.keyword in has:
            has[self.keyword] = self.value
        words = " ".join(f"{name} {value}" for name, value in has.items())
        if with_keyword and self.keyword not in has:
            words += f" {self.keyword} {self.value}"
        return f"{self.satype} {words} {self.context}".format(key=key, other=other).strip()


class Files:
    """Files of commands that only their owner can read."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, lines):
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.writelines(line + "\n" for line in lines)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="ascii") as file:
            return file.read()


def session(sadb, commands, *options):
    """Runs the commands in one process, as at a prompt; returns the output of each, and everything on stderr."""
    script = "".join(f"{command}\n{END}\n" for command in commands)
    done = subprocess.run([IPSECKEY, f"--sadb={sadb}", *options], input=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    mark = subprocess.run([IPSECKEY, *END.split()], stdout=subprocess.PIPE, text=True, check=True).stdout
    return done.stdout.split(mark)[:len(commands)], done.stderr


def complaints(stderr, path):
    """The messages about each line of a file, from 0."""
    said = {}
    for line, text in re.findall(rf"^{re.escape(path)}:(\d+):(.*)", stderr, re.M):
        said.setdefault(int(line) - 1, []).append(text)
    return said


def parsed(files):
    """Samples that the language accepts, some for each keyword; the keywords for which it accepts none."""
    tried = [Sample(keyword, value, satype, context) for keyword, metavar in table().items() for context in CONTEXTS
             for satype in ("esp", "ah") for value in samples(metavar)]
    path = files.write("tried", (f"add {s.words(0x10000 + n, True)}" for n, s in enumerate(tried)))
    done = subprocess.run([IPSECKEY, "--sadb=memory", "-c", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    refused = {line for line, said in complaints(done.stderr, path).items() if any("Parse error" in text for text in said)}
    kept, none, groups = [], [], {}
    for n, sample in enumerate(tried):
        group = groups.setdefault(sample.group(), [])
        if n not in refused and len(group) < 3:
            group.append(sample)
    for keyword, metavar in table().items():
        good = [sample for (of, _, _), group in groups.items() if of == keyword for sample in group]
        kept += good[:15]
        if not good and samples(metavar):
            none.append(keyword)
    return kept, none


def blocks(text, beginning):
    """Parts of a text that begin with such a line, by SPI, without the SPI and what changes by itself."""
    found = {}
    for block in re.split(rf"\n(?={beginning})", "\n" + text):
        spi = re.match(rf"{beginning} spi (0x[0-9a-f]+)", block)
        if spi:
            lines = [line for line in block.split("\n\n")[0].splitlines() if not re.match(r"  (added|first use)", line)]
            block = re.sub(r"(since add +)\d+ \w+", r"\1", "\n".join(lines))
            found[int(spi[1], 16)] = block.replace(spi[0], "")
    return found


def plain_keys(text, spi):
    """Without the digits of the SA's own key, which no two share."""
    return re.sub(rf"7*{spi:x}\b", "KEY", text)


def objects(text):
    found = {}
    for line in text.splitlines():
        sa = json.loads(line)
        if sa.get("kind") == "sa":
            spi = sa.pop("spi")
            sa.pop("current")
            found[spi] = plain_keys(json.dumps(sa, sort_keys=True), spi)
    return found


def check(sadb):
    """The faults of a SADB, a sentence each, and the keywords of which it kept a sample."""
    with tempfile.TemporaryDirectory() as folder:
        return check_in(Files(folder), sadb)


def check_in(files, sadb):
    wrong = []
    chosen, none = parsed(files)
    wrong += [f"{keyword}: no line with it passes the language: it needs a context or a sample" for keyword in none]
    spis = {0x10000 + 2 * n: sample for n, sample in enumerate(chosen)}
    lines = [f"add {s.words(spi + twin, not twin)}" for spi, s in spis.items() for twin in (0, 1)]
    load = files.write("load", [*PARTNERS, *lines])
    changed = files.write("changed", (f"add {s.words(spi, False)}" for spi, s in spis.items()))
    first, second = files.path("first"), files.path("second")
    gets = [f"get {s.words(spi + twin, not twin)}" for spi, s in spis.items() for twin in (0, 1)]
    out, err = session(sadb, ["flush", f"load {load}", "dump", f"save all {first}", *gets])
    said = complaints(err, load)
    views = {"dump": blocks(out[2], "(?:esp|ah)"), "save": blocks(files.read("first"), "add (?:esp|ah)"),
             "get": blocks("\n".join(out[4:]), "(?:esp|ah)")}
    again, _ = session(sadb, ["flush", f"load {load}", "dump", "flush", f"load {first}", "dump", f"save all {second}", f"apply --dry-run {first}",
                              f"apply --dry-run {changed}", "flush"], "--json")
    objects_of = files.write("objects", again[2].splitlines())
    read_back, _ = session(sadb, ["flush", f"load {objects_of}", "dump", "flush"], "--json")
    views["JSON"], views["load"], views["load of JSON"] = objects(again[2]), objects(again[5]), objects(read_back[2])
    kept, shown = set(), {}
    for n, (spi, sample) in enumerate(spis.items()):
        what = f"{sample.keyword} {sample.value} ({sample.satype}{', ' if sample.context else ''}{sample.context})"
        errors = [text for text in said.get(len(PARTNERS) + 2 * n, []) if ": error:" in text]
        aloud = errors or [text for text in said.get(len(PARTNERS) + 2 * n, [])
                           if re.search(rf"\b{re.escape(sample.keyword)}\b.*(ignored|not be enforced)", text)]
        if spi not in views["JSON"]:
            if not errors:
                wrong.append(f"{what}: the SA is not there, and nothing was said")
            continue
        for view, sas in views.items():
            text, twin = (plain_keys(sas.get(at, ""), at) for at in (spi, spi + 1))
            if not text:
                wrong.append(f"{what}: {view} does not have the SA")
            else:
                shown[sample.group(), view] = shown.get((sample.group(), view)) or text != twin or aloud
        kept.add(sample.keyword)
        for view in ("load", "load of JSON"):
            if views[view].get(spi) != views["JSON"][spi]:
                wrong.append(f"{what}: in {view} it is another SA\n  {views['JSON'][spi]}\n  {views[view].get(spi)}")
    # A value may be the default; not every one of them.
    wrong += [f"{' '.join(group)}: lost in {view}" for (group, view), differs in shown.items() if not differs]
    plans = [{(p["satype"], p["spi"], p["dst"]): p for p in map(json.loads, text.splitlines()) if p["kind"] == "plan"} for text in again[7:9]]
    differ = {spi for spi in spis if spi in views["JSON"] and views["JSON"][spi] != views["JSON"].get(spi + 1)}
    wrong += [f"{name}: apply of what was saved would {p['action']} it" for name, p in plans[0].items() if p["action"] != "keep"]
    for (_, spi, _), plan in plans[1].items():
        sample = spis.get(spi)
        if sample and spi in differ and spi + 1 in views["JSON"] and plan["action"] == "keep":
            wrong.append(f"{sample.keyword} {sample.value}: apply does not see that it is too much")
    if sorted(files.read("first").split("\n\n")) != sorted(files.read("second").split("\n\n")):
        wrong.append("what is saved, loaded and saved again differs")
    return wrong, kept
