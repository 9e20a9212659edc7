"""A BentoML service of every graph in SERVING_PEERS_MODELS; SERVING_PEERS_WORKERS processes, BATCHING=1 for its adaptive batching."""

import os

import bentoml
import numpy as np
import onnxruntime

FOLDER = os.environ["SERVING_PEERS_MODELS"]
IS_BATCHING = os.environ.get("SERVING_PEERS_BATCHING") == "1"
LATENCY_MS = 1_000


def session_of(name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(f"{FOLDER}/{name}.onnx", options, providers=["CPUExecutionProvider"])


@bentoml.service(
    workers=int(os.environ.get("SERVING_PEERS_WORKERS", "1")),
    traffic={"timeout": 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Peers:
    def __init__(self):
        self.sessions = {name: session_of(name) for name in ("mlp", "trees", "heavy")}

    def run(self, name, rows):
        (output,) = self.sessions[name].run(["output"], {"input": rows.astype(np.float32, copy=False)})
        return output

    @bentoml.api(batchable=IS_BATCHING, max_batch_size=256, max_latency_ms=LATENCY_MS)
    def mlp(self, rows: np.ndarray) -> np.ndarray:
        return self.run("mlp", rows)

    @bentoml.api(batchable=IS_BATCHING, max_batch_size=256, max_latency_ms=LATENCY_MS)
    def trees(self, rows: np.ndarray) -> np.ndarray:
        return self.run("trees", rows)

    @bentoml.api(batchable=IS_BATCHING, max_batch_size=8, max_latency_ms=LATENCY_MS)
    def heavy(self, rows: np.ndarray) -> np.ndarray:
        return self.run("heavy", rows)
