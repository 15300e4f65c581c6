"""Text between marks in a document: what commands of this folder rewrite."""


def replaced(text: str, mark: str, content: str) -> str:
    """The text with what stands between `<!-- mark:begin -->` and `<!-- mark:end -->` exchanged.

    Raises:
        ValueError: there is no such pair of marks, or more than one.
    """
    start, stop = _inside(text, mark)
    return f"{text[:start]}\n{content}\n{text[stop:]}"


def between(text: str, mark: str) -> str:
    """What stands between such marks; ValueError as for `replaced`."""
    start, stop = _inside(text, mark)
    return text[start:stop].strip()


def _inside(text: str, mark: str) -> tuple[int, int]:
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"expected one {begin} and one {end} after it")
    return text.index(begin) + len(begin), text.index(end)
