"""Writes the reference vectors that the tests of this workspace compare with.

Run in a virtual environment with scikit-learn and scipy:
    python generate-vectors.py            # writes vectors/*.json beside this file
The vectors are frozen: run it again only to add cases, and say with which versions.
"""

import json
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
from scipy import special, stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as m

FOLDER = pathlib.Path(__file__).parent / "vectors"
VERSIONS = {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__}
warnings.simplefilter("ignore")


def write(name, cases):
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({"made_with": VERSIONS, "cases": cases}, allow_nan=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def number(value):
    value = float(value)
    return None if np.isnan(value) else value


def binary_case(name, y, p, w):
    guess = (p > 0.5).astype(int)
    kw = {"sample_weight": w}
    return {
        "name": name,
        "labels": y.tolist(),
        "probabilities": p.tolist(),
        "weights": None if w is None else w.tolist(),
        "expected": {
            "roc_auc": number(m.roc_auc_score(y, p, **kw)),
            "average_precision": number(m.average_precision_score(y, p, **kw)),
            "log_loss": number(m.log_loss(y, p, labels=[0, 1], **kw)),
            "brier": number(m.brier_score_loss(y, p, pos_label=1, labels=[0, 1], **kw)),
            "accuracy": number(m.accuracy_score(y, guess, **kw)),
            "precision": number(m.precision_score(y, guess, zero_division=0, **kw)),
            "recall": number(m.recall_score(y, guess, zero_division=0, **kw)),
            "f1": number(m.f1_score(y, guess, zero_division=0, **kw)),
            "mcc": number(m.matthews_corrcoef(y, guess, **kw)),
        },
    }


def binary():
    rng = np.random.default_rng(7)
    cases = []
    for name, n, share, decimals in [
        ("balanced", 200, 0.5, 17), ("rare positives", 400, 0.03, 17), ("many ties", 300, 0.4, 1),
        ("three rows", 3, 0.5, 17), ("certain answers", 100, 0.3, 0),
    ]:
        y = (rng.random(n) < share).astype(int)
        y[:2] = [0, 1]
        p = np.round(1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * (y - 0.5)))), decimals)
        cases.append(binary_case(name, y, p, None))
        cases.append(binary_case(name + ", weighted", y, p, np.round(rng.exponential(size=n), 6) + 0.01))
    y = np.array([0, 1, 0, 1, 1])
    cases.append(binary_case("constant score", y, np.full(5, 0.6), None))
    cases.append(binary_case("nothing predicted positive", y, np.full(5, 0.2), None))
    cases.append(binary_case("zero weights", y, np.array([0.1, 0.7, 0.9, 0.4, 0.7]), np.array([1.0, 0.0, 2.0, 1.0, 0.5])))
    cases.append(binary_case("only negatives", np.zeros(4, int), np.array([0.1, 0.2, 0.6, 0.2]), None))
    write("binary", cases)


def multiclass():
    rng = np.random.default_rng(11)
    cases = []
    for name, n, k, present in [("three classes", 150, 3, 3), ("a class never true", 120, 4, 3), ("ten classes", 120, 10, 10)]:
        for weighted in (False, True):
            y = rng.integers(0, present, n)
            logits = rng.normal(size=(n, k)) + 1.2 * np.eye(k)[y]
            p = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 6)
            w = np.round(rng.exponential(size=n), 6) + 0.01 if weighted else None
            guess = p.argmax(axis=1)
            cases.append({
                "name": name + (", weighted" if weighted else ""), "class_count": k, "labels": y.tolist(),
                "probabilities": p.ravel().tolist(), "weights": None if w is None else w.tolist(),
                "confusion": m.confusion_matrix(y, guess, labels=range(k), sample_weight=w).ravel().tolist(),
                "expected": {
                    "accuracy": m.accuracy_score(y, guess, sample_weight=w),
                    "macro_f1": m.f1_score(y, guess, average="macro", zero_division=0, sample_weight=w),
                    "log_loss": m.log_loss(y, p, labels=range(k), sample_weight=w),
                },
            })
    write("multiclass", cases)


