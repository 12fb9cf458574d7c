"""The commands that pages show: the program has to take each `replay-archiver …`, and each script has to be there."""

import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

SHELLS = ("sh", "bash", "shell", "console")
NAME = "replay-archiver"
# What may stand before the program: the last word of the command that it is an argument of.
WRAPPERS = ("sudo", "env", "exec", "time", "nohup", "timeout", "systemd-run", "podman", "docker", "flock", "ssh")
ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>", "2>&1", ")", "(", "do", "then", "!"}
ASSIGNMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")
# What prose writes where a value belongs.
PLACES = {"N": "1", "DAY": "2026-01-31", "NAME": "x", "REASON": "x", "FILE": "x", "SHELL": "bash", "WORD": "x", "…": None}


def shown(pages):
    """Every command of the pages: where it stands and its words."""
    for path, page in pages.items():
        for block in page.blocks:
            if block.language in SHELLS:
                for line, words in _lines(block.text):
                    yield f"{path}:{block.line + line}", words
        for code in page.code:
            if code.target.startswith(f"{NAME} "):
                words = [PLACES.get(word, word) for word in _words(code.target.replace("[", "").replace("]", ""))]
                yield f"{path}:{code.line}", [word for word in words if word is not None]


def _lines(text):
    """The commands of a block: the line each begins on, and its words."""
    joined, begin, here = "", 1, None
    for number, line in enumerate(text.split("\n"), 1):
        if here is not None:
            here = None if line.strip() == here else here
            continue
        begin = begin if joined else number
        joined += line.removeprefix("$ ")
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        document = re.search(r"<<-?\s*['\"]?(\w+)['\"]?", joined)
        here = document.group(1) if document else None
        for words in _commands(joined):
            yield begin, words
        joined = ""


def _words(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    return list(lexer)


def _commands(line):
    try:
        words = _words(line)
    except ValueError:
        # A quote that ends on a later line: what is before it counts.
        words = line.split()
    command = []
    for word in [*words, ";"]:
        if word in ENDS or set(word) <= set("|&;()<>"):
            if command:
                yield command
            command = []
        elif command or not ASSIGNMENT.match(word):
            command.append(word)


def arguments(words):
    """What a command gives to the program; `None` if it starts another."""
    first = os.path.basename(words[0])
    if first == NAME:
        return words[1:]
    names = [place for place, word in enumerate(words) if os.path.basename(word) == NAME]
    if first not in WRAPPERS or not names or "build" in words[:2]:
        return None
    return words[names[-1] + 1 :]


def wrong_commands(pages, program):
    """What the program does not take, and scripts that there are not: lines for people."""
    asked = {}
    for place, words in shown(pages):
        given = arguments(words)
        if given is not None:
            asked.setdefault(tuple(given), []).append(place)
        elif words[0].startswith("scripts/") and not os.path.exists(words[0]):
            yield f"{place}: there is no {words[0]}"
    if len(asked) < 5:
        yield "the pages show next to no command of the program"
    with ThreadPoolExecutor(4) as pool:
        for given, complaint in zip(asked, pool.map(lambda given: _refused(program, given), asked)):
            for place in asked[given] if complaint else []:
                yield f"{place}: {NAME} {shlex.join(given)}: {complaint}"


def _refused(program, given):
    # It prints its help instead of what it is asked for.
    if "--help" in given or "--version" in given or given[:1] == ("help",):
        given = [word for word in given if word not in ("--help", "--version", "help")]
    done = subprocess.run(
        [program, *given, "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip().split("\n")[0]
