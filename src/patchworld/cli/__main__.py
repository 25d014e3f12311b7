"""python -m patchworld.cli"""

import sys

from patchworld.cli import main

sys.exit(main())
