"""`python -m patchworld`: what `torchrun -m patchworld` starts on every device."""

import sys

from patchworld.cli import main

sys.exit(main())
