"""A file system in memory that can lose power: the test's side of pytools.base.seams.Fs.

Two images: the volatile one is what programs see, the durable one what a power cut
leaves for sure. fsync on a file makes its data durable, fsync on a directory its
entries; anything else may reach the disk in any order, or not at all.

    fs = CrashFs([b"mess/1", b"todo"], cut_after=7)
    try: work(fs)
    except PowerCut: pass
    for disk in fs.reboots(): check(disk)

`cut_after` counts the calls that change something (and fsync); `fail_at` makes one of
them fail instead. The number of a freed inode is given again, lowest first, as soon as
no power cut can bring its name back.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import stat
from collections.abc import Callable, Iterable, Iterator

REBOOTS = 256


class PowerCut(BaseException):
    """The machine is off: nothing a program does from here on has any effect."""


class Node:
    """An inode."""

    def __init__(self, number: int, is_dir: bool) -> None:
        self.number = number
        self.is_dir = is_dir
        self.mode = 0o755 if is_dir else 0o644
        self.data = b""
        self.safe_data = b""
        self.entries: dict[bytes, int] = {}
        self.safe_entries: dict[bytes, int] = {}
        self.mtime = 0.0


class Stat:
    """What stat gives."""

    def __init__(self, node: Node, nlink: int) -> None:
        kind = stat.S_IFDIR if node.is_dir else stat.S_IFREG
        self.st_mode = kind | node.mode
        self.st_ino = node.number
        self.st_dev = 1
        self.st_nlink = nlink
        self.st_uid = self.st_gid = 0
        self.st_size = len(node.data)
        self.st_atime = self.st_mtime = self.st_ctime = node.mtime


class Opened:
    """An open file."""

    def __init__(self, node: Node, append: bool) -> None:
        self.node = node
        self.position = 0
        self.append = append


class CrashFs:
    """The calls of Fs, and reboots()."""

    def __init__(
        self,
        directories: Iterable[bytes] = (),
        cut_after: int | None = None,
        fail_at: tuple[int, int] | None = None,
    ) -> None:
        self.nodes = {1: Node(1, is_dir=True)}
        self.graves: dict[int, Node] = {}  # forgotten, but perhaps not by the disk
        self.opened: dict[int, Opened] = {}
        self.calls: list[str] = []
        self.cut_after = None
        self.fail_at = None
        self.now = 1_000_000.0
        for path in directories:
            self._make_parents(path)
        for node in self.nodes.values():
            node.safe_entries = dict(node.entries)
        self.calls.clear()
        self.cut_after = cut_after
        self.fail_at = fail_at

    def _make_parents(self, path: bytes) -> None:
        parts = path.split(b"/")
        for end in range(1, len(parts) + 1):
            try:
                self.mkdir(b"/".join(parts[:end]))
            except FileExistsError:
                pass

    # What a call costs: a step, at which the power may go or the call may fail.

    def _step(self, name: str) -> None:
        if self.cut_after is not None and len(self.calls) >= self.cut_after:
            raise PowerCut(name)
        self.calls.append(name)
        if self.fail_at is not None and self.fail_at[0] == len(self.calls):
            number = self.fail_at[1]
            raise OSError(number, os.strerror(number))

    def _look(self) -> None:
        if self.cut_after is not None and len(self.calls) > self.cut_after:
            raise PowerCut

    # Names.

    def _node(self, path: bytes) -> Node:
        node = self.nodes[1]
        for name in path.split(b"/"):
            if name in (b"", b"."):
                continue
            if name not in node.entries:
                raise _error(errno.ENOENT, path)
            node = self.nodes[node.entries[name]]
        return node

    def _place(self, path: bytes) -> tuple[Node, bytes]:
        head, _, name = path.rpartition(b"/")
        return self._node(head), name

    def _links(self, number: int) -> int:
        return sum(
            entry == number
            for node in self.nodes.values()
            for entry in node.entries.values()
        )

    def _create(self, is_dir: bool) -> Node:
        taken = {n for node in self.nodes.values() for n in node.safe_entries.values()}
        number = 2
        while number in self.nodes or number in taken:
            number += 1
        node = Node(number, is_dir)
        node.mtime = self.now
        self.graves.pop(number, None)
        self.nodes[number] = node
        return node

    def _forget(self, number: int) -> None:
        """Free an inode that has neither name nor descriptor."""
        used = any(each.node.number == number for each in self.opened.values())
        if number != 1 and not used and not self._links(number):
            self.graves[number] = self.nodes.pop(number)

    # The calls of Fs.

    def open(self, path: bytes, flags: int, mode: int = 0o777, /) -> int:
        self._look()
        parent, name = self._place(path)
        if flags & os.O_CREAT and name not in parent.entries:
            self._step(f"create {path.decode()}")
            node = self._create(is_dir=False)
            node.mode = mode
            parent.entries[name] = node.number
        else:
            if flags & os.O_CREAT and flags & os.O_EXCL:
                raise _error(errno.EEXIST, path)
            node = self._node(path)
            if flags & os.O_TRUNC:
                self._step(f"truncate {path.decode()}")
                node.data = b""
        fd = next(n for n in itertools.count(100) if n not in self.opened)
        self.opened[fd] = Opened(node, bool(flags & os.O_APPEND))
        return fd

    def close(self, fd: int, /) -> None:
        opened = self.opened.pop(fd)
        if opened.node.number in self.nodes:
            self._forget(opened.node.number)

    def read(self, fd: int, length: int, /) -> bytes:
        self._look()
        opened = self.opened[fd]
        data = opened.node.data[opened.position : opened.position + length]
        opened.position += len(data)
        return data

    def write(self, fd: int, data: bytes | bytearray | memoryview, /) -> int:
        self._step("write")
        opened = self.opened[fd]
        node = opened.node
        at = len(node.data) if opened.append else opened.position
        node.data = (
            node.data[:at].ljust(at, b"\0") + bytes(data) + node.data[at + len(data) :]
        )
        node.mtime = self.now
        opened.position = at + len(data)
        return len(data)

    def lseek(self, fd: int, position: int, how: int, /) -> int:
        opened = self.opened[fd]
        base = (0, opened.position, len(opened.node.data))[how]
        opened.position = base + position
        return opened.position

    def fsync(self, fd: int, /) -> None:
        self._step("fsync")
        node = self.opened[fd].node
        node.safe_data = node.data
        node.safe_entries = dict(node.entries)

    def ftruncate(self, fd: int, length: int, /) -> None:
        self._step("ftruncate")
        node = self.opened[fd].node
        node.data = node.data[:length].ljust(length, b"\0")

    def fchmod(self, fd: int, mode: int, /) -> None:
        self.opened[fd].node.mode = mode

    def fstat(self, fd: int, /) -> Stat:
        self._look()
        node = self.opened[fd].node
        return Stat(node, self._links(node.number))

    def stat(self, path: bytes, /) -> Stat:
        self._look()
        node = self._node(path)
        return Stat(node, self._links(node.number))

    def link(self, src: bytes, dst: bytes, /) -> None:
        node = self._node(src)
        parent, name = self._place(dst)
        if name in parent.entries:
            raise _error(errno.EEXIST, dst)
        self._step(f"link {dst.decode()}")
        parent.entries[name] = node.number

    def unlink(self, path: bytes, /) -> None:
        parent, name = self._place(path)
        if name not in parent.entries:
            raise _error(errno.ENOENT, path)
        self._step(f"unlink {path.decode()}")
        self._forget(parent.entries.pop(name))

    def rename(self, src: bytes, dst: bytes, /) -> None:
        parent, name = self._place(src)
        target, new_name = self._place(dst)
        if name not in parent.entries:
            raise _error(errno.ENOENT, src)
        self._step(f"rename {dst.decode()}")
        replaced = target.entries.get(new_name)
        target.entries[new_name] = parent.entries.pop(name)
        if replaced is not None:
            self._forget(replaced)

    def mkdir(self, path: bytes, mode: int = 0o777, /) -> None:
        parent, name = self._place(path)
        if name in parent.entries:
            raise _error(errno.EEXIST, path)
        self._step(f"mkdir {path.decode()}")
        node = self._create(is_dir=True)
        node.mode = mode
        parent.entries[name] = node.number

    def listdir(self, path: bytes, /) -> list[bytes]:
        self._look()
        return list(self._node(path).entries)

    # What tests look at.

    def content(self, path: bytes) -> bytes | None:
        """The data of a file; None if there is no such file."""
        try:
            return self._node(path).data
        except FileNotFoundError:
            return None

    def make_safe(self) -> None:
        """Everything reaches the disk, as after a while without work."""
        for node in self.nodes.values():
            node.safe_data = node.data
            node.safe_entries = dict(node.entries)
        self.graves.clear()

    # The power cut.

    def reboots(self, most: int = REBOOTS) -> Iterator[CrashFs]:
        """Every disk that a power cut now may leave; a sample if they are too many.

        The first keeps all, the second drops all that was not synced.
        """
        units = list(self._pending())
        keep_all = tuple(0 for _ in units)
        drop_all = tuple(len(unit) - 1 for unit in units)
        yield self._reboot(units, keep_all)
        if not units:
            return
        yield self._reboot(units, drop_all)
        ways = 1
        for unit in units:
            ways *= len(unit)
        if ways <= most:
            choices: Iterable[tuple[int, ...]] = itertools.product(
                *(range(len(unit)) for unit in units)
            )
        else:
            rng = random.Random(ways)
            choices = [
                tuple(rng.randrange(len(unit)) for unit in units) for _ in range(most)
            ]
        for choice in choices:
            if choice not in (keep_all, drop_all):
                yield self._reboot(units, choice)

    def _pending(self) -> Iterator[list[Callable[[CrashFs], None]]]:
        """What may or may not be on the disk: each a list of ways, newest first."""
        for node in [*self.nodes.values(), *self.graves.values()]:
            for name in sorted({*node.entries, *node.safe_entries}):
                new, old = node.entries.get(name), node.safe_entries.get(name)
                if new != old:
                    yield [_entry(node, name, new), _entry(node, name, old)]
            if node.data != node.safe_data:
                longer = max(node.data, node.safe_data, key=len)
                torn = longer[: (len(node.data) + len(node.safe_data)) // 2]
                yield [_data(node, d) for d in (node.data, torn, node.safe_data)]

    def _reboot(
        self, units: list[list[Callable[[CrashFs], None]]], choice: tuple[int, ...]
    ) -> CrashFs:
        disk = CrashFs()
        disk.now = self.now
        for number, node in {**self.graves, **self.nodes}.items():
            copy = Node(number, node.is_dir)
            copy.mode, copy.mtime = node.mode, node.mtime
            copy.data = node.data
            copy.entries = dict(node.entries)
            disk.nodes[number] = copy
        for unit, way in zip(units, choice, strict=True):
            unit[way](disk)
        disk._collect()
        disk.make_safe()
        return disk

    def _collect(self) -> None:
        """Forget the inodes that no name leads to."""
        reached, todo = set(), [1]
        while todo:
            number = todo.pop()
            if number not in reached:
                reached.add(number)
                todo += self.nodes[number].entries.values()
        self.nodes = {n: node for n, node in self.nodes.items() if n in reached}


def _error(number: int, path: bytes) -> OSError:
    return OSError(number, os.strerror(number), path)


def _entry(node: Node, name: bytes, target: int | None) -> Callable[[CrashFs], None]:
    def apply(disk: CrashFs) -> None:
        entries = disk.nodes[node.number].entries
        entries.pop(name, None)
        if target is not None:
            entries[name] = target

    return apply


def _data(node: Node, data: bytes) -> Callable[[CrashFs], None]:
    def apply(disk: CrashFs) -> None:
        disk.nodes[node.number].data = data

    return apply
