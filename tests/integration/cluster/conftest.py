"""Makes the fake work function importable by its name, here and in the processes of a cluster."""

import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.append(HERE)
