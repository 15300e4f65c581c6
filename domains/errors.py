"""What a user of a domain is told when the input is wrong."""


class InputError(ValueError):
    """A user's input is wrong; the message is one line that says what, where and what to do.

    `where` leads to the declaration at fault, such as ("laws", "energy"), for those who know lines of a file.
    """

    def __init__(self, message: str, where: tuple[str, ...] = ()):
        super().__init__(message)
        self.where = where
