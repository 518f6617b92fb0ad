#!/usr/bin/env python3
"""Checks src/ against the arrows of doc/explanation/design.md: which folder may include and link which, and which may use the
system.

usage: layers.py [ROOT]    Prints each violation as file:line: reason, and fails if there is one.
"""
import pathlib
import re
import sys

# Folder: the folders that it may include, besides itself. Arrows that follow from two others are allowed, and also listed here.
ARROWS = {
    "base": (),
    "system": ("base",),
    "pfkey": ("base",),
    "table": ("base",),
    "policy": ("pfkey", "base"),
    "pfpolicy": ("policy", "pfkey", "base"),
    "policylang": ("policy", "table", "pfkey", "base"),
    "prove": ("policy", "pfkey", "base"),
    "lang": ("table", "pfkey", "base"),
    "engine": ("pfpolicy", "policy", "pfkey", "base"),
    "crypto": ("pfkey", "base"),
    "traffic": ("engine", "policy", "crypto", "pfkey", "base"),
    "backend": ("pfpolicy", "policy", "pfkey", "system", "base"),
    "kernel": ("backend", "policy", "pfkey", "system", "base"),
    "probe": ("prove", "kernel", "policy", "pfkey", "system", "base"),
    "api": ("lang", "kernel", "backend", "pfkey", "system", "base"),
    "apply": ("lang", "backend", "pfkey", "system", "base"),
    "cli": ("apply", "api", "lang", "policylang", "policy", "prove", "probe", "table", "kernel", "backend", "pfkey", "system", "base"),
    "ipsecd": ("engine", "traffic", "crypto", "pfpolicy", "policy", "pfkey", "system", "base"),
    "texts": ("cli", "api", "ipsecd", "traffic", "lang", "policylang", "pfkey", "base"),
}
# (path pattern, folder): the only exceptions with an additional arrow.
EXTRA_ARROWS = ((r"backend/memory(_spd)?\b.*", "engine"),)

# (wing, the files of its folder that may include it besides its own, why others may not)
ENTRANCES = (("cli/verbs", r"cli/program\.cc", "the runner, and all else in cli, is given the table and knows no command"),)

# Libraries whose names differ from their folders'.
LIBRARIES = {"ipsecd_core": "ipsecd"}

MACHINE = "system calls live in system, backend, kernel, probe, api, apply, cli, ipsecd, and where base maps memory"
# (headers, the files that may include them, why others may not)
FENCES = (
    (r"openssl/.*|intel-ipsec-mb\.h", r"crypto/.*", "only crypto uses OpenSSL"),
    (r"libmnl/.*|linux/netlink\.h", r"kernel/.*|ipsecd/packets/((queue|segment_size|reverse_path|route_asker|netlink_ear)\.cc|nf_[a-z]+\.(cc|h))", "only kernel, and ipsecd's hook, device and routes, speak netlink"),
    (r"linux/xfrm\.h", r"kernel/.*|ipsecd/packets/kernel_policies\.cc", "only kernel speaks to XFRM, and ipsecd counts its policies"),
    (r"sqlite3\.h", r"backend/store\.cc", "only backend/store uses SQLite"),
    (r"libnetfilter_queue/.*|linux/netfilter/.*|linux/(if_tun|errqueue)\.h", r"ipsecd/packets/.*|ipsecd/confine\.cc",
     "packets come and go in ipsecd/packets"),
    (r"linux/(filter|if_packet)\.h", r"ipsecd/packets/.*|ipsecd/confine\.cc|probe/capture\.cc", "packets are captured in probe/capture.cc"),
    (r"systemd/.*|seccomp\.h|cap-ng\.h", r"ipsecd/.*", "only ipsecd is a service"),
    (r"histedit\.h|editline/readline\.h|termios\.h", r"cli/prompt/.*", "only cli/prompt has a terminal"),
    (
        r"(sys|net|netinet|netpacket|linux)/.*|(unistd|fcntl|poll|signal|csignal|netdb|pwd|grp|sched|pthread|syslog|ifaddrs"
        r"|dlfcn|dirent|arpa/inet)\.h|csignal|filesystem|fstream|iostream|cstdio",
        r"(system|backend|kernel|probe|api|apply|cli|ipsecd)/.*|base/(secret|secret_pages|secret_heap|large_pages|slots)\.cc|texts/main\.cc",
        MACHINE,
    ),
)
# (path pattern, header, why): sources that need a header's names and make no system call.
NAMED = (
    (r"base/net\.cc", "arpa/inet.h", "inet_pton and inet_ntop compute"),
    (r"(pfkey|pfpolicy)/fields\.h", "sys/socket.h", "AF_INET and AF_INET6 are wire values"),
)
# The same for what a folder links: library, folder.
LINK_FENCES = {"OpenSSL::Crypto": "crypto", "PkgConfig::MNL": "kernel ipsecd", "PkgConfig::SQLITE": "backend", "PkgConfig::EDIT": "cli",
               "PkgConfig::SYSTEMD": "ipsecd", "PkgConfig::CAPNG": "ipsecd", "PkgConfig::SECCOMP": "ipsecd", "PkgConfig::NFQUEUE": "ipsecd"}

