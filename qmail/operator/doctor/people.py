"""Those who get mail: the users' homes and Maildirs, and the system's aliases."""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Iterator

from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, quote, read, text
from qmail.operator.overview import open_regular

ALIASES = ("root", "postmaster", "mailer-daemon", "abuse")
LINKED = ("mailer-daemon", "abuse")
PARTS = ("tmp", "new", "cur")
PATERNALISM = 0o002
"""conf-patrn: what nobody else may do to a home."""
MAX_ALIAS_BYTES = 1 << 16
MANY = 8
"""Users with the same trouble; more of them share one finding."""


def check_users(machine: Machine) -> Iterator[Finding]:
    """Each user can get mail where control/defaultdelivery says."""
    if os.path.exists(f"{machine.home}/users/cdb"):
        # The operator says there whose mail goes where.
        return
    maildirs = default_maildirs(machine)
    without: list[pwd.struct_passwd] = []
    for user in machine.users():
        home = machine.path(user.pw_dir)
        now = os.stat(home)
        if now.st_uid != user.pw_uid:
            # A home that is nobody's, or that some share, may be meant.
            if now.st_uid == 0 and user.pw_dir.endswith(f"/{user.pw_name}"):
                yield Finding(
                    "home-owner",
                    f"{user.pw_dir}, the home of {user.pw_name}, is root's",
                    f"chown {quote(user.pw_name)} {quote(home)}"
                    if machine.is_in_roots_hands(home)
                    else f"namei -l {quote(home)}",
                )
            continue
        if now.st_mode & PATERNALISM:
            yield Finding(
                "home-writable",
                f"{user.pw_dir}, the home of {user.pw_name}, can be changed by others",
                f"chmod o-w {quote(home)}"
                if machine.is_in_roots_hands(home)
                else as_user(user, f"chmod o-w {quote(home)}"),
            )
        yield from of_instructions(user, home, now)
        for maildir in maildirs:
            if os.path.lexists(f"{home}/{maildir}"):
                yield from of_maildir(machine, user, maildir, home)
            elif not os.path.lexists(f"{home}/.qmail"):
                without.append(user)
                break
    for at in range(0, len(without), MANY if len(without) > MANY else 1):
        step = MANY if len(without) > MANY else 1
        yield missing(machine, without[at : at + step], maildirs[0])


def of_instructions(
    user: pwd.struct_passwd, home: str, now: os.stat_result
) -> Iterator[Finding]:
    """What has qmail-local wait for the user; what is in his home he changes himself."""
    if now.st_mode & stat.S_ISVTX:
        yield Finding(
            "home-sticky",
            f"{user.pw_dir}, the home of {user.pw_name}, is sticky",
            as_user(user, f"chmod -t {quote(home)}"),
        )
    path = f"{home}/.qmail"
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISREG(mode) and mode & PATERNALISM:
        yield Finding(
            "dot-qmail-writable",
            f"{user.pw_dir}/.qmail can be changed by all",
            as_user(user, f"chmod o-w {quote(path)}"),
        )


def default_maildirs(machine: Machine) -> list[str]:
    """The Maildirs in the home that the default delivery names, as paths there."""
    data = machine.control_file("defaultdelivery") or b""
    lines = [text(line.rstrip(b" \t\r")) for line in data.split(b"\n")]
    paths = [
        os.path.normpath(line)
        for line in lines
        if line.startswith("./") and line.endswith("/")
    ]
    return [path for path in paths if path != "." and not path.startswith("..")]


def missing(machine: Machine, users: list[pwd.struct_passwd], maildir: str) -> Finding:
    """Users without a Maildir; each is to make his own."""
    make = quote(f"{quote(machine.home)}/bin/maildirmake ~/{quote(maildir)}")
    names = [user.pw_name for user in users]
    if len(names) == 1:
        remedy = f"su {quote(names[0])} -s /bin/sh -c {make}"
    else:
        words = " ".join(map(quote, names))
        remedy = f'for u in {words}; do su "$u" -s /bin/sh -c {make}; done'
    return Finding("maildir-missing", f"{', '.join(names)}: no ./{maildir}/", remedy)


