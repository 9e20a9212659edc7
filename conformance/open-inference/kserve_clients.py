"""Drives a server with KServe's own REST and gRPC clients and prints what they saw as one JSON object.

Reads from stdin what triton_clients.py reads. A process of its own, since both bring the same protobuf names.
"""

import asyncio
import json
import sys

import grpc
import httpx
import numpy as np
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient
from kserve.inference_client import RESTConfig
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

plan = json.load(sys.stdin)
numeric = plan["numeric"]
mixed = plan["mixed"]
matrix = np.array(numeric["rows"], dtype=np.float64)
base = f"http://{plan['http']}"
headers = {"authorization": f"Bearer {plan['key']}"}
metadata = (("authorization", f"Bearer {plan['key']}"),)


def plain(array):
    return [item.decode() if isinstance(item, bytes) else item for item in np.asarray(array).reshape(-1).tolist()]


def seen_of(response):
    return {
        "model": response.model_name,
        "version": response.model_version,
        "id": response.id,
        "outputs": {output.name: {"shape": list(output.shape), "data": plain(output.as_numpy())} for output in response.outputs},
    }


def numeric_request(datatype, dtype, binary):
    values = matrix.astype(dtype)
    made = InferInput("input", list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(numeric["name"], [made], request_id="kserve-1")


def mixed_request(binary):
    age = InferInput("age", [len(mixed["rows"]), 1], "INT64")
    age.set_data_from_numpy(np.array([[row["age"]] for row in mixed["rows"]], dtype=np.int64), binary_data=binary)
    text = InferInput("plan", [len(mixed["rows"]), 1], "BYTES")
    text.set_data_from_numpy(np.array([[row["plan"]] for row in mixed["rows"]], dtype=np.object_), binary_data=binary)
    return InferRequest(mixed["name"], [age, text], request_id="kserve-2")


async def over_rest():
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    seen = {
        "live": await client.is_server_live(base),
        "ready": await client.is_server_ready(base),
        "modelReady": await client.is_model_ready(base, numeric["name"], headers=headers),
        "missingReady": await client.is_model_ready(base, "nope", headers=headers),
        "infers": {},
    }
    for label, request in requests().items():
        seen["infers"][label] = seen_of(await client.infer(base, request, model_name=request.model_name, headers=dict(headers)))
    try:
        await client.infer(base, numeric_request("FP64", np.float64, False), model_name="nope", headers=dict(headers))
    except httpx.HTTPStatusError as error:
        seen["error"] = {"message": str(error), "status": error.response.status_code}
    await client.close()
    return seen


def requests():
    return {
        "mixed": mixed_request(False),
        "mixedBinary": mixed_request(True),
        "FP64": numeric_request("FP64", np.float64, False),
        "FP64Binary": numeric_request("FP64", np.float64, True),
        "FP32Binary": numeric_request("FP32", np.float32, True),
        "FP16Binary": numeric_request("FP16", np.float16, True),
    }


async def over_grpc():
    client = InferenceGRPCClient(plan["grpc"], retries=0)
    seen = {
        "live": await client.is_server_live(headers=metadata),
        "ready": await client.is_server_ready(headers=metadata),
        "modelReady": await client.is_model_ready(numeric["name"], headers=metadata),
        "infers": {},
    }
    for label, request in requests().items():
        seen["infers"][label] = seen_of(await client.infer(request, headers=metadata))
    await client.close()
    async with grpc.aio.insecure_channel(plan["grpc"]) as channel:
        stub = GRPCInferenceServiceStub(channel)
        unloaded = await stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name=mixed["name"]), metadata=metadata)
        ready = await stub.ModelReady(pb.ModelReadyRequest(name=mixed["name"]), metadata=metadata)
        loaded = await stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name=mixed["name"]), metadata=metadata)
        seen["repository"] = [unloaded.model_name, unloaded.isUnloaded, ready.ready, loaded.model_name, loaded.isLoaded]
    return seen


async def main():
    print(json.dumps({"rest": await over_rest(), "grpc": await over_grpc(), "fp16": matrix.astype(np.float16).astype(np.float64).tolist(), "fp32": matrix.astype(np.float32).astype(np.float64).tolist()}))


asyncio.run(main())
