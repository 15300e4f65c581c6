"""Text between marks in a document: what commands of this folder rewrite."""


def replaced(text: str, mark: str, content: str) -> str:
    """The text with what stands between `<!-- mark:begin -->` and `<!-- mark:end -->` exchanged.

    Raises:
        ValueError: there is no such pair of marks, or more than one.
    """
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"expected one {begin} and one {end} after it")
    return f"{text[: text.index(begin)]}{begin}\n{content}\n{text[text.index(end) :]}"
