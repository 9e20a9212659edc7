"""Writes the reference vectors that the tests of @slipway/statistics compare with.

Run in a virtual environment with scikit-learn, scipy and statsmodels:
    python conformance/reference/statistics.py [FOLDER]    # default: packages/statistics/src/testing/vectors
The vectors are frozen; reference.test.ts runs this again where the packages are there and compares. To add cases, run it
and commit what it writes.
"""

import itertools
import json
import pathlib
import sys
import warnings

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy import special, stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as m
from sklearn.calibration import calibration_curve
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.diagnostic import acorr_ljungbox, het_breuschpagan
from statsmodels.stats.stattools import durbin_watson

DEFAULT = pathlib.Path(__file__).parents[2] / "packages/statistics/src/testing/vectors"
FOLDER = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
VERSIONS = {
    "scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__,
    "statsmodels": statsmodels.__version__,
}
warnings.simplefilter("ignore")


def write(name, cases):
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({"made_with": VERSIONS, "cases": cases}, allow_nan=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def number(value):
    value = float(value)
    return None if np.isnan(value) else value


def top_positives(y, p, w, size):
    """Positives expected among the best `size` when rows of equal score are taken in a random order."""
    found = taken = 0.0
    for score in np.unique(p)[::-1]:
        rows = p == score
        room = min(size - taken, w[rows].sum())
        if w[rows].sum() > 0:
            found += room * (w[rows] * y[rows]).sum() / w[rows].sum()
        taken += room
    return found


def calibration_error(y, p, w):
    if w is None:
        seen, said = calibration_curve(y, p, n_bins=10)
        counts = np.bincount(np.searchsorted(np.linspace(0, 1, 11)[1:-1], p), minlength=10)
        return (np.abs(seen - said) * counts[counts > 0]).sum() / len(y)
    edges = np.linspace(0, 1, 11)
    inside = [(p > low if low > 0 else p >= 0) & (p <= high) for low, high in itertools.pairwise(edges)]
    return sum(abs((w * (p - y))[rows].sum()) for rows in inside) / w.sum()


def ks(y, p, w):
    if 1 not in y or 0 not in y:
        return np.nan
    if w is None:
        return stats.ks_2samp(p[y == 1], p[y == 0]).statistic
    fpr, tpr, _ = m.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    return np.abs(tpr - fpr).max()


def binary_case(name, y, p, w):
    guess = (p > 0.5).astype(int)
    kw = {"sample_weight": w}
    ones = np.ones(len(y)) if w is None else w
    top = top_positives(y, p, ones, 0.1 * ones.sum()) / (0.1 * ones.sum())
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
            "balanced_accuracy": number(m.balanced_accuracy_score(y, guess, **kw)),
            "calibration_error": number(calibration_error(y, p, w)),
            "ks": number(ks(y, p, w)),
            "precision_at_10_percent": number(top),
            "lift_at_10_percent": number(top / ((ones * y).sum() / ones.sum()) if y.any() else np.nan),
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


def one_versus_rest(y, p, w, average):
    present = np.unique(y)
    if len(present) == p.shape[1]:
        shares = p / p.sum(axis=1, keepdims=True)  # scikit-learn wants rows that sum to 1 exactly; checked to keep the order
        result = m.roc_auc_score(y, shares, multi_class="ovr", average=average, sample_weight=w)
    areas = [m.roc_auc_score(y == c, p[:, c], sample_weight=w) for c in present]
    sizes = [(np.ones(len(y)) if w is None else w)[y == c].sum() for c in present]
    own = np.average(areas, weights=sizes if average == "weighted" else None)
    # scikit-learn weighs classes by their rows, not by the rows' weights, when rows have weights.
    if len(present) == p.shape[1] and (average == "macro" or w is None) and np.array_equal(shares.argsort(axis=0), p.argsort(axis=0)):
        assert abs(result - own) < 1e-12
    return own


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
                    "balanced_accuracy": m.balanced_accuracy_score(y, guess, sample_weight=w),
                    "top_3_accuracy": m.top_k_accuracy_score(y, p, k=3, labels=range(k), sample_weight=w),
                    **{f"roc_auc_{average}": one_versus_rest(y, p, w, average) for average in ("macro", "weighted")},
                },
            })
    write("multiclass", cases)


