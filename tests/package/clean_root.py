"""A clean Debian root, made of the packages of this machine: nothing is downloaded.

It holds the essential packages, those that the package under test depends on, and what these depend on, with their rows
of dpkg's database; so dpkg in it checks dependencies and runs maintainer scripts as on a fresh system.
"""
import pathlib
import re
import subprocess

ADMIN = pathlib.Path("/var/lib/dpkg")


def stanzas(text: str) -> list:
    """Paragraphs of a control file as (fields, text)."""
    found = []
    for paragraph in text.strip().split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): *(.*(?:\n[ \t].*)*)", paragraph, re.M))
        found.append((fields, paragraph))
    return found


def installed() -> dict:
    """Package: (fields, paragraph), and under each name that a package provides, too."""
    rows = {}
    everything = [s for s in stanzas((ADMIN / "status").read_text()) if s[0]["Status"] == "install ok installed"]
    for fields, paragraph in everything:
        for name in re.findall(r"([\w.+-]+)(?: \([^)]*\))?", fields.get("Provides", "")):
            rows.setdefault(name, (fields, paragraph))
    for fields, paragraph in everything:
        rows[fields["Package"]] = (fields, paragraph)
    return rows


def alternatives(dependencies: str):
    """Each dependency as the names that satisfy it."""
    for clause in filter(None, (c.strip() for c in dependencies.replace("\n", " ").split(","))):
        yield [re.match(r"[\w.+-]+", name.strip())[0] for name in clause.split("|")]


def closure(rows: dict, wanted: list) -> dict:
    """Package: paragraph, of each wanted package and its dependencies."""
    chosen, rest = {}, list(wanted)
    while rest:
        names = rest.pop()
        found = next((rows[name] for name in names if name in rows), None)
        if found is None:
            raise AssertionError(f"this machine has none of {names}")
        fields, paragraph = found
        if fields["Package"] in chosen:
            continue
        chosen[fields["Package"]] = paragraph
        rest += alternatives(fields.get("Pre-Depends", "")) or []
        rest += alternatives(fields.get("Depends", ""))
    return chosen


def copy(names: list, root: pathlib.Path):
    """The files of this machine, by their paths, without those that no test reads."""
    skipped = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/")
    listed = "\0".join(n.lstrip("/") for n in names if not n.startswith(skipped) and n != "/.")
    pack = subprocess.Popen(["tar", "-C", "/", "--null", "--no-recursion", "--ignore-failed-read", "-cf", "-", "-T", "-"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    unpack = subprocess.Popen(["tar", "-C", root, "--keep-directory-symlink", "-xpf", "-"], stdin=pack.stdout)
    pack.stdout.close()
    pack.stdin.write(listed.encode())
    pack.stdin.close()
    if unpack.wait() != 0:
        raise AssertionError("the files of the clean root cannot be copied")
    pack.wait()


def make(root: pathlib.Path, dependencies: str):
    """Fills the folder `root`. `dependencies` is the Depends field of the package under test."""
    rows = installed()
    wanted = [[f["Package"]] for f, _ in rows.values() if f.get("Essential") == "yes"]
    wanted += [["dpkg"], ["passwd"], *alternatives(dependencies)]
    chosen = closure(rows, wanted)

    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    for folder in ("dev", "proc", "run", "tmp", "etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"):
        (root / folder).mkdir(parents=True)
    names = ["/etc/ld.so.cache", "/etc/ld.so.conf"]
    for name in chosen:
        for file in [*(ADMIN / "info").glob(f"{name}.*"), *(ADMIN / "info").glob(f"{name}:*.*")]:
            names.append(str(file))
            if file.suffix == ".list":
                names += file.read_text().splitlines()
    copy(names, root)
    (root / "var/lib/dpkg/status").write_text("\n\n".join(chosen.values()) + "\n\n")
    for table in ("passwd", "group"):
        (root / "etc" / table).write_text((root / f"usr/share/base-passwd/{table}.master").read_text())
    (root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
