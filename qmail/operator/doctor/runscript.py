"""What a run script certainly does: the variables that it gives to its server.

The shell's language is not read here, but recognised where it is plain: one simple
command after another. What is in a branch, a loop, a list (&&, ||, |, &) or a function
may not be executed; a script with parentheses, here-documents or quotes that go on over
lines is not judged at all.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from qmail.operator.doctor import tcpserver
from qmail.operator.doctor.tcpserver import Server

PARTS = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|`[^`]*`|\$\{[^}]*\}|(?<!\S)\#.*""")
"""What has a meaning of its own, and comments."""
SUBSTITUTED = re.compile(r"\$\([^()]*\)")
REDIRECTED = re.compile(r"[<>]&[\w-]+")
REDIRECTION = re.compile(r"\d*[<>]")
TOKENS = re.compile(r"[;&|]+|[^\s;&|]+")
CONTINUED = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
OPENERS = ("if", "while", "until", "for", "case", "select", "{")
CLOSERS = ("fi", "done", "esac", "}")
MIDDLES = ("then", "do", "else", "elif", "!")
BEFORE_COMMANDS = ("if", "while", "until", "{", *MIDDLES)
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
SAYING = (":", "true", "echo", "printf")
"""Commands that name others only."""
CLEARING = ("-", "-i", "--ignore-environment")


class UnclearError(Exception):
    """What the script does is not certain."""


@dataclass(frozen=True)
class Line:
    """A line with those that continue it: its first number, what it says without
    comments, and whether all of it is executed, if any."""

    number: int
    text: str
    is_plain: bool


def lines_of(script: str) -> Iterator[Line]:
    """The lines of a script that have commands. UnclearError."""
    depth, held, first, goes_on = 0, "", 0, False
    for number, raw in enumerate(script.split("\n"), 1):
        first = first if held else number
        held += raw
        if CONTINUED.search(held) and not held.lstrip().startswith("#"):
            # A line ends with it; numbers of the parts are found again by it.
            held = held[:-1] + " \n"
            continue
        whole = PARTS.sub(lambda found: "" if found[0][0] == "#" else found[0], held)
        masked = PARTS.sub(lambda found: "" if found[0][0] == "#" else "Q", held)
        masked = REDIRECTED.sub("", SUBSTITUTED.sub("Q", masked))
        held = ""
        if "<<" in masked or re.search("[\"'`()]", masked.replace(r"\"", "")):
            raise UnclearError
        after, is_simple = nesting(depth, TOKENS.findall(masked))
        if after < 0:
            raise UnclearError
        if whole.strip():
            yield Line(first, whole, depth == 0 and is_simple and not goes_on)
            goes_on = masked.rstrip().endswith(("&&", "|"))
        depth = after


def nesting(depth: int, tokens: list[str]) -> tuple[int, bool]:
    """The depth after a line, and whether it has nothing but simple commands."""
    is_first, is_simple = True, True
    for token in tokens:
        if token[0] in ";&|":
            is_first = True
            is_simple &= token == ";"
            continue
        if is_first and token in (*OPENERS, *CLOSERS, *MIDDLES):
            is_simple = False
            depth += (token in OPENERS) - (token in CLOSERS)
        is_first = is_first and token in BEFORE_COMMANDS
    return depth, is_simple


def commands_of(line: Line) -> list[list[str]]:
    """The words of each command of a plain line. UnclearError."""
    lexer = shlex.shlex(line.text, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word and not word.strip(";"):
                found.append([])
            else:
                found[-1].append(word)
    except ValueError as error:
        raise UnclearError from error
    return [words for words in found if words]


def given(script: str, name: str) -> tuple[int, Server] | None:
    """The line that sets a variable for the server of a run script, and that server.

    None if it does not, or if that is not certain.
    """
    try:
        return _given(script, name)
    except UnclearError:
        return None


def _given(script: str, name: str) -> tuple[int, Server] | None:
    set_at, is_exported = 0, False
    for line in lines_of(script):
        if not line.is_plain:
            if name in line.text:
                raise UnclearError
            continue
        for words in commands_of(line):
            values = [word for word in words if word.startswith(f"{name}=")]
            at = number_in(line, name)
            match words[0]:
                case "export" if words[1:2] == ["-n"]:
                    is_exported &= name not in words
                case "export":
                    is_exported |= name in words or bool(values)
                    set_at = at if values else set_at
                case "unset":
                    if name in words:
                        set_at, is_exported = 0, False
                case "exit" | "return":
                    return None
                case _ if all(map(ASSIGNMENT.fullmatch, words)):
                    set_at = at if values else set_at
                case _ if words[0] in SAYING:
                    continue
                case _ if is_server(words):
                    server = tcpserver.parse(words)
                    found = passed_on(words, name, set_at if is_exported else 0, at)
                    return (found, server) if found and server else None
                case "exec" if not all(map(REDIRECTION.match, words[1:])):
                    return None
    return None


def is_server(words: list[str]) -> bool:
    """True if a command starts tcpserver, sooner or later."""
    return "tcpserver" in map(os.path.basename, words)


def number_in(line: Line, name: str) -> int:
    """The number of the line that has a name, among those that are one."""
    return line.number + line.text.partition(name)[0].count("\n")


def passed_on(words: list[str], name: str, set_at: int, here: int) -> int:
    """Where the variable was set that the last program of a chain gets; or 0.

    UnclearError, for words that name it and are not understood.
    """
    is_open, skips = True, False
    """What is said of variables here is the shell's, or env(1)'s."""
    for at, word in enumerate(words):
        if skips:
            set_at, skips = 0 if word == name else set_at, False
        elif os.path.basename(word) == "env":
            is_open = True
        elif word == "exec" and is_open:
            continue
        elif is_open and ASSIGNMENT.fullmatch(word):
            set_at = here if word.startswith(f"{name}=") else set_at
        elif is_open and at and word in CLEARING:
            set_at = 0
        elif is_open and word in ("-u", "--unset"):
            skips = True
        elif is_open and word in (f"-u{name}", f"--unset={name}"):
            set_at = 0
        elif name in word or os.path.basename(word) == "envdir":
            raise UnclearError
        else:
            is_open = False
    return set_at
