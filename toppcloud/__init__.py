"""The words that every floor of the house shares. Imports none of the other floors."""

__version__ = "0.1.0"
