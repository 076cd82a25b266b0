"""What the doctor can find, and why each matters. pyqmail-doctor(8) lists the codes."""

from __future__ import annotations

from dataclasses import dataclass

from qmail.operator.overview import printable

CODES = {
    "user-missing": "The daemons run as this user and do not start without.",
    "group-missing": "The queue or the daemons belong to this group.",
    "user-wrong-group": "Files that its programs share are open to another group.",
    "path-missing": "A program of the mail system needs it.",
    "wrong-owner": "A program that runs as the right owner cannot use it, or a stranger "
    "can change it.",
    "wrong-group": "A program that runs with the right group cannot use it.",
    "wrong-mode": "Somebody who needs it cannot use it, or somebody can who must not.",
    "wrong-type": "Something else is in its place, and programs fail there.",
    "queue-split": "What was queued with another conf-split is where no program looks "
    "for it, and never leaves.",
    "program-version": "Two versions at once work together only by luck.",
    "script-missing": "A service cannot start without it.",
    "script-not-executable": "What cannot be executed cannot start.",
    "script-cr": "The shell takes the carriage return for a part of each last word.",
    "script-no-interpreter": "Without #!/bin/sh in its first line the kernel does not "
    "execute it.",
    "rc-literal-cat": "Without backquotes the words of the command are an address, and "
    "mail for users is forwarded to it: nobody gets it.",
    "me-missing": "qmail-smtpd and qmail-send do not work without a name.",
    "me-no-domain": "Other servers refuse mail from a name without a domain.",
    "rcpthosts-missing": "Without it this server relays mail for the whole world.",
    "rcpthosts-incomplete": "Mail for this domain from other hosts is refused.",
    "locals-lack-me": "Mail for users of this machine is sent to another host, or around "
    "in a circle.",
    "local-and-virtual": "locals comes first, so the line in virtualdomains does nothing.",
    "concurrencyincoming-missing": "The guide's run script of qmail-smtpd does not start "
    "without it.",
    "concurrencyincoming-bad": "tcpserver then takes no connections, or another number "
    "of them than you think.",
    "defaultdelivery-missing": "The guide's rc then tells qmail-start no mailbox.",
    "defaultdelivery-mbox": "Mail goes to an mbox file of that name, and waits where "
    "that is a directory.",
    "defaultdelivery-forward": "A mailbox begins with ./ or /; this is an address, and "
    "mail for users is forwarded to it.",
    "control-cr": "Programs take the carriage return for a part of the value.",
    "control-unreadable": "The programs that read it run as other users.",
    "control-comment": "Only in lists of lines is a # a comment; here it is the value.",
    "control-blank": "Programs take the blank for a part of the value.",
    "control-no-number": "Programs pass over what is no number, and take their own.",
    "smtproutes-bad": "A line without a colon is passed over, a port that is no number "
    "is 25, and a blank is a part of the name.",
    "control-not-reread": "The service still works with what it read at its start.",
    "log-missing": "multilog does not start without its directory, and then nothing is "
    "logged.",
    "log-owner": "multilog runs as qmaill and cannot write there.",
    "log-link": "A command that follows it may change what is somebody else's; look "
    "where it leads, and who made it.",
    "proc-missing": "Without it no process is seen: that of a service, or another's.",
    "service-directory-missing": "svscan starts what is linked in it.",
    "svscan-missing": "Nobody starts the services, and nobody starts them again.",
    "service-missing": "svscan does not know this service.",
    "service-unsupervised": "Nobody starts this service again when it ends.",
    "service-down-file": "With this file the service is not started at boot.",
    "service-stopped": "Somebody has taken it down, and mail waits.",
    "service-paused": "Somebody has paused it, and mail waits.",
    "service-loops": "It ends soon after each start; its log says why.",
    "service-private": "multilog then ends at each start, and nothing is logged.",
    "queued-socket-missing": "Programs hand their mail over there; now each gets a "
    "temporary error.",
    "smtpd-silent": "A client that is met so brings no mail; nothing that was looked at "
    "tells why, so look at what the service says.",
    "port-taken": "tcpserver cannot listen there, and mail goes to another program.",
    "other-mailer": "Two mail systems on a machine take mail from each other.",
    "ipv6-no-listener": "A host that tries an IPv6 address of this machine is refused, "
    "and comes late or not at all.",
    "resolver-not-configured": "Without DNS no mail leaves for other hosts.",
    "resolver-dead": "Every look-up waits for it, and without DNS no mail leaves for "
    "other hosts.",
    "resolver-failing": "Without DNS no mail leaves for other hosts.",
    "no-ptr": "Many servers refuse mail from an address without a name; only who gave "
    "you the address can add one: your provider.",
    "rules-cdb-missing": "tcpserver drops every connection without it.",
    "rules-cdb-old": "Changes in the rules have no effect before it is made again.",
    "rules-cdb-unreadable": "tcpserver drops every connection that it cannot look up.",
    "rules-cdb-broken": "tcpserver drops every connection that it cannot look up.",
    "rules-bad-line": "tcprules refuses all of the file for one bad line.",
    "relay-for-all": "This rule lets the whole world send mail through this server.",
    "alias-missing": "Mail for this name has nowhere to go.",
    "alias-link": "The user alias may have made it; qmail-local reads what it leads to.",
    "alias-unreadable": "Mail for this name waits until the user alias can read it.",
    "alias-writable": "qmail-local holds mail back where strangers could redirect it.",
    "alias-cr": "The carriage return is a part of the address, which is nobody's then.",
    "alias-loop": "Mail for this name comes back to it, and bounces.",
    "home-owner": "qmail gives mail to no user whose home is not his own.",
    "home-writable": "qmail-local holds mail back where strangers could redirect it.",
    "home-sticky": "With this bit qmail-local holds mail back: a user sets it while "
    "he changes his instructions.",
    "dot-qmail-writable": "qmail-local holds mail back where strangers could redirect it.",
    "maildir-missing": "Mail for this user waits until he has one.",
    "maildir-owner": "Mail is delivered as the user, who cannot write there.",
    "maildir-link": "Mail waits where the user cannot write; only he can say where it "
    "should lead.",
    "maildir-broken": "Mail for this user waits until it is a whole Maildir.",
    "sendmail-foreign": "Programs hand their mail over to another mail system, which may "
    "keep it for ever.",
    "sendmail-missing": "cron, monitors and web programs call it to send mail.",
    "path-foreign": "You, and qmailctl, then run these instead of the ones installed here.",
    "interpreter-missing": "No program can start; an upgrade of the system may have "
    "taken it away.",
    "interpreter-private": "The daemons run as other users and cannot start.",
    "interpreter-changeable": "Who can change it can do all that root can.",
    "interpreter-broken": "The daemons, which run as other users than root, cannot start "
    "with it.",
    "runtime-missing": "No program that names it can start.",
    "runtime-private": "The daemons run as other users and cannot start.",
    "runtime-broken": "Programs fail where they need what is missing.",
    "softlimit-foreign": "That softlimit leaves no memory for the interpreter, and the "
    "service cannot start.",
    "softlimit-original": "The programs that it starts have less memory than they need, "
    "and end at once.",
    "disk-full": "New mail is refused, or logs are lost, when it is full.",
    "disk-no-inodes": "Every message needs several files; new mail is refused.",
    "disk-read-only": "Nothing can be queued or logged there.",
    "clock-behind": "Retries, queue lifetimes and the dates of mail go wrong.",
    "unreadable": "The doctor could not look there, nor may the programs.",
    "too-slow": "What hangs there may have programs hang that use it.",
    "not-looked-at": "What is wrong there, if anything, was not found.",
}
"""Why each matters, in a sentence. A code is for ever: scripts read them."""


@dataclass(frozen=True)
class Finding:
    """One mistake, and the command that mends it.

    A command has no words that the operator must replace: it would be pasted as it is.
    """

    code: str
    what: str
    remedy: str
    detail: str = ""
    """What else is known of it; inst_check leaves it out, as it always has."""

    @property
    def why(self) -> str:
        """Why it matters."""
        return CODES[self.code]

    def as_dict(self) -> dict[str, str]:
        """For --json."""
        what = f"{self.what}: {self.detail}" if self.detail else self.what
        return {
            "code": self.code,
            "what": printable(what),
            "why": self.why,
            "try": printable(self.remedy),
        }
