"""Where our programs differ from the originals on purpose: the whole list.

(program, case of its oracle table) and the reason. The table's test fails when a case
listed here does not differ, and when one differs that is not listed.
"""

from __future__ import annotations

_CIRCLE = "a circle that leads to nobody is tried again; the original loses the mail"
_DIRECTORY = "CPython does not start with a directory on descriptor 0"
_EMPTY_CDB = "an empty file is a protocol error here, as any other that is no cdb"
_NETWORK = "to the original 10.1.0.0/16 is an address that no client has"
_NO_YEAR = "the original dies of a segmentation fault; here the line stays as it is"
_UNWRITTEN = "the original does not look whether it could write"
_NO_ENTRY = "a TXT record beside an A record outside 127.0.0.0/8 is no entry of a list"
_SIX = "the original reverses IPv4 addresses only"
_WAITS = "-w and -T are options here: wait for the services"
_UNREAD = "all is read before anything is done, so that a retry repeats nothing"
_LOST_LINE = "a last line without its LF counts; the original throws it away"
_MALFORMED = "a retry after the repair; the original leaves recipients out"
_QUEUE_TEXT = "the texts of the queue's refusals are ours"
_ORDER = "changed variables go to the end; the original moves others into their places"
_OWN_NAME = "the original calls itself printmaillist"
_NO_CDB = "what is no cdb is called that, not an input/output error"
_REPORTS = "--json and --quiet are options here, no directories"

