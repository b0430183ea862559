"""What commands expect to go wrong here: the text of such a failure is all a person is shown of it."""


class Failure(Exception):
    """It could not be done; the text says why and what to do."""