def regression_case(name, y, p, w):
    kw = {"sample_weight": w}
    return {
        "name": name, "truth": y.tolist(), "predicted": p.tolist(), "weights": None if w is None else w.tolist(),
        "expected": {
            "rmse": m.root_mean_squared_error(y, p, **kw), "mae": m.mean_absolute_error(y, p, **kw),
            "r2": number(m.r2_score(y, p, **kw)), "mape": m.mean_absolute_percentage_error(y, p, **kw),
        },
    }


def regression():
    rng = np.random.default_rng(13)
    cases = []
    for name, centre, scale in [("around zero", 0, 1), ("far from zero", 1e6, 3), ("house prices", 2e5, 1e5)]:
        y = centre + scale * rng.normal(size=150)
        p = y + 0.4 * scale * rng.normal(size=150)
        cases.append(regression_case(name, y, p, None))
        cases.append(regression_case(name + ", weighted", y, p, np.round(rng.exponential(size=150), 6) + 0.01))
    cases.append(regression_case("constant truth", np.full(5, 2.5), np.array([2.0, 2.5, 3.0, 2.5, 2.5]), None))
    cases.append(regression_case("constant truth, perfect", np.full(5, 2.5), np.full(5, 2.5), None))
    cases.append(regression_case("a truth of zero", np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.0, 2.0]), None))
    write("regression", cases)


def distributions():
    xs = [-30.0, -8.0, -3.5, -1.96, -1.0, -0.3, 0.0, 0.1, 0.674, 1.0, 1.644853, 2.5758, 4.0, 7.5]
    ps = [1e-300, 1e-20, 1e-9, 1e-4, 0.025, 0.05, 0.3, 0.5, 0.6, 0.925, 0.975, 0.9999, 1 - 1e-12]
    chi = [(0.1, 1), (3.84, 1), (10.0, 3), (2.0, 9), (40.0, 20), (150.0, 60), (0.5, 30)]
    a = [30, 50, 12, 8, 0]
    b = [20, 61, 5, 20, 3]
    rng = np.random.default_rng(17)
    first = np.sort(np.round(rng.normal(size=120), 2))
    second = np.sort(np.round(rng.normal(0.4, 1.2, size=90), 2))
    values = np.sort(rng.normal(size=31))
    qs = [0, 0.01, 0.1, 0.25, 0.5, 0.77, 0.9, 1]
    chi_result = stats.chi2_contingency([a, b], correction=False)
    ks = stats.ks_2samp(first, second, method="asymp")
    write("distributions", [{
        "normal_cdf": [[x, special.ndtr(x)] for x in xs],
        "normal_quantile": [[p, special.ndtri(p)] for p in ps],
        "chi_square_tail": [[x, k, stats.chi2.sf(x, k)] for x, k in chi],
        "kolmogorov_tail": [[x, special.kolmogorov(x)] for x in [0.3, 0.5, 0.8, 1.0, 1.36, 1.63, 2.5]],
        "jensen_shannon": {"reference": a, "current": b, "expected": jensenshannon(a, b, base=2) ** 2},
        "chi_square_test": {"reference": a, "current": b, "statistic": chi_result.statistic, "p_value": chi_result.pvalue},
        "ks": {"first": first.tolist(), "second": second.tolist(), "statistic": ks.statistic,
               "p_value": special.kolmogorov(np.sqrt(120 * 90 / 210) * ks.statistic)},
        "quantile": {"values": values.tolist(), "expected": [[q, np.quantile(values, q)] for q in qs]},
        "moments": {"values": (1e9 + values).tolist(), "mean": np.mean(1e9 + values), "variance": np.var(1e9 + values, ddof=1)},
    }])


binary()
multiclass()
regression()
distributions()
