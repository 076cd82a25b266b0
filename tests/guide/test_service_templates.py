"""pyqmail service on the guide's installation: a service added, used, and removed."""

from __future__ import annotations

from tests.guide.server import GuideServer

PORT = 2587


def test_submission_service_is_added_used_and_removed(server: GuideServer) -> None:
    server.run("printf '127.:allow,RELAYCLIENT=\"\"\\n:deny\\n' > /etc/tcp.submission")
    rules = "tcprules /etc/tcp.submission.cdb /etc/tcp.submission.tmp"
    server.run(f"{rules} < /etc/tcp.submission")
    out = server.run(f"pyqmail service add submission --port {PORT}").stdout
    assert "to start it: ln -s /var/qmail/supervise/submission /service" in out
    assert "/submission" not in server.run("echo /service/*").stdout
    server.run("ln -s /var/qmail/supervise/submission /service")
    try:
        server.wait_up("submission", "submission/log")
        server.wait_port(PORT)
        said = server.run(
            f"printf 'HELO x\\nMAIL FROM:<a@b.example>\\n"
            f"RCPT TO:<x@far.example>\\nQUIT\\n' > /tmp/dialogue; "
            f"mconnect 127.0.0.1 {PORT} < /tmp/dialogue"
        ).stdout
        assert said.count("\n250 ok") == 2
        log = "/var/log/qmail/submission/current"
        server.until(
            lambda: " ok " in server.run(f"cat {log}", check=False).stdout, "a line"
        )
    finally:
        server.run("pyqmail service remove submission")
    assert server.run("svok /var/qmail/supervise/submission", check=False).returncode
    assert server.run("ls -A /service | grep submission", check=False).stdout == ""
    server.run("test -s /var/log/qmail/submission/current")
    server.run("rm -r /var/qmail/supervise/submission /etc/tcp.submission*")


def test_service_that_misses_its_programs_is_not_added(server: GuideServer) -> None:
    done = server.run(
        "pyqmail service add pop3d --checkpassword /bin/nosuch", check=False
    )
    assert done.returncode == 111
    assert "/bin/nosuch" in done.stderr
    assert "pop3d" not in server.run("ls /var/qmail/supervise").stdout
