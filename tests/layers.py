#!/usr/bin/env python3
"""Holds src/ to the arrows of doc/design.md: which folder may include which, and who may touch the system.

usage: layers.py [ROOT]    Prints each break as file:line: reason, and fails if there is one.
"""
import pathlib
import re
import sys

# Folder: the folders that it may include, besides itself.
ARROWS = {
    "base": (),
    "system": ("base",),
    "pfkey": ("base",),
    "lang": ("pfkey", "base"),
    "engine": ("pfkey", "base"),
    "crypto": ("pfkey", "base"),
    "traffic": ("engine", "crypto", "pfkey", "base"),
    "backend": ("pfkey", "system", "base"),
    "kernel": ("backend", "pfkey", "system", "base"),
    "apply": ("lang", "backend", "pfkey", "system", "base"),
    "cli": ("apply", "lang", "kernel", "backend", "pfkey", "system", "base"),
    "ipsecd": ("engine", "traffic", "crypto", "pfkey", "system", "base"),
    "texts": ("cli", "ipsecd", "traffic", "lang", "pfkey", "base"),
}
# (path pattern, folder): the one place where an arrow more is drawn.
EXTRA_ARROWS = ((r"backend/memory\b.*", "engine"),)

# (headers, the files that may include them, why the others may not)
FENCES = (
    (
        r"libmnl/.*|linux/(netlink|xfrm)\.h",
        r"kernel/.*",
        "only kernel speaks netlink",
    ),
    (
        r"openssl/.*|intel-ipsec-mb\.h",
        r"crypto/.*",
        "only crypto uses OpenSSL",
    ),
    (
        r"(sys|net|netinet|netpacket|linux|systemd|libmnl)/.*|(unistd|fcntl|poll|signal|csignal|termios|netdb|pwd|grp"
        r"|sched|pthread|syslog|ifaddrs|dlfcn|dirent|histedit|editline/readline|arpa/inet)\.h|csignal|filesystem"
        r"|fstream|iostream|cstdio",
        r"(system|backend|kernel|apply|cli|ipsecd)/.*|base/(secret|secret_pages|secret_heap|large_pages)\.cc|texts/main\.cc",
        "system calls live in system, backend, kernel, apply, cli, ipsecd, and where base locks memory",
    ),
)
# (path pattern, header, why): places that need a header's names and make no call of the system.
NAMED = (
    (r"base/net\.cc", "arpa/inet.h", "inet_pton and inet_ntop compute"),
    (r"pfkey/fields\.h", "sys/socket.h", "AF_INET and AF_INET6 are wire values"),
)

CLOCK = re.compile(r"_clock::now\s*\(|\b(clock_gettime|gettimeofday)\s*\(|\btime\s*\(\s*(nullptr|NULL|0)\s*\)")
CLOCKLESS = ("base", "pfkey", "lang", "engine", "crypto", "traffic")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
LAYER = re.compile(r"\blayer\s*\(\s*(\w+)([^)]*)\)")


def folder_of(path: str) -> str:
    return path.split("/")[0]


def allowed(path: str, folder: str, target: str) -> bool:
    if target == folder or target in ARROWS.get(folder, ()):
        return True
    return any(target == extra and re.fullmatch(pattern, path) for pattern, extra in EXTRA_ARROWS)


def check_source(path: str, text: str):
    """Breaks of one file; path is relative to src/. Tests may reach further: their CMake row says how far."""
    folder = folder_of(path)
    if path.endswith(("_test.cc", "/testing.h")):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if folder in CLOCKLESS and CLOCK.search(line):
            yield number, "time is an argument here: only the outermost layers read a clock"
        match = INCLUDE.match(line)
        if not match:
            continue
        own, system = match.groups()
        if own is not None:
            target = folder_of(own)
            if "/" not in own or own.startswith("."):
                yield number, f'write "{own}" from src/ on, folder first'
            elif not allowed(path, folder, target):
                yield number, f"{folder} may not include {target}"
            continue
        for headers, places, why in FENCES:
            if not re.fullmatch(headers, system) or re.fullmatch(places, path):
                continue
            if not any(re.fullmatch(place, path) and system == header for place, header, _ in NAMED):
                yield number, f"<{system}>: {why}"


def check_links(path: str, text: str):
    """The same arrows in what a folder's CMakeLists.txt links (USES, not TEST_USES)."""
    folder = folder_of(path)
    for match in LAYER.finditer(re.sub(r"#.*", "", text)):
        number = text.count("\n", 0, match.start()) + 1
        words = iter(match.group(2).split())
        section = ""
        for word in words:
            if word in ("USES", "LIBRARIES", "TEST_USES"):
                section = word
            elif section == "USES" and word in ARROWS:
                if not allowed(path, folder, word) and not any(word == extra and pattern.startswith(f"{folder}/") for pattern, extra in EXTRA_ARROWS):
                    yield number, f"{folder} may not link {word}"


def check_tree(root: pathlib.Path):
    """All breaks under root/src, as 'src/path:line: reason'. An empty tree is a break: then nothing was checked."""
    source = root / "src"
    files = sorted(p for p in source.rglob("*") if p.suffix in (".cc", ".h"))
    if not files:
        yield f"{source}: no source here"
    for file in files:
        path = file.relative_to(source).as_posix()
        if path.split("/")[0] not in ARROWS:
            yield f"src/{path}:1: no arrow leads to or from this folder: see doc/design.md"
            continue
        for number, why in check_source(path, file.read_text()):
            yield f"src/{path}:{number}: {why}"
    for file in sorted(source.rglob("CMakeLists.txt")):
        path = file.relative_to(source).as_posix()
        for number, why in check_links(path, file.read_text()):
            yield f"src/{path}:{number}: {why}"


def main() -> int:
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    breaks = list(check_tree(root))
    print("\n".join(breaks) if breaks else "every include follows the arrows")
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(main())
