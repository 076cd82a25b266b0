"""Messages a second that a local user queues, a process each."""

from __future__ import annotations

from tests.bench.instance import MESSAGE_BYTES, USER, instance
from tests.bench.table import Row, measure

BENCH = "local injections a second, 4 KB, 4 at once, qmail-send down"
MESSAGES = 200
AT_ONCE = 4

DRIVER = """
import os, sys, time
total, at_once = int(sys.argv[1]), int(sys.argv[2])
command = sys.argv[3:]
message = [(os.POSIX_SPAWN_OPEN, 0, "/tmp/message", os.O_RDONLY, 0)]
running, began = 0, time.monotonic()
for _ in range(total):
    if running == at_once:
        assert os.wait()[1] == 0
        running -= 1
    os.posix_spawn(command[0], command, os.environ, file_actions=message)
    running += 1
while running:
    assert os.wait()[1] == 0
    running -= 1
print(total / (time.monotonic() - began))
"""


def rows() -> list[Row]:
    with instance() as server:
        server.stop_delivery()
        server.server.root.write("/tmp/driver.py", DRIVER)
        body = "Subject: test\n\n" + "line of sixteen\n" * (MESSAGE_BYTES // 16)
        server.server.root.write("/tmp/message", body)

        def inject(command: str) -> float:
            driver = f"python3 -IS /tmp/driver.py {MESSAGES} {AT_ONCE} {command}"
            return float(server.run(f"su {USER} -c '{driver}'").stdout)

        return [
            measure(name, "msg/s", {"": lambda c=command: inject(c)})  # type: ignore[misc]
            for name, command in (
                ("qmail-inject", f"/var/qmail/bin/qmail-inject {USER}"),
                ("sendmail", f"/var/qmail/bin/sendmail {USER}"),
            )
        ]
