"""The Python half of bench/tree-shap.ts: trains LightGBM on Adult, explains rows with LightGBM and with shap, one thread each.

    python bench/tree-shap.py ADULT_CSV OUTPUT_FOLDER

Writes model.json (trees, rows, values) and prints one JSON line of seconds a thousand rows (process time).
"""
import json
import os
import sys
import time
import warnings

os.environ["OMP_NUM_THREADS"] = "1"
import lightgbm
import numpy
import pandas
import shap

warnings.filterwarnings("ignore")
SEED, TREES, LEAVES, ROWS, BACKGROUND, INTERVENTIONAL_ROWS, REPEATS = 1, 100, 31, 1000, 100, 100, 3

path, folder = sys.argv[1:3]
table = pandas.read_csv(path, header=None, skipinitialspace=True, na_values="?")
target = (table[14].astype(str).str.startswith(">50K")).astype(int).to_numpy()
# Codes as plain numbers: shap's own algorithm has no category sets.
frame = table.drop(columns=[14])
x = numpy.column_stack(
    [frame[name].to_numpy(numpy.float64) if frame[name].dtype.kind in "if" else frame[name].astype("category").cat.codes.replace(-1, numpy.nan).to_numpy(numpy.float64) for name in frame]
).astype(numpy.float32).astype(numpy.float64)
params = dict(objective="binary", num_leaves=LEAVES, learning_rate=0.1, verbosity=-1, seed=SEED, deterministic=True, num_threads=1)
model = lightgbm.train(params, lightgbm.Dataset(x, label=target), num_boost_round=TREES)
order = numpy.random.default_rng(SEED).permutation(len(x))
rows, background = x[order[:ROWS]], x[order[ROWS : ROWS + BACKGROUND]]


def best(work):
    seconds, value = [], None
    for _ in range(REPEATS):
        started = time.process_time()
        value = work()
        seconds.append(time.process_time() - started)
    return min(seconds), value


native, contributions = best(lambda: model.predict(rows, pred_contrib=True, num_threads=1))
explainer = shap.TreeExplainer(model)
explainer.model.model_type = "internal"  # shap's own algorithm instead of LightGBM's
own, values = best(lambda: explainer.shap_values(rows, check_additivity=False))
values = numpy.asarray(values[1] if isinstance(values, list) else values).reshape(ROWS, -1)
against = shap.TreeExplainer(model, data=background, feature_perturbation="interventional")
interventional, mixed = best(lambda: against.shap_values(rows[:INTERVENTIONAL_ROWS], check_additivity=False))
mixed = numpy.asarray(mixed[1] if isinstance(mixed, list) else mixed).reshape(INTERVENTIONAL_ROWS, -1)


def plain(matrix):
    return [[None if numpy.isnan(cell) else float(cell) for cell in row] for row in matrix]


with open(os.path.join(folder, "model.json"), "w") as file:
    json.dump(
        {
            "trees": model.dump_model()["tree_info"],
            "rows": plain(rows),
            "background": plain(background),
            "native": contributions[:, :-1].tolist(),
            "own": values.tolist(),
            "interventional": mixed.tolist(),
        },
        file,
    )
print(json.dumps({"shap": shap.__version__, "lightgbm": lightgbm.__version__, "native": native / ROWS * 1000, "own": own / ROWS * 1000, "interventional": interventional / INTERVENTIONAL_ROWS * 1000}))
