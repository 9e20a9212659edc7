"""Reference values for packages/learning/src/explain: SHAP values and interactions by `shap` and LightGBM.

    python conformance/reference/tree-shap.py > packages/learning/src/testing/vectors/tree-shap.json

Needs numpy, scikit-learn, lightgbm and shap. Every value is a function of the seed below.
"""
import json
import sys
import warnings

import lightgbm
import numpy
import shap
from sklearn.ensemble import GradientBoostingRegressor

warnings.filterwarnings("ignore")
SEED = 20261121


def rows_of(matrix):
    return [[None if numpy.isnan(cell) else float(cell) for cell in row] for row in matrix]


def table(random, rows, with_missing, with_categories):
    x = random.normal(size=(rows, 6)).astype(numpy.float32)
    if with_categories:
        x[:, 5] = random.integers(0, 40, size=rows)
    if with_missing:
        hide = random.uniform(size=x.shape) < 0.15
        if with_categories:
            hide[:, 5] = False
        x[hide] = numpy.nan
    filled = numpy.nan_to_num(x.astype(numpy.float64), nan=-0.7)
    score = filled[:, 0] * filled[:, 1] + numpy.sin(2 * filled[:, 2]) + 0.5 * filled[:, 3]
    if with_categories:
        score = score + numpy.where(numpy.isin(filled[:, 5] % 7, (1, 3, 4)), 1.2, -0.4)
    return x, score


def lightgbm_case(name, objective, with_missing, with_categories, random):
    x, score = table(random, 1200, with_missing, with_categories)
    noisy = score + 0.3 * random.normal(size=len(score))
    target = {"binary": lambda: noisy > 0.3, "multiclass": lambda: numpy.digitize(noisy, (-0.5, 0.8)), "regression": lambda: noisy}[objective]()
    params = dict(objective=objective, num_leaves=12, learning_rate=0.15, min_data_in_leaf=10, verbosity=-1, seed=SEED, deterministic=True, num_threads=1, max_cat_to_onehot=4)
    if objective == "multiclass":
        params["num_class"] = 3
    categories = [5] if with_categories else "auto"
    model = lightgbm.train(params, lightgbm.Dataset(x, label=target, categorical_feature=categories, params={"verbosity": -1}), num_boost_round=12)
    rows, background = x[:12].astype(numpy.float64), x[100:120].astype(numpy.float64)
    outputs = 3 if objective == "multiclass" else 1
    contributions = model.predict(rows, pred_contrib=True).reshape(len(rows), outputs, 7)
    case = {
        "name": name,
        "trees": model.dump_model()["tree_info"],
        "outputs": outputs,
        "width": 6,
        "rows": rows_of(rows),
        "margins": model.predict(rows, raw_score=True).reshape(len(rows), outputs).tolist(),
        "pathDependent": contributions[:, :, :6].tolist(),
        "expected": contributions[0, :, 6].tolist(),
    }
    # shap adds the classes of a LightGBM model up when it explains against background rows.
    if not with_categories and outputs == 1:
        explainer = shap.TreeExplainer(model, data=background, feature_perturbation="interventional")
        values = numpy.asarray(explainer.shap_values(rows, check_additivity=False))
        values = values.reshape(len(rows), 1, 6)
        case["background"] = rows_of(background)
        case["interventional"] = values.tolist()
    if outputs == 1:
        interactions = numpy.asarray(shap.TreeExplainer(model, feature_perturbation="tree_path_dependent").shap_interaction_values(rows))
        if not with_categories:
            case["interactions"] = interactions.reshape(len(rows), 6, 6).tolist()
    return case


def sklearn_case(random):
    """scikit-learn's trees, whose values come from shap's own TreeSHAP and not from LightGBM's."""
    x, score = table(random, 800, False, False)
    model = GradientBoostingRegressor(n_estimators=10, max_depth=5, random_state=SEED).fit(x, score)
    rows, background = x[:12].astype(numpy.float64), x[50:70].astype(numpy.float64)
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    trees = []
    for (estimator,) in model.estimators_:
        tree = estimator.tree_

        def node(at):
            if tree.children_left[at] < 0:
                return {"leaf_index": int(at), "leaf_value": float(tree.value[at][0][0] * model.learning_rate), "leaf_count": float(tree.weighted_n_node_samples[at])}
            return {
                "split_feature": int(tree.feature[at]),
                "threshold": float(tree.threshold[at]),
                "decision_type": "<=",
                "default_left": False,
                "missing_type": "None",
                "internal_count": float(tree.weighted_n_node_samples[at]),
                "left_child": node(tree.children_left[at]),
                "right_child": node(tree.children_right[at]),
            }

        trees.append({"tree_structure": node(0)})
    start = float(numpy.ravel(model.init_.constant_)[0])
    return {
        "name": "scikit-learn regression",
        "trees": trees,
        "outputs": 1,
        "width": 6,
        "rows": rows_of(rows),
        "base": [start],
        "margins": model.predict(rows).reshape(-1, 1).tolist(),
        "pathDependent": explainer.shap_values(rows, check_additivity=False).reshape(12, 1, 6).tolist(),
        "expected": [float(numpy.ravel(explainer.expected_value)[0])],
        "interactions": explainer.shap_interaction_values(rows).reshape(12, 6, 6).tolist(),
        "background": rows_of(background),
        "interventional": shap.TreeExplainer(model, data=background, feature_perturbation="interventional").shap_values(rows, check_additivity=False).reshape(12, 1, 6).tolist(),
    }


random = numpy.random.default_rng(SEED)
cases = [
    sklearn_case(random),
    lightgbm_case("LightGBM binary", "binary", False, False, random),
    lightgbm_case("LightGBM regression with missing values", "regression", True, False, random),
    lightgbm_case("LightGBM binary with category sets", "binary", True, True, random),
    lightgbm_case("LightGBM multiclass with missing values", "multiclass", True, False, random),
]
KEPT = {"split_feature", "threshold", "decision_type", "default_left", "missing_type", "internal_count", "left_child", "right_child", "leaf_index", "leaf_value", "leaf_count", "tree_structure"}


def slim(value):
    if isinstance(value, dict):
        return {key: slim(item) for key, item in value.items() if key in KEPT}
    return value


for case in cases:
    case["trees"] = [slim(tree) for tree in case["trees"]]
json.dump({"shap": shap.__version__, "lightgbm": lightgbm.__version__, "seed": SEED, "cases": cases}, sys.stdout, separators=(",", ":"))
sys.stdout.write("\n")
