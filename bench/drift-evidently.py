"""Drift of 20 columns by Evidently with PSI at 0.25, as our monitor has it. Reads two Parquet files, prints JSON.

python drift-evidently.py REFERENCE.parquet CURRENT.parquet
"""

import json
import sys
import time

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

started = time.perf_counter()
reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
read, read_cpu = time.perf_counter(), time.process_time()
texts = [name for name in reference.columns if name.startswith("text")]
numbers = [name for name in reference.columns if not name.startswith("text")]
definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in (reference, current)]
report = Report([DataDriftPreset(method="psi", threshold=0.25)])
result = report.run(sides[1], sides[0]).dict()
ended, ended_cpu = time.perf_counter(), time.process_time()
drifted = {}
for metric in result["metrics"]:
    name = metric["metric_name"] if "metric_name" in metric else metric["metric_id"]
    if "ValueDrift" in name:
        column = metric["config"]["column"] if "config" in metric else name.split("column=")[1].split(",")[0].rstrip(")")
        drifted[column] = float(metric["value"]) >= 0.25
print(json.dumps({"seconds": ended - read, "cpuSeconds": ended_cpu - read_cpu, "readSeconds": read - started, "drifted": drifted}))
