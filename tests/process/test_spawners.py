"""qmail-lspawn as a real process: what it starts, as whom, and what it reports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.spawners import Home, Spawner, made_home, spawner
from tests.support.until import until

DESCRIBE = """\
echo "$0 $*"
echo "uid $(id -ru) $(id -u)"
echo "gid $(id -rg) $(id -g)"
echo "groups $(id -G)"
echo "fds" $(ls /proc/$$/fd | sort -n)
echo "cwd $(pwd)"
cat
"""


@pytest.fixture
def home() -> Iterator[Home]:
    with made_home() as made:
        made.assign("=joe:U:::\n+joe-:U:-::\n")
        yield made


@pytest.fixture
def lspawn(home: Home) -> Iterator[Spawner]:
    with spawner(home, "qmail-lspawn", "./Maildir/") as running:
        yield running


def lines(report: bytes) -> dict[bytes, bytes]:
    return dict(line.split(b" ", 1) for line in report.split(b"\n") if b" " in line)


def test_lspawn_without_argument_is_misuse(home: Home, python: list[str]) -> None:
    done = subprocess.run([*python, "qmail-lspawn"], check=False, timeout=60)
    assert done.returncode == 100


def test_lspawn_at_start_says_its_limit(lspawn: Spawner) -> None:
    assert lspawn.limit == b"\x78"
    assert lspawn.finish() == 0


def test_lspawn_foreign_local_gets_the_contracts_arguments(
    home: Home, lspawn: Spawner
) -> None:
    home.program("qmail-local", DESCRIBE)
    report = lspawn.deliver(b"JOE-List@Host.Example")
    first, _, rest = report.partition(b"\n")
    user = bytes(home.path / "user")
    assert first == (
        b"Kbin/qmail-local -- someone %b JOE-List - List Host.Example"
        b" from@there ./Maildir/" % user
    )
    told = lines(rest)
    assert told[b"uid"] == b"%d %d" % (home.uid, home.uid)
    assert told[b"gid"] == b"%d %d" % (home.gid, home.gid)
    assert told[b"cwd"] == bytes(home.path)
    assert rest.endswith(b"Subject: hello\n\nworld\n")


def test_lspawn_foreign_local_has_three_descriptors(
    home: Home, lspawn: Spawner
) -> None:
    home.program("qmail-local", "ls /proc/$$/fd; true")
    # The shell reads its script from a descriptor of its own, 10 or 255.
    numbers = {int(word) for word in lspawn.deliver().removeprefix(b"K").split()}
    assert numbers - {10, 255} == {0, 1, 2}


def test_lspawn_as_root_leaves_one_group(
    home: Home, lspawn: Spawner, as_root: None
) -> None:
    home.program("qmail-local", "id -G")
    assert lspawn.deliver() == b"K%d\n" % home.gid


@pytest.mark.parametrize(
    ("status", "letter"),
    [(0, b"K"), (71, b"Z"), (74, b"Z"), (75, b"Z"), (111, b"Z")]
    + [(1, b"D"), (99, b"D"), (100, b"D"), (101, b"D")],
)
def test_lspawn_local_status_decides_the_letter(
    home: Home, lspawn: Spawner, status: int, letter: bytes
) -> None:
    home.program("qmail-local", f"echo text; exit {status}")
    assert lspawn.deliver() == letter + b"text\n"


def test_lspawn_local_killed_is_deferred(home: Home, lspawn: Spawner) -> None:
    home.program("qmail-local", "kill -9 $$")
    assert lspawn.deliver() == b"Zqmail-local crashed.\n"


def test_lspawn_local_missing_is_failure(lspawn: Spawner) -> None:
    assert lspawn.deliver() == b"Dqmail-local cannot be run.\n"


def test_lspawn_long_output_is_cut(home: Home, lspawn: Spawner) -> None:
    home.program("qmail-local", "head -c 9000 /dev/zero | tr '\\0' x")
    report = lspawn.deliver()
    assert report.startswith(b"Kxxx")
    assert report.endswith(b"x\nThe rest of this report was too long.\n")
    assert len(report) == 2998


def test_lspawn_empty_local_part_is_trash(home: Home, lspawn: Spawner) -> None:
    home.program("qmail-local", "echo never; exit 1")
    assert lspawn.deliver(b"@host") == b"K"


def test_lspawn_user_root_is_refused(home: Home, lspawn: Spawner) -> None:
    home.program("qmail-local", "echo never")
    home.assign("=joe:root:0:0:/:::\n")
    report = lspawn.deliver()
    assert report.startswith(b"ZRoot")


@pytest.mark.parametrize("uid", ["4294967295", "4294967296", "9" * 30, "9" * 5000])
def test_lspawn_uid_beyond_all_uids_is_deferred(
    home: Home, lspawn: Spawner, uid: str
) -> None:
    home.program("qmail-local", "echo never")
    home.assign(f"=joe:x:{uid}:{home.gid}:/:::\n")
    assert lspawn.deliver() == b"ZInternal error in qmail-lspawn.\n"


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff" * 2048 + b"junk"])
def test_lspawn_broken_cdb_is_deferred(
    home: Home, lspawn: Spawner, content: bytes
) -> None:
    home.program("qmail-getpw", "echo never")
    (home.path / "users/cdb").write_bytes(content)
    assert lspawn.deliver() == b"Zqmail-lspawn cannot read users/cdb.\n"


def test_lspawn_unassigned_address_asks_getpw(home: Home, lspawn: Spawner) -> None:
    home.program("qmail-local", 'echo "$*"')
    record = f"bob {home.uid} {home.gid} {home.path}/user - $1/$(id -u)"
    home.program("qmail-getpw", f"printf '%s\\0' {record}")
    report = lspawn.deliver(b"Bob-x@host")
    user = bytes(home.path / "user")
    expected = b"K-- bob %b Bob-x - Bob-x/%d host from@there ./Maildir/\n"
    assert report == expected % (user, home.uid)


def test_lspawn_getpw_gets_none_of_the_commands(home: Home, lspawn: Spawner) -> None:
    home.program("qmail-local", 'echo "$*"')
    # What it could read of descriptor 0 would be the next commands.
    record = f"bob {home.uid} {home.gid} / - $(wc -c)"
    home.program("qmail-getpw", f"printf '%s\\0' {record}")
    assert b" - 0 host " in lspawn.deliver(b"bob@host")


@pytest.mark.parametrize(
    ("body", "report"),
    [
        ("exit 115", b"ZA home directory did not answer (NFS?).\n"),
        ("exit 116", b"ZThere is no alias user on this system!\n"),
        ("kill -9 $$", b"ZA system call failed in qmail-lspawn.\n"),
        ("printf 'joe\\0001\\0001\\0/\\0'", b"ZInternal error in qmail-lspawn.\n"),
    ],
    ids=["nfs", "no-alias", "crash", "short-record"],
)
def test_lspawn_getpw_trouble_is_deferred(
    home: Home, lspawn: Spawner, body: str, report: bytes
) -> None:
    home.program("qmail-getpw", body)
    assert lspawn.deliver(b"bob@host") == report


def test_lspawn_getpw_missing_is_deferred(lspawn: Spawner) -> None:
    assert lspawn.deliver(b"bob@host") == b"Zqmail-getpw could not be run.\n"


def test_lspawn_our_getpw_finds_no_stranger(home: Home, lspawn: Spawner) -> None:
    home.launcher("qmail-getpw")
    home.program("qmail-local", 'echo "$2 $5 $6"')
    # Whoever takes it, alias or nobody at all, no account has such a name.
    report = lspawn.deliver(b"no.such.user.here@host")
    assert report in (
        b"ZThere is no alias user on this system!\n",
        b"Kalias - no.such.user.here\n",
    )


@pytest.mark.parametrize(
    ("recipient", "messid", "start"),
    [
        (b"joe", b"0/23", b"DSorry, an address needs"),
        (b"joe@host", b"", b"DInternal error: the message has no name"),
        (b"joe@host", b"../../trial", b"DInternal error: the message's name has no"),
        (b"joe@host", b"0/24", b"ZThe spawner cannot open the message"),
        (b"joe@host", b"0", b"ZSorry, the message is not a plain file"),
        (b"joe@host", b"0/99", b"ZSorry, the message is not a plain file"),
    ],
    ids=["no-host", "no-name", "outside", "missing", "directory", "fifo"],
)
def test_lspawn_impossible_command_is_answered(
    home: Home, lspawn: Spawner, recipient: bytes, messid: bytes, start: bytes
) -> None:
    os.mkfifo(home.path / "queue/mess/0/99")
    assert lspawn.deliver(recipient, messid).startswith(start)


def test_lspawn_message_of_another_user_is_deferred(
    home: Home, lspawn: Spawner, as_root: None
) -> None:
    home.program("qmail-local", "echo never")
    os.chown(home.path / "queue/mess/0/23", 0, 0)
    assert lspawn.deliver().startswith(b"ZSorry, the message does not belong")


def test_lspawn_deliveries_overlap_and_report_when_over(
    home: Home, lspawn: Spawner
) -> None:
    gate = home.path / "user/gate"
    os.mkfifo(gate)
    gate.chmod(0o666)
    home.program("qmail-local", f'[ "$6" != slow ] || cat {gate}; echo "$6"')
    lspawn.order(1, b"joe-slow@host")
    lspawn.order(0, b"joe-quick@host")
    assert lspawn.report() == (0, b"Kquick\n")
    lspawn.order(1, b"joe-again@host")
    number, report = lspawn.report()
    assert (number, report[:1]) == (1, b"Z")
    assert b"in use" in report
    lspawn.end_commands()
    gate.write_bytes(b"open\n")
    assert lspawn.report() == (1, b"Kopen\nslow\n")
    assert lspawn.finish() == 0


def test_lspawn_all_numbers_at_once_are_all_reported(
    home: Home, lspawn: Spawner
) -> None:
    home.program("qmail-local", 'echo "$6"')
    for number in range(121):
        lspawn.order(number, b"joe-%d@host" % number)
    reports = dict(lspawn.report(60) for _ in range(121))
    assert reports.pop(120).startswith(b"ZInternal error: the delivery's number")
    assert reports == {number: b"K%d\n" % number for number in range(120)}
    assert lspawn.finish() == 0


def test_lspawn_descendant_with_the_pipe_delays_the_report(
    home: Home, lspawn: Spawner
) -> None:
    gate = home.path / "user/gate"
    os.mkfifo(gate)
    gate.chmod(0o666)
    home.program("qmail-local", f"echo now; (cat {gate}; echo later) &")
    lspawn.order(3)
    assert lspawn.silent(0.3)
    gate.write_bytes(b"")
    assert lspawn.report() == (3, b"Know\nlater\n")


def test_lspawn_reports_unread_finishes_and_ends_well(
    home: Home, lspawn: Spawner
) -> None:
    trace = home.path / "user/trace"
    home.program("qmail-local", f'echo "$6" >> {trace}')
    assert lspawn.process.stdout is not None
    lspawn.process.stdout.close()
    for number in range(3):
        lspawn.order(number, b"joe-%d@host" % number)
    assert lspawn.finish() == 0
    assert sorted(trace.read_text().split()) == ["0", "1", "2"]


def test_lspawn_command_in_pieces_is_one_command(home: Home, lspawn: Spawner) -> None:
    home.program("qmail-local", 'echo "$7"')
    for byte in b"\x05" + b"0/23\0from@x\0joe@host\0":
        os.write(lspawn.commands, bytes([byte]))
    assert lspawn.report() == (5, b"Khost\n")


def test_lspawn_inherited_descriptor_stays_out_of_deliveries(home: Home) -> None:
    home.program("qmail-local", "ls /proc/$$/fd; true")
    extra = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(extra, True)
    code = (
        "import os, sys; os.dup2(int(sys.argv[1]), 33);"
        "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
    )
    command = [sys.executable, "-c", code, str(extra), "-BXutf8"]
    process = subprocess.Popen(
        [*command, "-m", "pytools.process.launch", "qmail-lspawn", "x"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[extra],
        env={"PATH": os.environ["PATH"], "PYQMAIL_TEST_HOME": str(home.path)},
    )
    os.close(extra)
    with process:
        running = Spawner(process)
        assert os.path.exists(f"/proc/{process.pid}/fd/33")
        assert b"33" not in running.deliver().split()
        assert running.finish() == 0


@pytest.fixture
def warm(home: Home) -> Iterator[Spawner]:
    home.launcher("qmail-local")
    with spawner(home, "qmail-lspawn", "./M/", fakes="fake_programs") as running:
        yield running


def test_lspawn_our_local_is_forked_and_looks_the_same(
    home: Home, warm: Spawner
) -> None:
    report = warm.deliver(b"joe-ext@host")
    user = bytes(home.path / "user")
    # Root delivers with one group; who delivers to himself cannot change his own.
    own = " ".join(map(str, os.getgroups()))
    groups = home.gid if os.geteuid() == 0 else own
    # The main is the driver's: exec would have found another one.
    pid = lines(report)[b"pid"]
    assert report.decode() == (
        f"Kbin/qmail-local -- someone {user.decode()} joe-ext - ext host from@there"
        f" ./M/\nuid {home.uid} {home.uid}\ngid {home.gid} {home.gid}\n"
        f"groups {groups}\nfds 0 1 2\ncwd {home.path}\npipe ignored 1\n"
        f"chld blocked 0\nparent pid {warm.process.pid}\npid {pid.decode()}\n"
        "Subject: hello\n\nworld\n"
    )


def test_lspawn_our_local_hides_the_parents_memory_from_its_user(
    home: Home, warm: Spawner, as_root: None
) -> None:
    gate = home.path / "user/gate"
    os.mkfifo(gate)
    gate.chmod(0o666)
    pid_file = home.path / "user/pid"
    warm.order(0, b"joe-wait@host")
    until(lambda: pid_file.exists() and pid_file.read_bytes().endswith(b"\n"))
    pid = pid_file.read_text().strip()
    status = Path(f"/proc/{pid}/status").read_text()
    assert f"Uid:\t{home.uid}\t{home.uid}\t{home.uid}\t{home.uid}\n" in status
    neighbour = subprocess.run(
        [sys.executable, "-c", PEEK, pid],
        user=home.uid,
        group=home.gid,
        extra_groups=[],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert neighbour.stdout.split() == [b"fd", b"mem", b"environ", b"maps"]
    gate.write_bytes(b"")
    assert warm.report() == (0, b"K")


PEEK = """
import os, sys
for name in "fd", "mem", "environ", "maps":
    path = f"/proc/{sys.argv[1]}/{name}"
    try:
        os.listdir(path) if name == "fd" else open(path, "rb").read(1)
    except PermissionError:
        print(name)
"""
