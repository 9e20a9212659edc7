"""Trains models with the packages that are installed and writes each as ONNX beside what it says about some rows.

python make-models.py FOLDER -> NAME.onnx and NAME.json {"options", "rows": [[...]], "columns": [...], "probabilities" | "values"}
"""

import json
import sys
import warnings

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

warnings.filterwarnings("ignore")
FOLDER = sys.argv[1]
ROWS = 60


def write(name, onnx, rows, columns=None, options=None, **expected):
    with open(f"{FOLDER}/{name}.onnx", "wb") as file:
        file.write(onnx)
    plain = {key: np.asarray(value, dtype=np.float64).tolist() for key, value in expected.items()}
    with open(f"{FOLDER}/{name}.json", "w") as file:
        json.dump({"rows": rows, "columns": columns, "options": options or {}, **plain}, file)


def table(loader):
    x, y = loader(return_X_y=True)
    return x.astype(np.float32), y


iris, species = table(load_iris)
cancer, diagnosis = table(load_breast_cancer)
diabetes, progress = table(load_diabetes)
names = np.array(["setosa", "versicolor", "virginica"])

forest = RandomForestClassifier(30, random_state=0).fit(iris, species)
write("sklearn-forest-zipmap", to_onnx(forest, iris[:1]).SerializeToString(), iris[::3].tolist(), probabilities=forest.predict_proba(iris[::3]))

logistic = make_pipeline(StandardScaler(), LogisticRegression()).fit(iris, names[species])
plain = to_onnx(logistic, iris[:1], options={"zipmap": False}).SerializeToString()
write("sklearn-logistic-plain", plain, iris[::3].tolist(), probabilities=logistic.predict_proba(iris[::3]))

boosted = GradientBoostingClassifier(n_estimators=40, random_state=0).fit(cancer, diagnosis)
write("sklearn-boosting", to_onnx(boosted, cancer[:1]).SerializeToString(), cancer[:ROWS].tolist(), probabilities=boosted.predict_proba(cancer[:ROWS]))

for name, model in {"sklearn-forest-regression": RandomForestRegressor(20, random_state=0), "sklearn-linear-regression": LinearRegression()}.items():
    model.fit(diabetes, progress)
    write(name, to_onnx(model, diabetes[:1]).SerializeToString(), diabetes[:ROWS].tolist(), values=model.predict(diabetes[:ROWS]))

rng = np.random.default_rng(1)
age = rng.integers(18, 80, 300).astype(np.float32)
plan = rng.choice(["basic", "pro", "free"], 300)
wants = (age + 20 * (plan == "pro") + rng.normal(0, 8, 300) > 55).astype(int)
numbers = make_pipeline(SimpleImputer(), StandardScaler())
mixed = make_pipeline(ColumnTransformer([("n", numbers, [0]), ("c", OneHotEncoder(handle_unknown="ignore"), [1])]), LogisticRegression())
import pandas as pd

frame = pd.DataFrame({"age": age, "plan": plan})
mixed.fit(frame, wants)
kinds = [("age", FloatTensorType([None, 1])), ("plan", StringTensorType([None, 1]))]
named = to_onnx(mixed, initial_types=kinds, options={id(mixed): {"zipmap": True}}).SerializeToString()
write("sklearn-named-columns", named, [[float(a), p] for a, p in zip(age[:ROWS], plan[:ROWS])], columns=["age", "plan"], probabilities=mixed.predict_proba(frame[:ROWS]))

try:
    import lightgbm
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType as MlFloat

    wide = [("input", MlFloat([None, cancer.shape[1]]))]
    light = lightgbm.LGBMClassifier(n_estimators=40, verbose=-1).fit(cancer, diagnosis)
    write("lightgbm", onnxmltools.convert_lightgbm(light, initial_types=wide, target_opset=15).SerializeToString(), cancer[:ROWS].tolist(), probabilities=light.predict_proba(cancer[:ROWS]))
    import xgboost

    extreme = xgboost.XGBClassifier(n_estimators=40).fit(cancer, diagnosis)
    write("xgboost", onnxmltools.convert_xgboost(extreme, initial_types=wide, target_opset=15).SerializeToString(), cancer[:ROWS].tolist(), probabilities=extreme.predict_proba(cancer[:ROWS]))
    short = [("input", MlFloat([None, diabetes.shape[1]]))]
    regression = xgboost.XGBRegressor(n_estimators=40).fit(diabetes, progress)
    write("xgboost-regression", onnxmltools.convert_xgboost(regression, initial_types=short, target_opset=15).SerializeToString(), diabetes[:ROWS].tolist(), values=regression.predict(diabetes[:ROWS]))
except ImportError:
    pass

try:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)).eval()
    sample = torch.from_numpy(iris[:ROWS])
    with torch.no_grad():
        shares = torch.softmax(network(sample), dim=1).numpy()
    for name, arguments in {
        "torch-logits": {"dynamo": False, "dynamic_axes": {"x": {0: "batch"}}},
        "torch-fixed-batch": {"dynamo": False},
    }.items():
        path = f"{FOLDER}/{name}.onnx"
        torch.onnx.export(network, (sample[:1],), path, input_names=["x"], output_names=["logits"], **arguments)
        with open(path, "rb") as file:
            content = file.read()
        write(name, content, iris[:ROWS].tolist(), options={"classes": names.tolist()}, probabilities=shares)
except ImportError:
    pass
