"""YAML as plain text with the line of everything in it; no tags, no aliases, nothing that makes an object."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from lawful.domains.errors import InputError

_LARGEST = 2**22
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "bool", "int", "float", "timestamp", "merge", "value")}
_NOTHING = ("", "~", "null")

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Located:
    """Nested mappings, lists and words, and the line and column (from 1) of each place in them.

    Every scalar is the word that stands in the file, so that a variable called `NO` stays one and 1e-9 is no text to
    one reader and a number to the next; what a word means, the declarations decide. Nothing, `~` and `null` are None.
    """

    path: Path
    content: Any
    marks: dict[Place, tuple[int, int]]

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest that encloses it."""
        while place and place not in self.marks:
            place = place[:-1]
        return self.marks[place][0]


def read_yaml(path: Path) -> Located:
    """Read a YAML file.

    Raises:
        InputError: there is no such file, it is no YAML, or uses tags, aliases or a key twice; the line is named.
    """
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}{where}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())[:120]}") from error
    except RecursionError as error:
        raise InputError(f"{path}: too deeply nested") from error
    if node is None:
        raise InputError(f"{path}: the file is empty; `lawful init` writes one to start from")
    reader = _Reader(path)
    return Located(path, reader.read(node, ()), reader.marks)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: larger than {_LARGEST // 2**20} MiB, which no domain is; give data with --data")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text in UTF-8 (byte {error.start}); is it a data file?") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from error


class _Reader:
    """Turns nodes into plain values and keeps their places."""

    def __init__(self, path: Path):
        self.path, self.marks, self.seen = path, dict[Place, tuple[int, int]](), set[int]()

    def read(self, node: yaml.Node, place: Place) -> Any:
        self.marks.setdefault(place, (node.start_mark.line + 1, node.start_mark.column + 1))
        if id(node) in self.seen:
            self.refuse(node, "aliases (*name) are not understood; write it out")
        self.seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if isinstance(node, yaml.SequenceNode):
            self.require_tag(node, "tag:yaml.org,2002:seq")
            return [self.read(item, (*place, i)) for i, item in enumerate(node.value)]
        self.require_tag(node, "tag:yaml.org,2002:map")
        return self.mapping(node, place)

    def scalar(self, node: yaml.ScalarNode) -> str | None:
        if node.tag not in _TAGS:
            self.refuse(node, f"tag {node.tag!r} is not understood")
        # Folded text ends with a line break of its own.
        return None if node.style is None and node.value in _NOTHING else node.value.strip()

    def mapping(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key, value in node.value:
            name = self.scalar(key) if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                self.refuse(key, "a name is missing before ':'")
            if name in content:
                self.refuse(key, f"{name!r} stands here twice")
            self.marks[(*place, name)] = (key.start_mark.line + 1, key.start_mark.column + 1)
            content[name] = self.read(value, (*place, name))
        return content

    def require_tag(self, node: yaml.Node, tag: str) -> None:
        if node.tag != tag:
            self.refuse(node, f"tag {node.tag!r} is not understood")

    def refuse(self, node: yaml.Node, reason: str) -> NoReturn:
        mark = node.start_mark
        raise InputError(f"{self.path}, line {mark.line + 1}, column {mark.column + 1}: {reason}")