CLOCK = re.compile(r"_clock::now\s*\(|\b(clock_gettime|gettimeofday)\s*\(|\btime\s*\(\s*(nullptr|NULL|0)\s*\)")
CLOCKLESS = ("base", "table", "pfkey", "policy", "pfpolicy", "policylang", "prove", "lang", "engine", "crypto", "traffic", "texts")
WALL_CLOCK = re.compile(r"system_clock::now\s*\(|\bgettimeofday\s*\(|\btime\s*\(\s*(nullptr|NULL|0)\s*\)")
WALL_CLOCK_AT = "system/clock.h"

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
LAYER = re.compile(r"\blayer\s*\(\s*(\w+)([^)]*)\)")


def folder_of(path: str) -> str:
    return path.split("/")[0]


def wing_of(path: str) -> str:
    """The folder below a folder of src/: "packets" of ipsecd/packets/tun.h; empty: it has none."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else ""


def is_test(path: str) -> bool:
    return path.endswith(("_test.cc", "/testing.h"))


def allowed(path: str, folder: str, target: str) -> bool:
    if target == folder or target in ARROWS.get(folder, ()):
        return True
    return any(target == extra and re.fullmatch(pattern, path) for pattern, extra in EXTRA_ARROWS)


def why_not(path: str, own: str):
    """Why the file at path may not include "own"; None: it may. Tests may include any folder, but not its private parts."""
    folder, target, wing = folder_of(path), folder_of(own), wing_of(own)
    if "/" not in own or own.startswith("."):
        return None if is_test(path) else f'write "{own}" from src/ on, folder first'
    if target != folder and wing:
        return f"{target}/{wing} is {target}'s own: include what lies in {target} itself"
    if is_test(path):
        return None
    for entered, doors, why in ENTRANCES:
        if own.startswith(f"{entered}/") and not path.startswith(f"{entered}/") and not re.fullmatch(doors, path):
            return f"{path} may not include {entered}: {why}"
    if target == folder and wing not in ("", "detail", wing_of(path)) and wing_of(path) not in ("", "detail"):
        return f"{folder}/{wing_of(path)} may not include {folder}/{wing}: what both need lies in {folder} itself"
    return None if allowed(path, folder, target) else f"{folder} may not include {target}"


def check_source(path: str, text: str):
    """Violations in one file; path is relative to src/. Tests may include more: their CMake row lists it."""
    folder = folder_of(path)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match and match.group(1) is not None:
            if reason := why_not(path, match.group(1)):
                yield number, reason
            continue
        if is_test(path):
            continue
        if folder in CLOCKLESS and CLOCK.search(line):
            yield number, "time is an argument here: only the outermost layers read a clock"
        elif WALL_CLOCK.search(line) and path != WALL_CLOCK_AT:
            yield number, f"only {WALL_CLOCK_AT} reads the wall clock"
        if match:
            yield from ((number, why) for why in fences_broken(path, match.group(2)))


def fences_broken(path: str, header: str):
    for headers, places, why in FENCES:
        if not re.fullmatch(headers, header) or re.fullmatch(places, path):
            continue
        if not any(re.fullmatch(place, path) and header == named for place, named, _ in NAMED):
            yield f"<{header}>: {why}"


def links_of(text: str):
    """(line, section, word) of each word in the layer() of a CMakeLists.txt."""
    text = re.sub(r"#.*", "", text)
    for match in LAYER.finditer(text):
        number = text.count("\n", 0, match.start()) + 1
        section = ""
        for word in match.group(2).split():
            if word in ("USES", "LIBRARIES", "TEST_USES"):
                section = word
            else:
                yield number, section, LIBRARIES.get(word, word)


def check_links(path: str, text: str):
    """The same arrows in what a folder's CMakeLists.txt links (USES, not TEST_USES)."""
    folder = folder_of(path)
    for number, section, word in links_of(text):
        if section == "USES" and word in ARROWS:
            if not allowed(path, folder, word) and not any(word == extra and pattern.startswith(f"{folder}/") for pattern, extra in EXTRA_ARROWS):
                yield number, f"{folder} may not link {word}"
        elif section == "LIBRARIES" and folder not in LINK_FENCES.get(word, folder).split():
            yield number, f"{folder} may not link {word}: that is {LINK_FENCES[word]}'s"