def of_maildir(
    machine: Machine, user: pwd.struct_passwd, maildir: str, home: str
) -> Iterator[Finding]:
    """It is whole, and the user's.

    SECURITY: the home is the user's, who may put a link in any place, now or while the
    operator reads. So root changes nothing in it: what is to be made is made by the
    user, and where a link leads is only shown.
    """
    shown = f"{user.pw_dir.rstrip('/')}/{maildir}"
    place = f"{home}/{maildir}"
    link = first_link(home, maildir)
    parts = [place, *(f"{place}/{part}" for part in PARTS)]
    if link or any(os.path.islink(part) for part in parts):
        if not all(os.path.isdir(p) and is_of(user, os.stat(p)) for p in parts):
            yield Finding(
                "maildir-link",
                f"{shown} is, or has, a link, and is no whole Maildir of "
                f"{user.pw_name}'s",
                f"namei -l {' '.join(map(quote, parts[1:]))}",
            )
        return
    if not os.path.isdir(place):
        yield Finding(
            "maildir-broken",
            f"{shown} is no directory",
            as_user(
                user,
                f"{aside(place, '.mbox')} && "
                f"{quote(machine.home)}/bin/maildirmake {quote(place)}",
            ),
        )
        return
    if not is_of(user, os.lstat(place)):
        yield Finding(
            "maildir-owner",
            f"{shown} is not {user.pw_name}'s own",
            as_user(
                user,
                f"{aside(place, '.old')} && "
                f"{quote(machine.home)}/bin/maildirmake {quote(place)}",
            ),
        )
        return
    lacking = [part for part in parts if not os.path.isdir(part)]
    foreign = [
        part
        for part in parts
        if part not in lacking and not is_of(user, os.lstat(part))
    ]
    if foreign:
        names = ", ".join(map(os.path.basename, foreign))
        moves = " && ".join(aside(part, ".old") for part in foreign)
        yield Finding(
            "maildir-owner",
            f"{shown} is not all {user.pw_name}'s own: {names}",
            as_user(user, f"{moves} && {make_all(foreign)}"),
        )
    if lacking:
        yield Finding(
            "maildir-broken",
            f"{shown} has no {', '.join(map(os.path.basename, lacking))}",
            as_user(user, make_all(lacking)),
        )


def first_link(above: str, path: str) -> str:
    """The first link among the names of a path below a directory, or nothing."""
    for name in path.split("/"):
        above = f"{above}/{name}"
        if os.path.islink(above):
            return above
    return ""


def is_of(user: pwd.struct_passwd, now: os.stat_result) -> bool:
    """True if a file is the user's."""
    return now.st_uid == user.pw_uid


def as_user(user: pwd.struct_passwd, script: str) -> str:
    """The command that has a user do something."""
    return f"su {quote(user.pw_name)} -s /bin/sh -c {quote(script)}"


def aside(path: str, suffix: str) -> str:
    """The command that gives a file another name; one that has it stays, numbered."""
    return f"mv -T --backup=numbered {quote(path)} {quote(path + suffix)}"


def make_all(paths: list[str]) -> str:
    """The command that makes directories."""
    return f"mkdir -m 700 {' '.join(map(quote, paths))}"


def check_aliases(machine: Machine) -> Iterator[Finding]:
    """The system's aliases exist, and the user alias can read them."""
    for name in ALIASES:
        yield from of_alias(machine, name)


def of_alias(machine: Machine, name: str) -> Iterator[Finding]:
    """One of them.

    SECURITY: the directory is of the user alias, who can put a link in any place; see
    ``put_alias``. Links within it are the guide's own.
    """
    directory = f"{machine.home}/alias"
    path = f"{directory}/.qmail-{name}"
    if not os.path.lexists(path):
        if not goes_elsewhere(machine, name):
            yield Finding(
                "alias-missing", f"{path} does not exist", new_alias(machine, name)
            )
        return
    real = os.path.realpath(path)
    if os.path.dirname(real) != os.path.realpath(directory):
        yield Finding(
            "alias-link",
            f"{path} is a link to {os.readlink(path)}, outside of its directory",
            new_alias(machine, name),
        )
        return
    if not os.path.lexists(real):
        yield Finding(
            "alias-missing", f"{path} leads nowhere", new_alias(machine, name)
        )
        return
    now = os.lstat(real)
    if not stat.S_ISREG(now.st_mode):
        yield Finding(
            "alias-unreadable", f"{path} is no file", f"ls -la {quote(directory)}"
        )
        return
    readable = now.st_mode & stat.S_IROTH
    if machine.owners and now.st_uid == machine.owners.uid("alias"):
        readable = now.st_mode & stat.S_IRUSR
    # A file of two names may be somebody else's.
    copy = f'dd if={quote(real)} of="$f" iflag=nofollow status=none'
    again = put_alias(machine, real, copy)
    if now.st_nlink > 1:
        again = f"ls -li {quote(real)}"
    if not readable:
        yield Finding(
            "alias-unreadable", f"{path} cannot be read by the user alias", again
        )
    elif now.st_mode & stat.S_IWOTH:
        yield Finding("alias-writable", f"{path} can be changed by all", again)
    else:
        yield from of_alias_lines(machine, name, real)


