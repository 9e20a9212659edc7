"""A runtime for MLServer that answers by ONNX Runtime: one thread a run, as every server in bench/serving-peers.ts has it."""

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        numbers = NumpyCodec.decode_input(payload.inputs[0])
        (output,) = self.session.run(["output"], {"input": numbers})
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", output)])
