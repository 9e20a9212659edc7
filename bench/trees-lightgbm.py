"""The LightGBM side of bench/trees-lightgbm.ts: same rows, trees, leaves and bins, read from the same files.

usage: python trees-lightgbm.py prepare OUT DATA      writes the tables as raw columns
       python trees-lightgbm.py train OUT NAME THREADS TREES   trains once, prints one JSON line
       python trees-lightgbm.py loss OUT NAME OBJECTIVE TREES  trains with another objective, prints the hold-out predictions' file
(needs numpy and lightgbm; `prepare` of Adult also pandas)
"""
import json, os, resource, sys, time
import numpy as np

ROWS, TEST_ROWS, FEATURES = 500_000, 50_000, 30
BASE = dict(num_leaves=31, max_bin=255, learning_rate=0.1, verbose=-1, min_data_in_leaf=20, seed=1)


def synthetic():
    r = np.random.default_rng(7)
    n = ROWS + TEST_ROWS
    x = r.standard_normal((n, FEATURES)).astype(np.float32)
    m = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.7 * (x[:, 3] > 0.3) + 0.5 * x[:, 4] - 0.6 * np.abs(x[:, 5]) + 0.3 * x[:, 6] * x[:, 7]
    y = (r.random(n) < 1 / (1 + np.exp(-m))).astype(np.float64)
    return x[:ROWS], y[:ROWS], x[ROWS:], y[ROWS:], []


def adult(directory):
    import pandas as pd
    names = [f"c{i}" for i in range(15)]
    read = lambda f: pd.read_csv(f"{directory}/{f}", header=None, names=names, skipinitialspace=True, comment="|").dropna(how="all")
    train, test = read("adult-train.csv"), read("adult-test.csv")
    categorical = [i for i in range(14) if not pd.api.types.is_numeric_dtype(train[f"c{i}"])]
    for i in categorical:
        code = {k: n + 2 for n, k in enumerate(train[f"c{i}"].value_counts().index)}
        for d in (train, test):
            d[f"c{i}"] = d[f"c{i}"].map(lambda v: code.get(v, 1))
    x = lambda d: d[names[:14]].astype(np.float32).to_numpy()
    y = lambda d: d["c14"].str.contains(">50K").to_numpy().astype(np.float64)
    return x(train), y(train), x(test), y(test), categorical


def objectives():
    """One table for each loss: numbers with noise that grows, counts, amounts with zeros, graded documents of queries."""
    r = np.random.default_rng(11)
    n, split = 24_000, 16_000
    x = r.standard_normal((n, 8)).astype(np.float32)
    signal = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * np.abs(x[:, 3])
    spread = np.exp(0.5 * x[:, 4])
    number = signal + spread * r.standard_t(4, n)
    count = r.poisson(np.exp(0.4 * signal + 0.3)).astype(np.float64)
    amount = np.array([r.gamma(2.0, 1.5, k).sum() for k in r.poisson(np.exp(0.4 * signal - 0.2))])
    query = np.repeat(np.arange(n // 20), 20)
    noisy = signal + 0.7 * r.standard_normal(n) + np.repeat(r.standard_normal(n // 20), 20)
    grade = np.clip(np.floor(noisy + 1.5), 0, 4).astype(np.float64)
    return x, dict(number=number, count=count, amount=amount, grade=grade), query, split


def write(out, name, part, x, y):
    np.ascontiguousarray(x.T).astype("<f4").tofile(f"{out}/{name}-{part}.f32")
    y.astype("<f8").tofile(f"{out}/{name}-{part}.f64")


def prepare(out, data):
    os.makedirs(out, exist_ok=True)
    for name, (x, y, xt, yt, categorical) in (("synthetic", synthetic()), ("adult", adult(f"{data}/adult_census_income"))):
        write(out, name, "train", x, y)
        write(out, name, "test", xt, yt)
        meta = dict(rows=len(y), testRows=len(yt), features=x.shape[1], categorical=categorical)
        json.dump(meta, open(f"{out}/{name}.json", "w"))
    x, targets, query, split = objectives()
    for name, y in targets.items():
        write(out, name, "train", x[:split], y[:split])
        write(out, name, "test", x[split:], y[split:])
        json.dump(dict(rows=split, testRows=len(y) - split, features=x.shape[1], categorical=[]), open(f"{out}/{name}.json", "w"))
    query.astype("<i4").tofile(f"{out}/query.i32")


def table(out, name, part):
    meta = json.load(open(f"{out}/{name}.json"))
    rows = meta["rows"] if part == "train" else meta["testRows"]
    x = np.fromfile(f"{out}/{name}-{part}.f32", "<f4").reshape(meta["features"], rows).T
    return x, np.fromfile(f"{out}/{name}-{part}.f64", "<f8"), meta


def auc(score, label):
    order = np.argsort(score, kind="stable")
    values, inverse, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    rank = np.empty(len(score))
    rank[order] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = label.sum()
    return (rank[label == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive))


def train(out, name, threads, trees):
    import lightgbm as lgb
    x, y, meta = table(out, name, "train")
    params = dict(BASE, objective="binary", num_threads=threads)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    before, start, cpu = peak(), time.perf_counter(), time.process_time()
    data = lgb.Dataset(x, y, categorical_feature=meta["categorical"], params=params)
    data.construct()
    built = time.perf_counter()
    booster = lgb.train(params, data, num_boost_round=trees)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    after = peak()
    xt, yt, _ = table(out, name, "test")
    print(json.dumps(dict(seconds=seconds, binSeconds=built - start, cpuSeconds=cpu, auc=auc(booster.predict(xt), yt), peakBytes=after, beforeBytes=before)))


def loss(out, name, params, trees):
    import lightgbm as lgb
    x, y, meta = table(out, name, "train")
    xt, _, _ = table(out, name, "test")
    params = dict(BASE, num_threads=2, **json.loads(params))
    query = np.fromfile(f"{out}/query.i32", "<i4")
    group = None if params["objective"] != "lambdarank" else np.unique(query[: meta["rows"]], return_counts=True)[1]
    booster = lgb.train(params, lgb.Dataset(x, y, group=group, params=params), num_boost_round=trees)
    booster.predict(xt).astype("<f8").tofile(f"{out}/{name}-predicted.f64")
    print(json.dumps(dict(file=f"{name}-predicted.f64")))


command = sys.argv[1]
if command == "prepare":
    prepare(sys.argv[2], sys.argv[3])
elif command == "train":
    train(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
else:
    loss(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