def regression_case(name, y, p, w):
    kw = {"sample_weight": w}
    return {
        "name": name, "truth": y.tolist(), "predicted": p.tolist(), "weights": None if w is None else w.tolist(),
        "expected": {
            "rmse": m.root_mean_squared_error(y, p, **kw), "mae": m.mean_absolute_error(y, p, **kw),
            "median_absolute_error": m.median_absolute_error(y, p, **kw),
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



def delong_case(name, y, first, second):
    """By definition: placements of every positive among all negatives, without sorting."""
    def placements(p):
        pairs = (p[y == 1][:, None] > p[y == 0][None, :]) + 0.5 * (p[y == 1][:, None] == p[y == 0][None, :])
        return pairs.mean(axis=1), pairs.mean(axis=0)

    (a, b), (c, d) = placements(first), placements(second)

    def error(v, u):
        return float(np.sqrt(np.var(v, ddof=1) / len(v) + np.var(u, ddof=1) / len(u)))

    difference, se = a.mean() - c.mean(), error(a - c, b - d)
    z = difference / se
    return {
        "name": name, "labels": y.tolist(), "first": first.tolist(), "second": second.tolist(),
        "auc": m.roc_auc_score(y, first), "auc_error": error(a, b),
        "auc_low": max(0, a.mean() - stats.norm.ppf(0.975) * error(a, b)),
        "auc_high": min(1, a.mean() + stats.norm.ppf(0.975) * error(a, b)),
        "difference": difference, "error": se, "z": z, "p_value": 2 * stats.norm.sf(abs(z)),
        "low": difference - stats.norm.ppf(0.975) * se, "high": difference + stats.norm.ppf(0.975) * se,
    }


def comparisons():
    rng = np.random.default_rng(19)
    delong = []
    for name, n, share, decimals in [("balanced", 200, 0.5, 17), ("rare", 300, 0.05, 17), ("ties", 250, 0.4, 1)]:
        y = (rng.random(n) < share).astype(int)
        y[:4] = [0, 1, 0, 1]
        base = rng.normal(size=n) + 1.2 * y
        first = np.round(1 / (1 + np.exp(-base)), decimals)
        second = np.round(1 / (1 + np.exp(-(base + 0.8 * rng.normal(size=n)))), decimals)
        delong.append(delong_case(name, y, first, second))
    tests = []
    for b, c in [(0, 0), (1, 0), (5, 5), (3, 12), (60, 31), (400, 480), (500, 500), (700, 900), (0, 40)]:
        exact = b + c <= 1000
        result = mcnemar([[0, b], [c, 0]], exact=exact, correction=True)
        p = 1.0 if b + c == 0 else result.pvalue
        if exact and b + c > 0:
            assert abs(p - stats.binomtest(b, b + c, 0.5).pvalue) < 1e-9
        tests.append([b, c, float(p)])
    write("comparisons", [{"delong": delong, "mcnemar": tests}])


def ranking():
    rng = np.random.default_rng(23)
    cases = []
    for name, grades, decimals in [("grades", 5, 17), ("binary", 2, 17), ("ties", 4, 0), ("one relevant", 1, 1)]:
        queries, scores, relevance, expected = [], [], [], []
        for query in range(12):
            size = int(rng.integers(2, 30))
            r = rng.integers(0, grades, size) if grades > 1 else np.zeros(size, int)
            r[int(rng.integers(size))] = max(1, grades - 1)
            s = np.round(rng.normal(size=size) + 0.5 * r, decimals)
            queries += [query * 7] * size
            scores += s.tolist()
            relevance += r.tolist()
            mrr = 1 / (1 + min((s > s[i]).sum() + ((s == s[i]) & (r == 0)).sum() for i in np.flatnonzero(r)))
            if (r > 0).sum() == 1:
                assert abs(mrr - m.label_ranking_average_precision_score([r > 0], [s])) < 1e-12
            expected.append({
                "ndcg_at_10": m.ndcg_score([r], [s], k=10), "ndcg_at_3": m.ndcg_score([r], [s], k=3),
                "ndcg_at_3_exponential": m.ndcg_score([2.0**r - 1], [s], k=3),
                "map": m.average_precision_score(r > 0, s), "mrr": mrr,
            })
        cases.append({"name": name, "queries": queries, "scores": scores, "relevance": relevance, "expected": expected})
    write("ranking", cases)


def residuals():
    rng = np.random.default_rng(29)
    cases = []
    for name, n in [("normal", 80), ("heavy tails, uneven", 200), ("with memory", 150)]:
        factor = rng.normal(size=n) * 3 + 10
        e = rng.normal(size=n)
        if name.startswith("heavy"):
            e = rng.standard_t(3, size=n) * np.abs(factor)
        if name == "with memory":
            for i in range(1, n):
                e[i] += 0.6 * e[i - 1]
        jb = stats.jarque_bera(e)
        lm, lm_p, _, _ = het_breuschpagan(e, np.column_stack([np.ones(n), factor]))
        lb = acorr_ljungbox(e, lags=[10])
        cases.append({
            "name": name, "residuals": e.tolist(), "factor": factor.tolist(),
            "jarque_bera": [jb.statistic, jb.pvalue], "skewness": stats.skew(e), "kurtosis": stats.kurtosis(e, fisher=False),
            "breusch_pagan": [lm, lm_p], "ljung_box": [float(lb["lb_stat"].iloc[0]), float(lb["lb_pvalue"].iloc[0])],
            "durbin_watson": durbin_watson(e),
            "pinball": [[q, m.mean_pinball_loss(factor + e, factor, alpha=q)] for q in (0.1, 0.5, 0.9)],
            "coverage": float(np.mean(factor + e <= factor)),
            "median_absolute_error": m.median_absolute_error(factor + e, factor),
        })
    write("residuals", cases)


binary()
multiclass()
regression()
distributions()
comparisons()
ranking()
residuals()
