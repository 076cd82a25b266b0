"""What the examples of the manual pages need, to be run by test_manual_examples.py.

PREPARED     what has to be there, by page: shell commands before the first example.
CHECKED      what shows that it worked, where no output is printed: commands after the
             last one.
TEXTS        blocks that are no transcripts, by page and first line: the command that
             gets the block on descriptor 0 and must end with 0.
NOT_RUN      blocks that cannot be run, by page and first line, and why.

The commands run in a private root; $OURS is the directory of our programs. What several
rows have in common is in manual_scenes.py.
"""

from __future__ import annotations

from tests.support.manual_scenes import (
    ACCOUNTS,
    COMMAND,
    COMMANDS,
    COMPILED,
    CONTAINER,
    DOT_QMAIL,
    HELLO,
    HOME,
    IDS,
    INITTAB,
    LINKS,
    LOG,
    MAIL,
    NAMES,
    OLD_LOG,
    PROCMAIL,
    RULES,
    SCRIPT,
    SERVICES,
    SMTP,
    STAFF,
    SVSCAN,
    SYSTEMD,
    TCPTO,
    greets,
    server,
    shows,
    shows_while_it_runs,
    waiting_sleep,
)

PREPARED = {
    "bouncesaying.1": MAIL,
    "condredirect.1": HOME + MAIL,
    "date@.8": server("daytime", "date"),
    "dot-forward.1": HOME,
    "dot-qmail.5": HOME,
    "envuidgid.8": ACCOUNTS + HOME + NAMES,
    "fastforward.1": HOME
    + MAIL
    + "unset SENDER; export DEFAULT=root HOST=me.example; "
    + "echo 'root@: ann@me.example;' | setforward /etc/aliases.cdb /etc/aliases.tmp; ",
    "finger@.8": server("finger", "read user; echo Login: $user"),
    "fixcrio.8": HOME + NAMES + "ip addr add 192.0.2.1 dev lo; ",
    "forward.1": HOME + MAIL + STAFF,
    "http@.8": server(
        "http", "read request; echo HTTP/1.0 200 OK; echo; echo $request"
    ),
    "mailsubj.1": HOME + MAIL,
    "newaliases.1": HOME + "mkdir -p /var/qmail/alias; unset SENDER; ",
    "mconnect-io.8": server("587", SMTP),
    "mconnect.8": server("smtp", SMTP),
    "multilog-directory.5": OLD_LOG,
    "multilog.8": ACCOUNTS
    + "mkdir -p /var/log/qmail; chown qmaill /var/log/qmail; "
    + SERVICES,
    "newinclude.1": HOME,
    "preline.1": MAIL + PROCMAIL,
    "qmail-command.8": HOME,
    "qmail-getpw.8": ACCOUNTS,
    "qmail-inject.8": HOME,
    "qmail-newmrh.8": HOME,
    "qmail-newu.8": HOME,
    "qbiff.1": HOME,
    "qmail-qmqpc.8": HOME,
    "qmail-qmtpd.8": HOME + IDS,
    "qmail-remote.8": HOME
    + MAIL
    + "echo example.org:127.0.0.1 >/var/qmail/control/smtproutes; cp /tmp/mail message",
    "qmail-pw2u.8": HOME,
    "qmail-smtpd.8": HOME,
    "qmail-tcpok.8": HOME + IDS + TCPTO + "chown -R qmailr /var/qmail/queue/lock; ",
    "qmail-tcpto.8": HOME + TCPTO,
    "qmail-users.5": HOME,
    "qreceipt.1": HOME,
    "rblsmtpd.8": HOME + COMPILED + NAMES,
    "readproctitle.8": waiting_sleep(
        "1", "ps axww -o args | grep -q '[.]something is wrong'"
    ),
    "recordio.8": HOME + NAMES + waiting_sleep("0.1", "grep -q '> .EOF' /tmp/out"),
    "sendmail.8": HOME + MAIL,
    "service-directory.5": SVSCAN,
    "softlimit.8": HOME + NAMES,
    "svc.8": SERVICES,
    "svok.8": SERVICES,
    "svscan.8": COMMANDS + f"mkdir -p /service; cat >/tmp/hello <<'E'\n{HELLO}E\n",
    "svscanboot.8": COMMANDS + f"cat >/tmp/hello <<'E'\n{HELLO}E\n" + HELLO,
    "svstat.8": SERVICES,
    "tai64nlocal.8": LOG,
    "tcpcat.8": server("daytime", "date"),
    "tcpclient.8": server("smtp", SMTP),
    "tcprules.8": RULES,
    "tcpserver.8": HOME + COMPILED + NAMES + LINKS,
    "who@.8": server("systat", "echo joe tty1"),
}
CHECKED = {
    "envuidgid.8": greets(),
    "fixcrio.8": greets(ip="192.0.2.1"),
    "multilog.8": "until test -e /service/qmail-send/log/main/@*; do sleep 0.05; done",
    "qmail-newmrh.8": "test -s /var/qmail/control/morercpthosts.cdb",
    "qmail-newu.8": "test -s /var/qmail/users/cdb",
    "recordio.8": greets() + "until grep -q 220 smtp/current; do sleep 0.05; done",
    "sendmail.8": "tr '\\0' ' ' </tmp/envelope | grep -q 'Fann@.* Tbob@'",
    "softlimit.8": greets(),
    "tcpserver.8": greets() + greets(587) + greets(26) + greets(587, "::1"),
}
TEXTS = {
    (
        "bouncesaying.1",
        "|bouncesaying 'Mail from you is not welcome.'"
        ' [ "$SENDER" = joe@example.org ]',
    ): COMMAND + 'SENDER=joe@example.org sh -ec "$c" 2>&1 | grep -q welcome',
    (
        "condredirect.1",
        "|condredirect lists@example.org grep -q '^Precedence: bulk'",
    ): COMMAND
    + "test ! -e /tmp/envelope; echo Precedence: bulk | cat - /tmp/mail >/tmp/bulk; "
    + 'sh -ec "$c" </tmp/bulk; test $? = 99 && grep -aq Tlists@ /tmp/envelope',
    ("date@.8", "date@ time.example.org"): SCRIPT + " | grep :",
    ("dot-qmail.5", "./Maildir/"): DOT_QMAIL,
    ("dot-forward.1", "|dot-forward .forward"): DOT_QMAIL,
    ("fastforward.1", "| fastforward -d /etc/aliases.cdb"): COMMAND
    + "grep -aq Tann@ /tmp/envelope",
    ("finger@.8", "finger@ shell.example.org joe"): SCRIPT + " | grep 'Login: joe'",
    (
        "forward.1",
        "|forward $(getent group staff | cut -d: -f4 | tr ',' ' ')",
    ): COMMAND + "tr '\\0' ' ' </tmp/envelope | grep -q 'Tann Tbob '",
    ("http@.8", "http@ www.example.org index.html"): SCRIPT + " | grep GET.*index.html",
    (
        "mconnect-io.8",
        "tcpclient -RHl0 mail.example.org 587 mconnect-io",
    ): 'c=$(cat); echo QUIT | sh -ec "$c" | grep ^221.QUIT',
    ("mconnect.8", "echo QUIT | mconnect mail.example.org"): SCRIPT
    + " | grep ^221.QUIT",
    (
        "multilog-directory.5",
        "cat /var/log/qmail/@* /var/log/qmail/current | tai64nlocal",
    ): SCRIPT + " | tr '\\n' ' ' | grep '^2.* x 2.* x $'",
    ("multilog.8", "#!/bin/sh"): """cat >run; chmod +x run; echo x | ./run
        grep -q '^@.* x$' /var/log/qmail/current""",
    ("preline.1", "| preline procmail"): COMMAND + "grep -q Subject /tmp/delivered",
    ("qbiff.1", "|qbiff"): DOT_QMAIL,
    ("qmail-command.8", "|wanted || exit 99"): DOT_QMAIL,
    (
        "qmail-remote.8",
        "qmail-remote example.org me@example.net you@example.org < message"
        " | tr '\\0' '\\n'",
    ): SCRIPT + " | grep '^Z'",
    (
        "qmail-users.5",
        "+:alias:7790:2108:/var/qmail/alias:-::",
    ): "cat >/var/qmail/users/assign; qmail-newu",
    ("qreceipt.1", "|qreceipt joe@example.org"): DOT_QMAIL,
    ("rblsmtpd.8", "#!/bin/sh"): "cat >run; chmod +x run; ./run & " + greets(),
    ("rblsmtpd.8", '192.0.2.7:allow,RBLSMTPD="-You know why."'): "tcprules cdb tmp",
    (
        "svscan.8",
        'ENTRYPOINT ["/command/svscan", "-t", "20", "/service"]',
    ): CONTAINER,
    ("svscanboot.8", "SV:123456:respawn:/command/svscanboot"): INITTAB,
    (
        "svscanboot.8",
        "ps axww | grep readproctitle",
    ): shows("readproctitle service errors: [.]"),
    ("svscanboot.8", 'ENTRYPOINT ["/command/svscanboot"]'): CONTAINER,
    (
        "tai64nlocal.8",
        "tail -F /var/log/qmail/current | tai64nlocal",
    ): shows_while_it_runs("^2.* x$"),
    ("tcprules.5", '127.:allow,RELAYCLIENT=""'): "tcprules cdb tmp",
    (
        "tcprules.8",
        "tcprules /etc/tcp.smtp.cdb /etc/tcp.smtp.tmp < /etc/tcp.smtp",
    ): SCRIPT + " && test -s /etc/tcp.smtp.cdb",
    ("tcpcat.8", "tcpcat time.example.org daytime"): SCRIPT + " | grep :",
    (
        "tcpclient.8",
        "tcpclient -RHl0 mail.example.org smtp sh -c 'echo QUIT >&7; cat <&6'",
    ): SCRIPT + " | grep ^221.QUIT",
    (
        "tcpserver.8",
        "ExecStart=/usr/local/bin/tcpserver -v -HRl0 fd: 0 qmail-smtpd",
    ): SYSTEMD,
    ("who@.8", "who@ shell.example.org"): SCRIPT + " | grep tty1",
}
NOT_RUN = {
    (
        "dnsip.8",
        "package/tools/dnsip '[127.0.0.1]'",
    ): "only a checkout has it; the tests of the build's tools run it",
    (
        "pyqmail-doctor.8",
        "pyqmail doctor",
    ): "needs an installation; tests/guide/test_doctor.py makes one, and mistakes in it",
    (
        "pyqmail-doctor.8",
        "pyqmail doctor --json | jq -r '.[].try'",
    ): "the same; and jq is not part of every system",
    (
        "pyqmail.8",
        "svc -d -w D -T 300 /service/qmail-send /service/qmail-queued &&",
    ): "needs an installation with a queue; queue check has its own tests",
    ("qmail-log.5", "new msg 93869"): "what a running qmail-send writes: its own tests",
    (
        "setlock.8",
        "*/5 * * * * setlock -nx /var/run/news.lock fetch-news",
    ): "a line for cron, which is not started here",
}
