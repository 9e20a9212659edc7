"""Writes the two data sets of the tree benchmark as raw columns and times LightGBM on one thread.

usage: python trees-vs-lightgbm.py OUT_DIR [ADULT_DIR]   (needs lightgbm, scikit-learn, pandas)
"""
import json, os, sys, time
import numpy as np, pandas as pd, lightgbm as lgb
from sklearn.metrics import roc_auc_score

out, adult = sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else None)
os.makedirs(out, exist_ok=True)
TREES = int(os.environ.get("TREES", "100"))


def synthetic(rows=500_000, features=30, test=50_000):
    r = np.random.default_rng(7)
    x = r.standard_normal((rows + test, features)).astype(np.float32)
    m = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.7 * (x[:, 3] > 0.3) + 0.5 * x[:, 4] - 0.6 * np.abs(x[:, 5]) + 0.3 * x[:, 6] * x[:, 7]
    y = (r.random(rows + test) < 1 / (1 + np.exp(-m))).astype(np.float64)
    return x[:rows], y[:rows], x[rows:], y[rows:], []


def adult_set():
    names = [f"c{i}" for i in range(15)]
    read = lambda f: pd.read_csv(f, header=None, names=names, skipinitialspace=True, comment="|").dropna(how="all")
    tr, te = read(f"{adult}/adult-train.csv"), read(f"{adult}/adult-test.csv")
    cats = [i for i in range(14) if not pd.api.types.is_numeric_dtype(tr[f"c{i}"])]
    for i in cats:
        order = tr[f"c{i}"].value_counts().index.tolist()
        code = {k: n + 2 for n, k in enumerate(order)}
        for d in (tr, te):
            d[f"c{i}"] = d[f"c{i}"].map(lambda v: code.get(v, 1))
    x = lambda d: d[names[:14]].astype(np.float32).to_numpy()
    y = lambda d: d["c14"].str.contains(">50K").to_numpy().astype(np.float64)
    return x(tr), y(tr), x(te), y(te), cats


for name, make in [("synthetic", synthetic)] + ([("adult", adult_set)] if adult else []):
    x, y, xt, yt, cats = make()
    for part, values in (("train", x), ("test", xt)):
        np.asfortranarray(values).T.astype("<f4").tofile(f"{out}/{name}-{part}.f32")
    y.astype("<f8").tofile(f"{out}/{name}-train.f64")
    yt.astype("<f8").tofile(f"{out}/{name}-test.f64")
    params = dict(objective="binary", num_leaves=31, max_bin=255, learning_rate=0.1, num_threads=1, verbose=-1, min_data_in_leaf=20)
    best = None
    for _ in range(int(os.environ.get("REPEATS", "3"))):
        start = time.perf_counter()
        data = lgb.Dataset(x, y, categorical_feature=cats, params=params)
        data.construct()
        built = time.perf_counter()
        booster = lgb.train(params, data, num_boost_round=TREES)
        total = time.perf_counter() - start
        if best is None or total < best[0]:
            best = (total, built - start)
    auc = roc_auc_score(yt, booster.predict(xt))
    meta = dict(rows=len(y), testRows=len(yt), features=x.shape[1], categorical=cats, trees=TREES, seconds=best[0], binSeconds=best[1], auc=auc)
    json.dump(meta, open(f"{out}/{name}.json", "w"))
    print(name, meta)
