"""Writes the reference vectors that the fairness and slice tests of @slipway/evaluation compare with.

Run in a virtual environment with fairlearn, scikit-learn and scipy:
    python conformance/reference/fairness.py [FOLDER]    # default: packages/evaluation/src/testing/vectors
The vectors are frozen; fairness.test.ts runs this again where the packages are there and compares. To add cases, run it
and commit what it writes.
"""

import json
import pathlib
import sys
import warnings

import fairlearn
import numpy as np
import scipy
import sklearn
from fairlearn import metrics as f
from scipy import stats
from sklearn import metrics as m

DEFAULT = pathlib.Path(__file__).parents[2] / "packages/evaluation/src/testing/vectors"
FOLDER = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
VERSIONS = {"fairlearn": fairlearn.__version__, "scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__}
warnings.simplefilter("ignore")


def write(name, cases):
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"made_with": VERSIONS, "cases": cases}, allow_nan=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def number(value):
    value = float(value)
    return None if np.isnan(value) or np.isinf(value) else value


def by_group(frame):
    return {str(group): {name: number(value) for name, value in row.items()} for group, row in frame.by_group.to_dict("index").items()}


def decisions(name, y, p, g, threshold=0.5):
    guess = (p > threshold).astype(int)
    kw = {"sensitive_features": g}
    rates = f.MetricFrame(
        metrics={
            "count": f.count, "selection_rate": f.selection_rate, "tpr": f.true_positive_rate, "fpr": f.false_positive_rate,
            "fnr": f.false_negative_rate, "tnr": f.true_negative_rate, "accuracy": m.accuracy_score, "ppv": m.precision_score,
        },
        y_true=y, y_pred=guess, sensitive_features=g,
    )
    frame = f.MetricFrame(metrics={"fpr": f.false_positive_rate, "ppv": m.precision_score, "accuracy": m.accuracy_score}, y_true=y, y_pred=guess, sensitive_features=g)
    difference, ratio = frame.difference(), frame.ratio()
    return {
        "name": name, "labels": y.tolist(), "scores": p.tolist(), "groups": [str(each) for each in g], "threshold": threshold,
        "byGroup": by_group(rates),
        "disparities": {
            "demographic_parity_difference": number(f.demographic_parity_difference(y, guess, **kw)),
            "demographic_parity_ratio": number(f.demographic_parity_ratio(y, guess, **kw)),
            "equalized_odds_difference": number(f.equalized_odds_difference(y, guess, **kw)),
            "equalized_odds_ratio": number(f.equalized_odds_ratio(y, guess, **kw)),
            "equal_opportunity_difference": number(f.equal_opportunity_difference(y, guess, **kw)),
            "equal_opportunity_ratio": number(f.equal_opportunity_ratio(y, guess, **kw)),
            "false_positive_rate_difference": number(difference["fpr"]),
            "false_positive_rate_ratio": number(ratio["fpr"]),
            "predictive_parity_difference": number(difference["ppv"]),
            "predictive_parity_ratio": number(ratio["ppv"]),
            "accuracy_difference": number(difference["accuracy"]),
            "accuracy_ratio": number(ratio["accuracy"]),
        },
    }


def numbers(name, y, p, g):
    rmse = lambda a, b: float(np.sqrt(m.mean_squared_error(a, b)))
    frame = f.MetricFrame(
        metrics={"mae": m.mean_absolute_error, "rmse": rmse, "mean_prediction": f.mean_prediction, "mean_error": lambda a, b: float(np.mean(b - a))},
        y_true=y, y_pred=p, sensitive_features=g,
    )
    difference, ratio = frame.difference(), frame.ratio()
    return {
        "name": name, "truth": y.tolist(), "predictions": p.tolist(), "groups": [str(each) for each in g], "byGroup": by_group(frame),
        "disparities": {
            "mae_difference": number(difference["mae"]), "mae_ratio": number(ratio["mae"]),
            "rmse_difference": number(difference["rmse"]), "rmse_ratio": number(ratio["rmse"]),
            "mean_prediction_difference": number(difference["mean_prediction"]), "mean_prediction_ratio": number(ratio["mean_prediction"]),
            "mean_error_difference": number(difference["mean_error"]),
        },
    }


