"""What the examples of the manual pages find, and how a block of them is run.

Shell commands for the rows of manual_tables.py, which run in a private root; $OURS is the
directory of our programs. Those that run a block have it on descriptor 0.
"""

from __future__ import annotations

ACCOUNTS = """
n=507
for account in joe qmaild qmaill; do
    mkdir -p /home/$account
    echo "$account:x:$n:100::/home/$account:/bin/sh" >>/etc/passwd
    n=$((n + 1))
    chown $account /home/$account
done
"""
HOME = """
mkdir -p /var/qmail/control /var/qmail/users /var/qmail/queue/lock
ln -sfn $OURS /var/qmail/bin
echo me.example >/var/qmail/control/me
"""
RULES = "printf '127.:allow,RELAYCLIENT=\"\"\\n::1:allow\\n:deny\\n' >/etc/tcp.smtp; "
COMPILED = RULES + "tcprules /etc/tcp.smtp.cdb /etc/tcp.smtp.tmp </etc/tcp.smtp; "
SVSCAN = "mkdir -p /service; svscan /service </dev/null >/dev/null 2>&1 & "
HELLO = "mkdir -p /service/hello; touch /service/hello/down\n"
"""A service that is not started: no second is lost on the pause after a start."""
SERVICES = f"""
mkdir -p /service/qmail-send/log /service/qmail-smtpd
printf '#!/bin/sh\\necho hello; exec sleep 99\\n' >/service/qmail-send/run
printf '#!/bin/sh\\nexec multilog ./main\\n' >/service/qmail-send/log/run
printf '#!/bin/sh\\nexec sleep 99\\n' >/service/qmail-smtpd/run
chmod +x /service/*/run /service/*/log/run
{SVSCAN}
svc -w u /service/* /service/*/log
until grep -q hello /service/qmail-send/log/main/current; do sleep 0.05; done
"""
COMMANDS = "ln -sfn $OURS /command; "
LINKS = "ln -s $OURS/* /usr/local/bin; "
IDS = """
n=7790
for group in qmail nofiles; do
    echo "$group:x:$n:" >>/etc/group
    n=$((n + 1))
done
for account in alias qmaild qmaill qmailp qmailq qmailr qmails; do
    echo "$account:x:$n:7790::/var/qmail:/bin/true" >>/etc/passwd
    n=$((n + 1))
done
"""
TCPTO = """
python3 -c 'import struct, sys, time
record = bytes((192, 0, 2, 1, 3, 0, 0, 0)) + struct.pack("<q", int(time.time()) - 1210)
sys.stdout.buffer.write(record.ljust(1024, bytes(1)))' >/var/qmail/queue/lock/tcpto
"""
LOG = "mkdir -p /var/log/qmail; echo x | tai64n >/var/log/qmail/current; "
OLD_LOG = LOG + "cp /var/log/qmail/current /var/log/qmail/@4000000037c219bf2ef02e94.s; "
MAIL = """
printf 'Subject: test\\n\\n' >/tmp/mail
printf '#!/bin/sh\\ncat >/tmp/message; cat <&1 >/tmp/envelope\\n' >/tmp/queue
chmod +x /tmp/queue
export QMAILQUEUE=/tmp/queue SENDER=s@x.example NEWSENDER=s@x.example DTLINE= RPLINE=
"""
STAFF = "sed -i '/^staff:/d' /etc/group; echo staff:x:50:ann,bob >>/etc/group; "
PROCMAIL = """
printf '#!/bin/sh\\ncat >/tmp/delivered\\n' >/usr/local/bin/procmail
chmod +x /usr/local/bin/procmail; PATH=$PATH:/usr/local/bin; export UFLINE=From
"""


def greets(port: int = 25, ip: str = "127.0.0.1") -> str:
    """Commands that wait until an SMTP server there says hello."""
    return f"""
until python3 -c 'import socket
s = socket.create_connection(("{ip}", {port})); assert s.recv(9)[:3] == b"220"
' 2>/dev/null; do sleep 0.05; done
"""


