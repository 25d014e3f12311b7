"""The command line: parse, call, print. A module for each command, which imports what is heavy when it runs.

program.py runs a command and turns every way to fail into one line; parser.py holds what the commands share.
"""

from patchworld.cli.program import main

__all__ = ["main"]
