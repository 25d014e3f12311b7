"""Claims about the options that all commands share that dream."""

from patchworld.cli.dreaming import SAMPLING, add_dreaming
from patchworld.cli.parser import Parser
from patchworld.generate import Sampling


def test_the_defaults_of_commands_are_those_of_sampling():
    parser = add_dreaming(Parser().add_subparsers(), "dream", "help")
    options = parser.parse_args(["-o", "out.mp4"])
    assert {name: getattr(options, name) for name in SAMPLING} == {name: getattr(Sampling(), name) for name in SAMPLING}