NAMES = """
echo nameserver 127.0.0.1 >/etc/resolv.conf
python3 -c '
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
open("/tmp/names", "w")
while True:
    query, peer = server.recvfrom(999)
    end = query.index(0, 12) + 5
    kind = query[end - 4 : end - 2]
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4\\x7f\\0\\0\\1"
    found = kind == b"\\0\\1"
    head = query[:2] + b"\\x81\\x80\\0\\1" + bytes((0, found)) + bytes(4)
    server.sendto(head + query[12:end] + answer * found, peer)
' &
until test -e /tmp/names; do sleep 0.01; done
"""
"""A name server to which every name is 127.0.0.1."""


def server(port: str, reply: str) -> str:
    """Commands that start a server there; ``reply`` is a line for its shell."""
    start = f"tcpserver -1 -RHl0 127.0.0.1 {port} sh -c '{reply}' >/tmp/port 2>&1 & "
    return f"{NAMES}{start}until test -s /tmp/port; do sleep 0.01; done; "


SMTP = 'echo 220 hello; read word; echo "221 $word"'
SCRIPT = 'sh -ec "$(cat)" </dev/null'


def shows(pattern: str) -> str:
    """Run a block until its output has that line."""
    return f"""c=$(cat)
until sh -ec "$c" </dev/null | grep '{pattern}'; do sleep 0.05; done
"""


def shows_while_it_runs(pattern: str) -> str:
    """The same of a block that does not end."""
    return f"""c=$(cat)
sh -ec "$c" </dev/null >/tmp/shown &
until grep '{pattern}' /tmp/shown 2>/dev/null; do sleep 0.05; done
"""


def waiting_sleep(word: str, condition: str) -> str:
    """Commands that put a sleep into $PATH which lasts, when told ``word``, until the
    condition: for an example that trusts in a machine with nothing else to do.

    One of whole seconds, which something is to outlast, is longer than any test.
    """
    return f"""
mkdir /tmp/first; PATH=/tmp/first:$PATH
cat >/tmp/first/sleep <<'E'
#!/bin/sh
case $1 in
    {word}) until {condition}; do /bin/sleep 0.05; done ;;
    [1-9]*) exec /bin/sleep 999 ;;
    *) exec /bin/sleep "$@" ;;
esac
E
chmod +x /tmp/first/sleep
"""


COMMAND = "c=$(sed 's/^|//'); sh -ec \"$c\" </tmp/mail; "
CONTAINER = """
words=$(python3 -c '
import json, shlex, sys
print(shlex.join(json.loads(sys.stdin.read().removeprefix("ENTRYPOINT "))))')
cat >/tmp/container <<E
mount -t tmpfs tmpfs /service
$(cat /tmp/hello)
exec $words
E
unshare --fork --mount --pid --mount-proc sh /tmp/container &
until first=$(grep . /proc/$!/task/$!/children); do sleep 0.05; done
until svok /proc/${first% }/root/service/hello 2>/dev/null; do sleep 0.05; done
kill $first
wait $!
"""
"""The image's entry point runs as process 1, and ends well at TERM."""
INITTAB = """
command=$(cut -d: -f4)
$command &
until svok /service/hello; do sleep 0.05; done
"""
SYSTEMD = """
command=$(sed 's/^ExecStart=//')
python3 -c '
import os, socket, sys
server = socket.create_server(("127.0.0.1", 26))
os.dup2(server.fileno(), 3)
os.set_inheritable(3, True)
handed = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execve("/bin/sh", ["sh", "-c", "exec " + sys.argv[1]], {**os.environ, **handed})
' "$command" >/dev/null 2>&1 &
"""
"""systemd as far as it concerns a server: a socket, two variables, and exec."""
DOT_QMAIL = (
    "cat >.qmail; qmail-local -n joe ~ joe '' '' h.example s@x.example ./Mailbox"
)
