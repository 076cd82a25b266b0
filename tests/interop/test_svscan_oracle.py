"""svscan beside the original: what it says, what it starts, and what that inherits.

Each case is a short life: svscan begins, something is waited for, everything is ended,
and what happened is printed. Warnings are sorted, for a directory has no order, and each
is counted once, for ours looks more often.
"""

from __future__ import annotations

import pytest

from tests.interop.oracle import Both, Case

# ``begin`` starts svscan in the background; ``await`` waits for a condition; ``end``
# kills svscan, what it started, and what that started. Whoever is asked for its children
# stands still first: else it might have one more before it is killed. A supervise that
# cannot start may be gone before that.
LIFE = r"""
await() {
  n=0
  until eval "$1"; do
    n=$((n+1))
    if test $n -gt 1200; then echo "never: $1"; return; fi
    sleep 0.05
  done
}
lines() { cat "$1" 2>/dev/null | wc -l; }
begin() { svscan "$@" 2>errors & p=$!; }
gone() { svok "$1" 2>/dev/null; test $? != 0; }
below() { cat /proc/$1/task/$1/children 2>/dev/null; }
halt() {
  kill -STOP $1 2>/dev/null
  await "! test -e /proc/$1 || grep -qs '^State:.[TZX]' /proc/$1/status"
}
end() {
  halt $p
  supervises=`below $p`
  { kill -9 $p; wait $p; } 2>/dev/null
  for pid in $supervises; do
    halt $pid
    kill -9 $pid `below $pid` 2>/dev/null
  done
  for d in service/* service/*/log; do await 'gone "$d"'; done
  sort -u errors
}
"""
RUN = "#!/bin/sh\necho started >>runs\nexec sleep 1000\n"
LONG = "x" * 255


def life(
    name: str,
    line: str,
    files: dict[str, str | bytes],
    replace: list[tuple[bytes, bytes]] | None = None,
) -> Case:
    """A case whose line knows the shell functions above."""
    files = {"service/": "", **files}
    return Case(
        LIFE + line, name=name, files=files, only="status out err", replace=replace
    )


# What a service, or its log, finds of its process. Nothing that it does meanwhile shows
# there: a pipe, or the signals that a shell holds back while it forks.
LOOK = r"""#!/bin/sh
ls -l /proc/$$/fd >fds
while read key value
do case $key in Sig[BIC]*) echo $key $value;; esac
done </proc/$$/status >signals
{
  echo "cwd $PWD, umask `umask`, limit `ulimit -n`"
  env | sort
  read pid comm state ppid pgrp session rest </proc/$$/stat
  test $pgrp = $pid && echo leader
} >rest
>look
exec sleep 1000
"""
LOOKS: dict[str, str | bytes] = {"service/a/run": LOOK, "service/a/log/run": LOOK}
SHOW = r"""
await 'test -f service/a/look && test -f service/a/log/look'; end
for d in service/a service/a/log; do
  cat $d/signals $d/rest
  sed -n 's/pipe:.*/a pipe/; s/.* \([0-9]* -> \)/\1/p' $d/fds
done
"""

