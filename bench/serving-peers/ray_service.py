"""The graphs in SERVING_PEERS_MODELS behind Ray Serve: SERVING_PEERS_WORKERS replicas, each with its own sessions. Prints "ready"."""

import os
import sys
import time

import numpy as np
import onnxruntime
import ray
from ray import serve
from starlette.requests import Request

FOLDER = os.environ["SERVING_PEERS_MODELS"]


def session_of(name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(f"{FOLDER}/{name}.onnx", options, providers=["CPUExecutionProvider"])


@serve.deployment(num_replicas=int(os.environ.get("SERVING_PEERS_WORKERS", "1")), max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.5})
class Peers:
    def __init__(self):
        self.sessions = {name: session_of(name) for name in ("mlp", "trees", "heavy")}

    async def __call__(self, request: Request):
        rows = np.asarray((await request.json())["rows"], dtype=np.float32)
        (output,) = self.sessions[request.url.path.strip("/")].run(["output"], {"input": rows})
        return output.tolist()


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1]), "access_log": False}, logging_config={"log_level": "ERROR", "enable_access_log": False})
serve.run(Peers.bind(), route_prefix="/", logging_config={"log_level": "ERROR", "enable_access_log": False})
print("ready", flush=True)
while True:
    time.sleep(60)
