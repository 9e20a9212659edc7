"""Writes the reference vectors that the tests of clusters, components and anomalies in @slipway/learning compare with.

Run in a virtual environment with scikit-learn and scipy:
    python conformance/reference/unsupervised.py [FOLDER]    # default: packages/learning/src/testing/vectors
The vectors are frozen; unsupervised.test.ts runs this again where the packages are there and compares. To add cases, run it
and commit what it writes.
"""

import json
import pathlib
import sys

import numpy as np
import scipy
import sklearn
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import adjusted_rand_score, silhouette_samples

DEFAULT = pathlib.Path(__file__).parents[2] / "packages/learning/src/testing/vectors"
FOLDER = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
VERSIONS = {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__}


def table(seed, rows, width):
    random = np.random.default_rng(seed)
    clumps = random.integers(0, 3, rows)
    mixing = random.normal(size=(width, width))
    return (random.normal(size=(rows, width)) + 4 * clumps[:, None] * random.normal(size=width)) @ mixing, clumps


def clusters():
    cases = []
    for seed, rows, width, count in [(1, 60, 2, 3), (2, 90, 5, 4), (3, 40, 3, 6)]:
        points, truth = table(seed, rows, width)
        start = points[np.random.default_rng(seed + 100).choice(rows, count, replace=False)]
        found = KMeans(count, init=start, n_init=1, algorithm="lloyd", tol=0, max_iter=300).fit(points)
        cases.append(
            {
                "width": width,
                "points": points.ravel().tolist(),
                "start": start.ravel().tolist(),
                "labels": found.labels_.tolist(),
                "centres": found.cluster_centers_.ravel().tolist(),
                "inertia": float(found.inertia_),
                "silhouettes": silhouette_samples(points, found.labels_).tolist(),
                "truth": truth.tolist(),
                "adjustedRand": float(adjusted_rand_score(truth, found.labels_)),
            }
        )
    return cases


def components():
    cases = []
    for seed, rows, width in [(11, 50, 3), (12, 80, 8), (13, 30, 6)]:
        points, _ = table(seed, rows, width)
        points = points - points.mean(axis=0)
        found = PCA(svd_solver="full").fit(points)
        cases.append(
            {
                "width": width,
                "points": points.ravel().tolist(),
                "directions": found.components_.ravel().tolist(),
                "variances": found.explained_variance_.tolist(),
            }
        )
    return cases


def forests():
    cases = []
    for seed, rows, width, sample in [(21, 120, 3, 64), (22, 40, 4, 40)]:
        points = table(seed, rows, width)[0].astype(np.float32).astype(np.float64)
        found = IsolationForest(n_estimators=20, max_samples=sample, random_state=seed).fit(points)
        trees = [
            {
                "left": each.tree_.children_left.tolist(),
                "right": each.tree_.children_right.tolist(),
                "feature": each.tree_.feature.tolist(),
                "threshold": each.tree_.threshold.tolist(),
                "rows": each.tree_.n_node_samples.tolist(),
            }
            for each in found.estimators_
        ]
        scores = (-found.score_samples(points)).tolist()
        cases.append({"width": width, "points": points.ravel().tolist(), "sampleRows": int(found.max_samples_), "trees": trees, "scores": scores})
    return cases


def ranks():
    random = np.random.default_rng(31)
    left = random.integers(0, 20, 50).astype(float)
    right = left + random.normal(size=50) * 5
    return [{"left": left.tolist(), "right": right.tolist(), "correlation": float(stats.spearmanr(left, right).statistic)}]


FOLDER.mkdir(parents=True, exist_ok=True)
vectors = {"made_with": VERSIONS, "clusters": clusters(), "components": components(), "forests": forests(), "ranks": ranks()}
(FOLDER / "unsupervised.json").write_text(json.dumps(vectors, allow_nan=False) + "\n")