CASES = [
    # What cannot be scanned.
    Case("svscan nosuch"),
    Case("svscan ''"),
    Case("svscan file", files={"file": ""}),
    Case("ln -s loop loop; svscan loop"),
    Case("svscan " + "x" * 256, name="svscan, name too long"),
    Case("svscan nosuch other"),
    Case("svscan -- nosuch"),
    Case("svscan -t"),
    Case("svscan -t 3 nosuch", name="svscan -t 3 nosuch"),
    Case("svscan -x"),
    Case("svscan nosuch <&- >&-"),
    Case("svscan nosuch 2>&-"),
    # What is a service.
    life(
        "dots, files, links, loops",
        "mkdir other; cp service/a/run other; ln -s ../other service/link; "
        "ln -s ../nosuch service/dangling; ln -s loop service/loop; "
        "begin service; await 'test -f service/a/runs && test -f other/runs'; "
        "await 'test `sort -u errors | wc -l` = 2'; end; "
        "cat service/a/runs other/runs; ls service/.hidden",
        {"service/a/run": RUN, "service/.hidden/run": RUN, "service/file": RUN},
    ),
    life(
        "two names of one directory",
        "ln -s a service/b; begin service; await 'test -f service/a/runs'; end; "
        "cat service/a/runs",
        {"service/a/run": RUN},
    ),
    life(
        "the current directory, and words that mean nothing",
        "cd service; begin; cd ..; await 'test -f service/a/runs'; end; "
        "begin service and more; await 'test `lines service/a/runs` = 2'; "
        "end; "
        "cat service/a/runs; cat service/errors",
        {"service/a/run": RUN},
    ),
    life(
        "a log that cannot be looked for",
        "ln -s log service/a/log; begin service; await 'test -f service/b/runs'; "
        "await 'test -s errors'; end; ls service/a",
        {"service/a/run": RUN, "service/b/run": RUN},
    ),
    life(
        "a name of 255 bytes with a log",
        f"begin service; await 'test -s service/{LONG}/log/lines'; end; "
        f"cat service/{LONG}/log/lines",
        {
            f"service/{LONG}/run": "#!/bin/sh\necho out\nexec sleep 1000\n",
            f"service/{LONG}/log/run": "#!/bin/sh\nexec cat >lines\n",
        },
    ),
    life(
        "a log that is a file",
        "begin service; await 'grep -qs log errors'; await 'test -f service/a/runs'; end",
        {"service/a/run": RUN, "service/a/log": ""},
    ),
    life(
        "run missing",
        "begin service; await 'test -s errors'; end; ls service/a",
        {"service/a/": ""},
    ),
    life(
        "run not executable",
        "begin service; await 'test -s errors'; end",
        {"service/a/run": "exec sleep 1000\n"},
    ),
    life(
        "run of the log missing",
        "begin service; await 'test -s errors && test -f service/a/runs'; end",
        {"service/a/run": RUN, "service/a/log/": ""},
    ),
    life(
        "down files",
        "begin service; await 'test -p service/a/supervise/ok'; "
        "await 'test -p service/a/log/supervise/ok'; "
        "await 'test -f service/b/runs'; end; ls service/a service/a/log",
        {
            "service/a/run": RUN,
            "service/a/down": "",
            "service/a/log/run": RUN,
            "service/a/log/down": "",
            "service/b/run": RUN,
        },
    ),
    life(
        "no supervise anywhere",
        "mkdir bin; cp -P `command -v svscan` bin; s=`command -v svscan`; "
        "PATH=/nonexistent $s service 2>errors & p=$!; "
        "await 'test `lines errors` -ge 2'; end",
        {"service/a/run": RUN, "service/a/log/run": RUN},
    ),
    life(
        "a supervise that cannot be executed",
        "mkdir bin; echo >bin/supervise; s=`command -v svscan`; "
        "PATH=bin:/nonexistent $s service 2>errors & p=$!; await 'test -s errors'; end",
        {"service/a/run": RUN},
    ),
    life(
        "1001 services",
        "i=0; while test $i -le 1000; do i=$((i+1)); echo service/s$i; done | "
        "xargs mkdir; mkdir bin; ln -s /bin/true bin/supervise; "
        "PATH=$PWD/bin:$PATH; svscan service 2>errors & p=$!; "
        "await 'test -s errors'; { kill -9 $p; wait $p; } 2>/dev/null; "
        "sort -u errors",
        {},
    ),
    # What lasts.
    life(
        "the pipe outlives the service and its log",
        "begin service; await 'test -f service/a/wrote'; svc -d service/a; "
        "await 'svstat service/a | grep -q \": down\"'; "
        "await 'svok service/a/log'; "
        "svc -o service/a/log; await 'test -s service/a/log/lines'; "
        "await 'svstat service/a/log | grep -q \": down\"'; svc -o service/a/log; "
        "await 'test `lines service/a/log/lines` = 2'; end; cat service/a/log/lines",
        {
            "service/a/run": "#!/bin/sh\necho one\necho two\n>wrote\nexec sleep 1000\n",
            "service/a/log/run": "#!/bin/sh\nread line; echo $line >>lines\n",
            "service/a/log/down": "",
        },
    ),
    life(
        "a removed entry is not restarted, and again when it is back",
        "begin service; await 'test -f service/a/runs && test -f service/b/runs'; "
        "mv service/a away; svc -dx away service/b; await 'gone away'; "
        "await 'test `lines service/b/runs` = 2'; svok away; echo $?; "
        "mv away service/a; await 'test `lines service/a/runs` = 2'; end; "
        "cat service/*/runs",
        {"service/a/run": RUN, "service/b/run": RUN},
    ),
    # What they inherit.
    life("inherited", f"begin service; {SHOW}", LOOKS),
    life("inherited, descriptor 7", f"begin service 7<service; {SHOW}", LOOKS),
    life(
        "inherited, no standard input and output",
        f"svscan service 2>errors <&- >&- & p=$!; {SHOW}",
        LOOKS,
    ),
    life(
        "inherited, no descriptors",
        f">errors; svscan service 2>&- <&- >&- & p=$!; {SHOW}",
        LOOKS,
    ),
    life(
        "inherited, signals ignored",
        f"trap '' HUP INT USR1 CHLD ALRM; umask 027; begin service; {SHOW}",
        LOOKS,
    ),
    life(
        "inherited, environment",
        f"A=1 B= C='x y' svscan service 2>errors & p=$!; {SHOW}",
        LOOKS,
    ),
    # What ends it.
    *(
        life(
            f"killed by {number}",
            f"begin service; await 'test -f service/a/runs'; s=`below $p`; "
            f"kill -{number} $p; wait $p 2>/dev/null; echo $?; svok service/a; "
            "echo $?; halt $s; kill -9 $s `below $s`; await 'gone service/a'",
            {"service/a/run": RUN},
        )
        for number in ("HUP", "ALRM", "TERM", "USR1", "PWR")
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_svscan_does_as_the_original(case: Case, both: Both) -> None:
    both.check("svscan", case)
