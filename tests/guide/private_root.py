"""A private root: the machine's own files below an overlay, with its own mounts,
processes, network, host name. What is installed in it is gone when it is closed.

Needs root, unshare and overlayfs. Its network has a loopback interface and nothing else.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import cannot_run

INIT = """
import fcntl, os, select, signal, socket, struct, sys
base, host, extra = sys.argv[1], sys.argv[2], sys.argv[3:]
def sh(line):
    status = os.system(line)
    if status:
        sys.exit(f"failed: {line}")
sh("mount --make-rprivate /")
sh(f"mount -t tmpfs tmpfs {base}")
for name in ("upper", "work", "root"):
    os.mkdir(f"{base}/{name}")
root = f"{base}/root"
layers = f"lowerdir=/,upperdir={base}/upper,workdir={base}/work"
sh(f"mount -t overlay overlay -o {layers} {root}")
sh(f"mount -t proc proc {root}/proc")
for name in ("dev", "run", "tmp"):
    sh(f"mount -t tmpfs -o mode=1777 tmpfs {root}/{name}")
# Its own /dev: what root does to a name in it must not be done to the machine's.
for name in ("null", "zero", "full", "random", "urandom", "tty"):
    open(f"{root}/dev/{name}", "w").close()
    sh(f"mount --bind /dev/{name} {root}/dev/{name}")
os.symlink("/proc/self/fd", f"{root}/dev/fd")
for number, name in enumerate(("stdin", "stdout", "stderr")):
    os.symlink(f"fd/{number}", f"{root}/dev/{name}")
for name in ("pts", "shm"):
    os.mkdir(f"{root}/dev/{name}")
sh(f"mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts {root}/dev/pts")
os.symlink("pts/ptmx", f"{root}/dev/ptmx")
sh(f"mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm")
for path in extra:
    os.makedirs(root + path, exist_ok=True)
    sh(f"mount --rbind {path} {root}{path}")
interface = socket.socket()
fcntl.ioctl(interface, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
interface.close()
socket.sethostname(host)
os.chroot(root)
os.chdir("/")
for gone in ("/service", "/etc/tcp.smtp", "/etc/tcp.smtp.cdb"):
    assert not os.path.exists(gone), gone
print("ready", flush=True)
os.dup2(os.open("/dev/null", os.O_RDWR), 1)
# This is process 1: it adopts and reaps what others leave.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
while True:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    signal.sigtimedwait([signal.SIGCHLD], 1)
    if select.select([0], [], [], 0)[0]:
        # Whoever made this is gone, however it ended; so go all processes in here.
        sys.exit()
"""


class PrivateRoot:
    """``run`` and ``start`` execute inside; ``close`` ends every process in it."""

    def __init__(self, host: str, binds: list[str] | None = None) -> None:
        if os.geteuid() != 0:
            cannot_run("needs root for a private root (unshare, overlayfs)")
        for needed, package in (
            ("unshare", "util-linux"),
            ("nsenter", "util-linux"),
            ("ps", "procps"),
            ("pkill", "procps"),
        ):
            if shutil.which(needed) is None:
                cannot_run(f"needs the Debian package {package}")
        self.base = tempfile.mkdtemp(prefix="private-root-")
        command = ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork"]
        command += ["--kill-child", "/usr/bin/python3", "-ISc", INIT, self.base, host]
        self._unshare = subprocess.Popen(
            [*command, *(binds or [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._unshare.stdout is not None
        if self._unshare.stdout.readline() != "ready\n":
            _, err = self._unshare.communicate()
            os.rmdir(self.base)
            cannot_run(f"no private root: {err.strip().splitlines()[-1]}")
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        self.pid = int(children.read_text().split()[0])

    def _inside(self, command: str) -> list[str]:
        enter = [
            "nsenter",
            "-t",
            str(self.pid),
            "-m",
            "-p",
            "-n",
            "-u",
            "-i",
            "-r",
            "-w",
        ]
        return [*enter, "/bin/sh", "-c", command]

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        stdin: str | bytes = b"",
        seconds: float = 120.0,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command to its end; with ``check`` a failure fails the test."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        raw = subprocess.run(
            self._inside(command),
            input=data,
            capture_output=True,
            timeout=seconds,
            env={**ENVIRONMENT, **(env or {})},
            check=False,
        )
        done = subprocess.CompletedProcess(
            command,
            raw.returncode,
            raw.stdout.decode("utf-8", "replace"),
            raw.stderr.decode("utf-8", "replace"),
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{command!r} exited {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start a shell command and leave it running."""
        return subprocess.Popen(
            self._inside(command), stdin=subprocess.DEVNULL, env=ENVIRONMENT
        )

    def read(self, path: str) -> str:
        """The text of a file inside."""
        return self.run(f"cat '{path}'").stdout

    def write(self, path: str, text: str | bytes) -> None:
        """Make a file inside, as root."""
        self.run(f"cat > '{path}'", stdin=text)

    def close(self) -> None:
        """End every process inside and forget every change."""
        self._unshare.send_signal(signal.SIGKILL)
        self._unshare.communicate()
        for _ in range(100):
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                break
        os.rmdir(self.base)

    def __enter__(self) -> PrivateRoot:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C",
}


if __name__ == "__main__":
    with PrivateRoot("foobar.example.com") as place:
        print(place.run(sys.argv[1], check=False))