def fairness_cases():
    rng = np.random.default_rng(20)
    for name, rows, names, lean in [("two groups", 240, "ab", 0.2), ("five groups", 400, "abcde", 0.1), ("even", 120, "ab", 0.0)]:
        g = rng.choice(list(names), rows)
        y = (rng.random(rows) < 0.4).astype(int)
        p = np.clip(0.35 * y + 0.5 * rng.random(rows) + lean * (g == names[0]), 0.001, 0.999)
        yield decisions(name, y, p, g)
    g = np.array(list("aaaabbbbbc"))
    y = np.array([0, 0, 1, 1, 0, 0, 0, 0, 0, 1])
    p = np.array([0.2, 0.7, 0.9, 0.1, 0.6, 0.2, 0.1, 0.3, 0.8, 0.9])
    yield decisions("a group without positives, a group of one row", y, p, g)
    a, b = rng.choice(list("xy"), 300), rng.choice(list("uvw"), 300)
    y = (rng.random(300) < 0.5).astype(int)
    p = np.clip(0.4 * y + 0.6 * rng.random(300), 0.001, 0.999)
    yield decisions("an intersection, another threshold", y, p, np.array([f"{i}{j}" for i, j in zip(a, b)]), threshold=0.62)


def number_cases():
    rng = np.random.default_rng(21)
    for name, rows, names in [("two groups", 150, "ab"), ("four groups", 300, "abcd")]:
        g = rng.choice(list(names), rows)
        y = rng.gamma(2.0, 10.0, rows)
        yield numbers(name, y, np.abs(y + rng.normal(0, 3, rows) + 2 * (g == names[0])), g)


def test_cases():
    rng = np.random.default_rng(22)
    for rows, others, shift, scale in [(30, 400, 0.0, 1.0), (30, 400, 0.8, 2.0), (5, 9, -1.0, 0.5), (200, 5000, 0.2, 3.0), (1000, 1000, 0.01, 1.0)]:
        a, b = rng.exponential(scale, rows) + shift, rng.exponential(1.0, others)
        greater = stats.ttest_ind(a, b, equal_var=False, alternative="greater")
        single = stats.ttest_1samp(a, 0.0)
        low, high = stats.t.interval(0.95, rows - 1, loc=a.mean(), scale=stats.sem(a))
        yield {
            "left": a.tolist(), "right": b.tolist() if others <= 500 else None,
            "right_sums": [others, float(b.sum()), float((b * b).sum())],
            "statistic": float(greater.statistic), "df": float(greater.df), "greater": float(greater.pvalue),
            "two_sided": float(stats.ttest_ind(a, b, equal_var=False).pvalue),
            "one_sample": float(single.pvalue), "low": float(low), "high": float(high),
        }


def tail_cases():
    for df in [1, 2, 3.5, 7, 29, 100.25, 1e4, 1e6]:
        for t in [0.0, 0.1, 0.7, 1.0, 2.0, 3.3, 6.0, 12.0]:
            yield {"t": t, "df": df, "tail": float(stats.t.sf(t, df))}


def discovery_cases():
    rng = np.random.default_rng(23)
    for size in [1, 2, 10, 200]:
        p = np.where(rng.random(size) < 0.3, rng.random(size) ** 6, rng.random(size))
        yield {"p": p.tolist(), "adjusted": stats.false_discovery_control(p).tolist()}


def wilson_cases():
    for successes, trials in [(0, 1), (1, 1), (0, 40), (40, 40), (3, 17), (812, 1000), (1, 100000)]:
        ci = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
        yield {"successes": successes, "trials": trials, "low": float(ci.low), "high": float(ci.high)}


write("fairness", list(fairness_cases()))
write("fairness-numbers", list(number_cases()))
write("means", list(test_cases()))
write("student", list(tail_cases()))
write("discovery", list(discovery_cases()))
write("wilson", list(wilson_cases()))
