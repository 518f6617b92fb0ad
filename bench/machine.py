"""The machine that a benchmark runs on."""
import os
import pathlib


def processor():
    """Its processor's name and the number of its cores."""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(': ')[1]}, {os.cpu_count()} cores"
    return f"an unknown processor, {os.cpu_count()} cores"