def sources(source: pathlib.Path):
    return sorted(p for p in source.rglob("*") if p.suffix in (".cc", ".h"))


def included(source: pathlib.Path):
    """Folder: the folders that its sources, not its tests, include."""
    targets = {}
    for file in sources(source):
        path = file.relative_to(source).as_posix()
        if is_test(path):
            continue
        matches = map(INCLUDE.match, file.read_text().splitlines())
        found = {folder_of(match.group(1)) for match in matches if match and match.group(1)}
        targets.setdefault(folder_of(path), set()).update(found - {folder_of(path)})
    return targets


def check_uses(root: pathlib.Path):
    """Unused arrows, and CMake rows that differ from what their sources include."""
    source = root / "src"
    targets = included(source)
    for folder, arrows in ARROWS.items():
        for target in arrows:
            if target not in targets.get(folder, ()):
                yield f"tests/layers.py: nothing in {folder} includes {target}: drop the arrow"
    for file in sorted(source.glob("*/CMakeLists.txt")):
        folder = file.parent.name
        used = {word for _, section, word in links_of(file.read_text()) if section == "USES"}
        for target in sorted(used ^ targets.get(folder, set())):
            said = "does not include" if target in used else "does not name, but includes,"
            yield f"src/{folder}/CMakeLists.txt: USES: {folder} {said} {target}"


def check_tree(root: pathlib.Path):
    """All violations under root/src, as 'src/path:line: reason'. An empty tree is a violation: then nothing was checked."""
    source = root / "src"
    if not sources(source):
        yield f"{source}: no source here"
    for file in sources(source):
        path = file.relative_to(source).as_posix()
        if path.split("/")[0] not in ARROWS:
            yield f"src/{path}:1: no arrow leads to or from this folder: see doc/explanation/design.md"
            continue
        for number, why in check_source(path, file.read_text()):
            yield f"src/{path}:{number}: {why}"
    for file in sorted(source.rglob("CMakeLists.txt")):
        path = file.relative_to(source).as_posix()
        for number, why in check_links(path, file.read_text()):
            yield f"src/{path}:{number}: {why}"


def main() -> int:
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    breaks = [*check_tree(root), *check_uses(root)]
    print("\n".join(breaks) if breaks else "every include follows the arrows")
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(main())