DIFFERENCES: dict[tuple[str, str], str] = {
    ("setforward", "setforward to a full device"): (
        "a temporary file is always a new one; a device is left alone"
    ),
    ("dot-forward", "late error"): _UNREAD,
    ("dot-forward", "fw 'a@'"): "an empty host is the default host, as elsewhere",
    ("fastforward", "fastforward misused"): "the usage names -d and -D too",
    ("fastforward", "a program, and a list that is not there"): _UNREAD,
    ("fastforward", "truncated list"): _MALFORMED,
    ("fastforward", "program in a list"): _MALFORMED,
    ("fastforward", "ff ring@x"): _CIRCLE,
    ("fastforward", "ff ring@x -p"): _CIRCLE,
    ("fastforward", "ff ring@x -n"): _CIRCLE,
    ("fastforward", "ff ring@x -np"): _CIRCLE,
    ("fastforward", "fastforward of an empty file"): _NO_CDB,
    ("fastforward", "fastforward of another file"): _NO_CDB,
    ("fastforward", "the queue refuses for good"): _QUEUE_TEXT,
    ("fastforward", "the queue refuses for now"): _QUEUE_TEXT,
    ("newaliases", r"al 'a: b\nlast: c'"): _LOST_LINE,
    ("newaliases", r"al 'a: b,\n c'"): _LOST_LINE,
    (
        "newaliases",
        "newaliases with a word",
    ): "an argument is refused: sendmail's ask for other files",
    (
        "newinclude",
        "newinclude cannot create",
    ): "unable to create, as the other compilers say it",
    ("printforward", "printforward <&-"): _OWN_NAME,
    ("printforward", "printforward </dev/null"): _OWN_NAME,
    ("printforward", "head -c 2060 t.cdb | printforward"): _OWN_NAME,
    ("printforward", "printforward <t"): _OWN_NAME,
    ("addcr", "addcr </"): _DIRECTORY,
    ("argv0", "argv0 cat ''"): "CPython's exec takes no empty argument zero",
    ("delcr", "delcr </"): _DIRECTORY,
    (
        "envdir",
        "envdir dangling links among files",
    ): "a link to nothing unsets, and has not the value of the file read before it",
    ("envdir", "envdir order of variables"): _ORDER,
    (
        "envdir",
        "envdir hands on a name that begins with equals",
    ): "the original keeps one such entry, the last; here each has its name",
    (
        "envdir",
        "envdir file name that begins with equals, empty",
    ): "an empty file unsets; the original exports the bare name, which Python cannot",
    (
        "envuidgid",
        "env - PATH=$PATH UID=a A=1 GID=b B=2 envuidgid daemon env",
    ): _ORDER,
    (
        "multilog",
        "clean, but a rotation was not",
    ): "previous and processed beside a clean current are kept, not written over",
    ("multilog", "descriptor 0 a directory"): _DIRECTORY,
    (
        "multilog",
        "short lines and rotation",
    ): "a file ends with the line that fills it, not with the last of 512 bytes",
    (
        "finger@",
        r"finger@ 127.0.0.1 'a\tb'; echo $?",
    ): "a user is sent as it is; the original's shell reads escapes in it",
    ("rblsmtpd", "-t0 -r dead.test"): _NO_ENTRY,
    ("rblsmtpd", "-t0 -r busy.test"): _NO_ENTRY,
    (
        "rblsmtpd",
        "TCPREMOTEIP=1.2.3.9 -t0 -r txt.test",
    ): "an entry needs no TXT record (RFC 5782 2.1)",
    ("rblsmtpd", "TCPREMOTEIP=2001:db8::1 -t0 -r txt.test"): _SIX,
    ("rblsmtpd", "TCPREMOTEIP=::ffff:1.2.3.4 -t0 -r txt.test"): _SIX,
    (
        "rblsmtpd",
        "-t0 -r both.test:go,%IP%",
    ): "a base with a colon has a text of the operator's, as much used patches have it",
    ("readproctitle", "readproctitle a 12345 <."): _DIRECTORY,
    (
        "readproctitle",
        "readproctitle as the kernel has it",
    ): "blanks, not NULs, separate the words; ps shows the same",
    (
        "tcpserver",
        "name with several addresses",
    ): "the first of the answer; the original shuffles them, always in the same way",
    (
        "tcpserver",
        "order of variables",
    ): _ORDER,
    ("tcpserver", "-x directory"): "the original dies of a segmentation fault",
    ("tcpserver", "-Xx directory"): "the original dies of a segmentation fault",
    ("tcpserver", "-x empty"): _EMPTY_CDB,
    (
        "recordio",
        "recordio input broken, output later",
    ): "a program that has closed its input loses none of its output",
    (
        "softlimit",
        "softlimit -m 200000000 envdir d sh -c 'ulimit -v'",
    ): "a program of ours gets that much beside what the interpreter takes up",
    (
        "softlimit",
        "softlimit -c 9223372036854775808 sh -c 'ulimit -a'",
    ): "CPython's setrlimit takes no more than 2^63-1; beyond it is no limit",
    (
        "softlimit",
        "softlimit -t0 sh -c 'ulimit -t'",
    ): "-t is 1 second or more, or this program could not become the other",
    (
        "softlimit",
        "softlimit -t5 envdir d sh -c 'ulimit -t'",
    ): "a program of ours gets that much beside what the interpreter has taken",
    ("svc", "svc -w u none"): _WAITS,
    ("svc", "svc -wd -T0 s"): _WAITS,
    ("svc", "svc -T 5 s"): _WAITS,
    ("svstat", "svstat --json"): _REPORTS,
    ("svstat", "svstat --json s"): _REPORTS,
    ("svstat", "svstat --quiet s"): _REPORTS,
    (
        "svstat",
        "svstat n/dir",
    ): "a status that cannot be read; the original takes it for one full of zeros",
    ("tai64n", "input a directory"): _DIRECTORY,
    ("tai64nlocal", "beyond all years"): _NO_YEAR,
    ("tai64nlocal", "few digits"): _NO_YEAR,
    ("tai64nlocal", "input a directory"): _DIRECTORY,
    ("tai64nlocal", "no digits"): _NO_YEAR,
    ("tcprules", "IPv4 network"): _NETWORK,
    ("tcprules", "IPv4 network of no length"): _NETWORK,
    ("tcprules", "IPv4 network that ends at a dot"): _NETWORK,
    ("tcprules", "IPv6 address"): "refused by the original",
    ("tcprules", "IPv6 network"): "refused by the original",
    (
        "tcprules",
        "bad line late",
    ): "how much of the useless new file is there depends on the buffers",
    (
        "tcprules",
        "tcprules rules.cdb /dev/full",
    ): "cdbx finds that the device cannot be positioned before it finds it full",
    ("tcprules", "tcprules rules.cdb rules.tmp </"): _DIRECTORY,
    ("tcprulescheck", "directory"): "the original dies of a segmentation fault",
    ("tcprulescheck", "empty file"): _EMPTY_CDB,
    ("tcprulescheck", "mapped client"): "::ffff:1.2.3.4 is 1.2.3.4",
    ("tcprulescheck", "output closed"): _UNWRITTEN,
    ("tcprulescheck", "output full"): _UNWRITTEN,
    ("tcprulescheck", "tcprulescheck /dev/null"): _EMPTY_CDB,
    (
        "tcpclient",
        "-HRl0 -- 0",
    ): "stale variables of a TCP6 connection or a proxy are not passed on",
    (
        "tcpclient",
        f"{'x' * 64}.test 17 true",
    ): "a name that cannot exist has no address; the original calls it temporary",
    ("svscan", "svscan -t 3 nosuch"): "an option: end orderly, with so much time",
}
