"""Run the program as it is: ``python run.py DIRECTORY``.

Its progress is told without a change to it, by the registry alone:

    FOOTFALL_CONFIG=$PWD/footfall.yaml opentelemetry-instrument python run.py DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

import translations

print(translations.main(Path(sys.argv[1])))