def of_alias_lines(machine: Machine, name: str, real: str) -> Iterator[Finding]:
    """Where an alias that is read forwards to. OSError."""
    path = f"{machine.home}/alias/.qmail-{name}"
    try:
        with open_regular(real, os.O_NOFOLLOW) as file:
            data = file.read(MAX_ALIAS_BYTES)
            links = os.fstat(file.fileno()).st_nlink
    except PermissionError:
        if machine.is_root:
            raise
        return
    lines = [text(line.rstrip(b" \t")) for line in data.split(b"\n")]
    if any(line.endswith("\r") for line in lines):
        source = f"dd if={quote(real)} iflag=nofollow status=none"
        yield Finding(
            "alias-cr",
            f"{path} has CR at the end of lines",
            put_alias(machine, real, f'{source} | tr -d "\\r" > "$f" && test -s "$f"')
            if links == 1
            else f"ls -li {quote(real)}",
        )
        return
    said = [line for line in lines if line and not line.startswith("#")]
    is_loop = [line.removeprefix("&").lower() for line in said] == [name]
    if is_loop and not goes_elsewhere(machine, name):
        yield Finding(
            "alias-loop",
            f"{path} forwards to {name} itself",
            new_alias(machine, os.path.basename(real).removeprefix(".qmail-")),
        )


def goes_elsewhere(machine: Machine, name: str) -> bool:
    """True if mail for a name of the system needs no alias of that name."""
    home = machine.home
    if os.path.lexists(f"{home}/alias/.qmail-default"):
        return True
    if os.path.exists(f"{home}/users/cdb"):
        return is_assigned(machine, name)
    try:
        user = machine.getpwnam(name)
        now = os.stat(machine.path(user.pw_dir))
    except (KeyError, OSError):
        return False
    return user.pw_uid != 0 and is_of(user, now)


def is_assigned(machine: Machine, name: str) -> bool:
    """True if users/assign has a name, or cannot tell; see qmail-users(5)."""
    try:
        lines = text(read(f"{machine.home}/users/assign")).split("\n")
    except FileNotFoundError:
        return True
    keys = [line.partition(":")[0] for line in lines]
    return any(
        key == f"={name}" or (key[:1] == "+" and name.startswith(key[1:]))
        for key in keys
    )


def new_alias(machine: Machine, name: str) -> str:
    """The command that makes an alias, in the place of whatever link is there."""
    path = f"{machine.home}/alias/.qmail-{name}"
    if name in LINKED:
        return f"ln -sfn .qmail-postmaster {quote(path)}"
    real = [user.pw_name for user in machine.users()]
    plain = len(real) == 1 and re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.-]*", real[0])
    # An empty one would have the mail delivered to the user alias.
    fill = f'echo {real[0]} > "$f"' if plain else '${EDITOR:-vi} "$f" && test -s "$f"'
    return put_alias(machine, path, fill)


def put_alias(machine: Machine, path: str, fill: str) -> str:
    """The command that fills a file, "$f", and puts it in the place of an alias.

    SECURITY: it is made where root alone can, and mv -T puts it in the place of a link
    instead of following it. Where that cannot be done nothing is left.
    """
    return (
        f"f=$(mktemp {quote(f'{machine.home}/alias.XXXXXX')}) && {fill} &&"
        f' chmod 644 "$f" && mv -T "$f" {quote(path)} || {{ rm -f "$f"; false; }}'
    )
