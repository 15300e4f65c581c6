"""What a user of a domain is told when the input is wrong."""


class InputError(ValueError):
    """A user's input is wrong; the message is one line that says what, where and what to do."""
