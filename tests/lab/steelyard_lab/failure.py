"""The one error of the lab."""


class LabError(Exception):
    """Something is not as it should be; the text says what, to the person who ran the lab."""
