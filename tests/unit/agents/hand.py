"""Somebody who edits agents' files by hand, as people do."""

import os
import stat
from pathlib import Path

BY_HAND = "---\nname: By hand # mine\nmood: calm\n---\nYou are made by hand.\n"


class Hand:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str = BY_HAND, name: str = "by-hand.md") -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / name
        file.write_bytes(text.encode())
        return file

    def write_unnoticed(self, text: str) -> None:
        """In the same file, with the time that it had."""
        file = self.folder / "by-hand.md"
        before = file.stat()
        file.write_text(text)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    def replace(self, text: str) -> None:
        """As editors do: a new file in the place of the old one."""
        self.write(text, ".by-hand.md.swp").rename(self.folder / "by-hand.md")

    def remove(self) -> None:
        (self.folder / "by-hand.md").unlink()

    def protect(self, mode: int) -> None:
        (self.folder / "by-hand.md").chmod(mode)

    def mode(self) -> int:
        return stat.S_IMODE((self.folder / "by-hand.md").stat().st_mode)

    def read(self, name: str = "by-hand.md") -> str:
        return (self.folder / name).read_bytes().decode()

    def names(self) -> list[str]:
        """Of all that is in the folder, hidden or not."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []
