"""Writes the reference vectors of the forecast metrics of @slipway/statistics.

Run in a virtual environment with utilsforecast (and its numpy and pandas):
    python conformance/reference/forecast.py [FOLDER]    # default: packages/statistics/src/testing/vectors
The vectors are frozen. To add cases, run it and commit what it writes.
sMAPE of utilsforecast is a ratio of |y| + |f| (half of M4's 2·|y - f| / (|y| + |f|)), hence the factor 200; its MASE takes the
training series; its coverage is the share inside; the interval score is Gneiting & Raftery 2007, equation 43, in numpy.
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd
import utilsforecast
from utilsforecast import losses

DEFAULT = pathlib.Path(__file__).parents[2] / "packages/statistics/src/testing/vectors"
FOLDER = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
VERSIONS = {"utilsforecast": utilsforecast.__version__, "numpy": np.__version__, "pandas": pd.__version__}


def frame(**columns):
    length = len(next(iter(columns.values())))
    return pd.DataFrame({"unique_id": "a", "ds": np.arange(length), **columns})


def case(random, season, level):
    history = np.round(random.normal(50, 20, 40) + 10 * np.sin(np.arange(40) * 2 * np.pi / season), 3)
    truth = np.round(random.normal(50, 20, 12), 3)
    forecast = np.round(truth + random.normal(0, 8, 12), 3)
    low, high = forecast - 9.5, forecast + 7.25
    table = frame(y=truth, f=forecast, **{f"f-lo-{level}": low, f"f-hi-{level}": high})
    train = frame(y=history)
    alpha = 1 - level / 100
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return {
        "history": history.tolist(), "season": season, "level": level / 100, "truth": truth.tolist(),
        "forecast": forecast.tolist(), "low": low.tolist(), "high": high.tolist(),
        "smape": float(losses.smape(table, ["f"])["f"].iloc[0]) * 200,
        "mase": float(losses.mase(table, ["f"], season, train)["f"].iloc[0]),
        "coverage": float(losses.coverage(table, ["f"], level)["f"].iloc[0]),
        "intervalScore": float(np.mean(high - low + (2 / alpha) * outside)),
    }


random = np.random.default_rng(7)
cases = [case(random, season, level) for season in (1, 4, 12) for level in (50, 80, 90, 95)]
FOLDER.mkdir(exist_ok=True)
(FOLDER / "forecast.json").write_text(json.dumps({"made_with": VERSIONS, "cases": cases}, allow_nan=False) + "\n")
