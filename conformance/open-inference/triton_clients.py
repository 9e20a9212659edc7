"""Drives a server with Triton's own HTTP and gRPC clients and prints what they saw as one JSON object.

Reads from stdin: {"http": "host:port", "grpc": "host:port", "key": ..., "numeric": {"name", "fields", "rows"}, "mixed": {"name", "rows"}}
"""

import json
import queue
import sys

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from tritonclient.utils import InferenceServerException

plan = json.load(sys.stdin)


def fresh():
    """Headers of one call: the HTTP client adds the length of its JSON to the mapping that it is given."""
    return {"authorization": f"Bearer {plan['key']}"}


numeric = plan["numeric"]
mixed = plan["mixed"]
matrix = np.array(numeric["rows"], dtype=np.float64)


def plain(array):
    """numpy to JSON, bytes as text."""
    return [item.decode() if isinstance(item, bytes) else item for item in array.reshape(-1).tolist()]


def outputs_of(result, names):
    return {name: {"shape": list(result.as_numpy(name).shape), "data": plain(result.as_numpy(name))} for name in names}


def tensor(module, name, array, datatype, **options):
    made = module.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **options)
    return made


def mixed_inputs(module, **options):
    age = np.array([[row["age"]] for row in mixed["rows"]], dtype=np.int64)
    text = np.array([[row["plan"].encode()] for row in mixed["rows"]], dtype=np.object_)
    return [tensor(module, "age", age, "INT64", **options), tensor(module, "plan", text, "BYTES", **options)]


def error_of(call):
    try:
        call()
    except InferenceServerException as error:
        return {"message": str(error.message()), "status": str(error.status())}
    return None


def drive(module, client, as_json):
    seen = {}
    seen["live"] = client.is_server_live(headers=fresh())
    seen["ready"] = client.is_server_ready(headers=fresh())
    seen["modelReady"] = client.is_model_ready(numeric["name"], headers=fresh())
    seen["versionReady"] = client.is_model_ready(numeric["name"], "1", headers=fresh())
    seen["server"] = client.get_server_metadata(headers=fresh(), **as_json)
    seen["metadata"] = client.get_model_metadata(mixed["name"], headers=fresh(), **as_json)
    config = client.get_model_config(numeric["name"], headers=fresh(), **as_json)
    seen["config"] = config.get("config", config)
    infers = {}
    names = ["prediction", "probabilities", "invocation"]
    infers["mixed"] = outputs_of(client.infer(mixed["name"], mixed_inputs(module), request_id="call-1", headers=fresh()), names)
    for datatype, dtype in [("FP64", np.float64), ("FP32", np.float32), ("FP16", np.float16)]:
        values = matrix.astype(dtype)
        result = client.infer(numeric["name"], [tensor(module, "input", values, datatype)], headers=fresh())
        infers[datatype] = {**outputs_of(result, names), "used": values.astype(np.float64).tolist()}
    columns = [tensor(module, name, matrix[:, [index]], "FP64") for index, name in enumerate(numeric["fields"])]
    infers["columns"] = outputs_of(client.infer(numeric["name"], columns, headers=fresh()), names)
    only = [module.InferRequestedOutput("probabilities", class_count=1)]
    pinned = client.infer(numeric["name"], columns, model_version="1", outputs=only, headers=fresh())
    infers["top"] = {"version": version_of(pinned), **outputs_of(pinned, ["probabilities"])}
    seen["infers"] = infers
    seen["statistics"] = client.get_inference_statistics(numeric["name"], headers=fresh(), **as_json)
    client.unload_model(mixed["name"], headers=fresh())
    seen["unloaded"] = client.is_model_ready(mixed["name"], headers=fresh())
    seen["unloadedError"] = error_of(lambda: client.infer(mixed["name"], mixed_inputs(module), headers=fresh()))
    client.load_model(mixed["name"], headers=fresh())
    seen["loaded"] = client.is_model_ready(mixed["name"], headers=fresh())
    seen["index"] = client.get_model_repository_index(headers=fresh(), **as_json)
    narrow = [tensor(module, "input", matrix[:, :3], "FP64")]
    seen["errors"] = {
        "shape": error_of(lambda: client.infer(numeric["name"], narrow, headers=fresh())),
        "model": error_of(lambda: client.infer("nope", columns, headers=fresh())),
        "version": error_of(lambda: client.infer(numeric["name"], columns, model_version="99", headers=fresh())),
        "key": error_of(lambda: client.infer(numeric["name"], columns)),
    }
    return seen


def version_of(result):
    reply = result.get_response()
    return reply["model_version"] if isinstance(reply, dict) else reply.model_version


def over_http():
    client = httpclient.InferenceServerClient(plan["http"])
    seen = drive(httpclient, client, {})
    asked = [httpclient.InferRequestedOutput("prediction", binary_data=False)]
    result = client.infer(mixed["name"], mixed_inputs(httpclient, binary_data=False), outputs=asked, headers=fresh())
    seen["infers"]["json"] = outputs_of(result, ["prediction"])
    seen["jsonId"] = result.get_response().get("id")
    client.close()
    return seen


def over_grpc():
    client = grpcclient.InferenceServerClient(plan["grpc"])
    seen = drive(grpcclient, client, {"as_json": True})
    replies = queue.Queue()
    client.start_stream(lambda result, error: replies.put((result, error)), headers=fresh())
    for index in range(5):
        client.async_stream_infer(mixed["name"], mixed_inputs(grpcclient), request_id=f"stream-{index}")
    client.async_stream_infer("nope", mixed_inputs(grpcclient), request_id="stream-bad")
    stream = []
    for _ in range(6):
        result, error = replies.get(timeout=30)
        stream.append({"error": str(error)} if error else {"id": result.get_response().id, "data": plain(result.as_numpy("prediction"))})
    client.stop_stream()
    client.close()
    seen["stream"] = stream
    return seen


print(json.dumps({"http": over_http(), "grpc": over_grpc()}))
