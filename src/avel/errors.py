"""The one error that a user is meant to read."""


class UserError(Exception):
    """Something the user can mend: the message names the file or key, what is wrong with it and what to do."""
