"""The examples of a manual page and the sessions of a document, and a shell that runs them as a person would type them."""
import os
import re
import select
import subprocess
import time

import pexpect

DEADLINE = 120  # Seconds for anything that an example waits for.
PROMPT = "ipseckey> "


class Step:
    """A command as printed, with its prompt ("# ", "$ "), its input, and its output."""

    def __init__(self, prompt: str, command: str):
        self.prompt, self.command, self.typed, self.output = prompt, command, [], []

    def matches(self, text: str) -> bool:
        """`...` matches anything: lines if it is a line of its own, otherwise characters within the line."""
        pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(line).replace(re.escape("..."), ".*") + "\n"
                          for line in self.output)
        return re.fullmatch(pattern, text) is not None


def blocks(roff: str) -> list:
    """The literal displays of the section EXAMPLES, as lists of lines."""
    section = roff.split("\n.Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    found = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", section, re.S | re.M)
    text = lambda line: line.removeprefix("\\&").replace("\\(dq", '"').replace("\\e", "\\")
    return [[text(line) for line in block.splitlines()] for block in found]


def sessions(markdown: str) -> list:
    """The blocks of a document that begin with a prompt, as lists of lines."""
    found = re.findall(r"^```\n(.*?)^```$", markdown, re.S | re.M)
    return [block.splitlines() for block in found if block.startswith(("# ", "$ "))]


def steps(lines: list) -> list:
    """Splits a display into steps."""
    result, rest = [], list(lines)
    while rest:
        line = rest.pop(0)
        if line.startswith(("# ", "$ ")):
            command = line[2:]
            end = re.search(r"<<'?(\w+)'?$", command)
            while end and not command.endswith("\n" + end[1]):
                command += "\n" + rest.pop(0)
            result.append(Step(line[:2], command))
        elif line.startswith(PROMPT):
            result[-1].typed.append(line.removeprefix(PROMPT))
        elif result[-1].typed:
            result[-1].typed.append(line)
        else:
            result[-1].output.append(line)
    return result


class Shell:
    """A bash that keeps its state from step to step. Output and errors arrive as on a terminal."""

    def __init__(self, folder, environment: dict, user=None):
        self.how = {"cwd": folder, "env": environment}
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile", "-O", "expand_aliases"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=user, start_new_session=True, **self.how)

    def run(self, step: Step) -> str:
        """Empty if the step does what is printed; otherwise what it did."""
        if step.typed:
            return self.talk(step)
        then = "\nwait" if step.command.startswith("kill ") else ""  # The time that a person takes for the next line.
        self.process.stdin.write(f"{{ {step.command}{then}\n}} < /dev/null\nprintf '\\001%d\\002' $?\n".encode())
        self.process.stdin.flush()
        text, end = "", time.monotonic() + DEADLINE
        while True:
            done = re.fullmatch(r"(.*)\x01(\d+)\x02(.*)", text, re.S)
            if done:  # A background program may print the rest later.
                said, status = done[1] + done[3], int(done[2])
                fine = step.matches(said) and (status == 0) == ("error:" not in said)
                if fine or not step.command.endswith("&"):
                    return "" if fine else f"status {status}\n{said}"
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65536).decode() if ready else ""
            if not piece:
                return f"nothing more comes after\n{text}"
            text += piece

    def talk(self, step: Step) -> str:
        """Types at the prompt that the step's program shows."""
        child = pexpect.spawn(step.command, timeout=DEADLINE, encoding="utf-8", **self.how)
        said = ""
        for line in step.typed:
            child.expect(r"> $")
            said += child.before
            child.sendline(line)
        child.expect(pexpect.EOF)
        child.close()
        said += child.before
        return "" if child.exitstatus == 0 and "error" not in said else f"status {child.exitstatus}\n{said}"

    def end(self):
        self.process.stdin.write(b"\nkill $(jobs -p) 2>/dev/null; wait\n")
        self.process.communicate(timeout=DEADLINE)
