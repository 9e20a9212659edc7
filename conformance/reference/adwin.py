"""Where river's ADWIN finds changes, for the test of ours. Writes adwin.json into the folder given.

python adwin.py FOLDER      (pip install river)
"""

import json
import random
import sys
from pathlib import Path

from river.drift import ADWIN

LENGTH = 2400


def stream(seed, rate_at):
    draws = random.Random(seed)
    return "".join("1" if draws.random() < rate_at(row) else "0" for row in range(LENGTH))


def changes(values):
    detector = ADWIN(delta=0.002, clock=32, max_buckets=5, min_window_length=5, grace_period=10)
    found = []
    for row, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            found.append(row)
    return {"changes": found, "width": int(detector.width), "mean": detector.estimation}


SHAPES = {
    "still": lambda row: 0.2,
    "still, rare": lambda row: 0.02,
    "a rise": lambda row: 0.2 if row < 1200 else 0.5,
    "a small rise": lambda row: 0.2 if row < 1200 else 0.32,
    "a fall": lambda row: 0.45 if row < 1200 else 0.1,
    "up and down": lambda row: 0.1 if row < 800 or row >= 1600 else 0.6,
    "a slope": lambda row: 0.1 + 0.5 * row / LENGTH,
    "a late step": lambda row: 0.3 if row < 2200 else 0.8,
}

cases = []
for name, shape in SHAPES.items():
    for seed in range(3):
        text = stream(f"{name} {seed}", shape)
        cases.append({"name": f"{name}, seed {seed}", "stream": text, **changes([int(bit) for bit in text])})
Path(sys.argv[1]).joinpath("adwin.json").write_text(json.dumps(cases, indent=1) + "\n")
