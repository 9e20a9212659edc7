"""Writes the three graphs that bench/serving-peers.ts serves by every server: mlp.onnx, trees.onnx, heavy.onnx.

python make-models.py FOLDER. Each takes one float tensor "input" [N, 30] and gives "output" [N, 1]; the weights are random and seeded.
mlp: 30-64-32-1. trees: 300 complete trees of depth 6. heavy: fifteen 3x3 convolutions of 64 channels over 64 x 64, about 20 ms a row on one core.
"""

import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save_model

FOLDER = sys.argv[1]
FEATURES = 30
rng = np.random.default_rng(7)


def weights(name, *shape):
    fan_in = int(np.prod(shape[1:])) or 1
    return numpy_helper.from_array((rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32), name)


def save(name, nodes, initializers=()):
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", FEATURES])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 1])],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    checker.check_model(model)
    save_model(model, f"{FOLDER}/{name}.onnx")


def dense(source, target, width_in, width_out, initializers, activation="Relu"):
    initializers += [weights(f"{target}_w", width_out, width_in), weights(f"{target}_b", width_out)]
    out = f"{target}_sum" if activation else target
    nodes = [helper.make_node("Gemm", [source, f"{target}_w", f"{target}_b"], [out], transB=1)]
    return nodes + ([helper.make_node(activation, [out], [target])] if activation else [])


def mlp():
    initializers = []
    nodes = dense("input", "a", FEATURES, 64, initializers)
    nodes += dense("a", "b", 64, 32, initializers)
    nodes += dense("b", "output", 32, 1, initializers, activation=None)
    save("mlp", nodes, initializers)


def trees(count=300, depth=6):
    size, inner = 2 ** (depth + 1) - 1, 2**depth - 1
    node = np.tile(np.arange(size), count)
    tree = np.repeat(np.arange(count), size)
    leaf = node >= inner
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["output"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=tree.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_featureids=np.where(leaf, 0, rng.integers(0, FEATURES, node.size)).tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_values=np.where(leaf, 0, rng.standard_normal(node.size)).astype(np.float32).tolist(),
        nodes_truenodeids=np.where(leaf, 0, 2 * node + 1).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, 2 * node + 2).tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=node[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=(rng.standard_normal(int(leaf.sum())) / np.sqrt(count)).astype(np.float32).tolist(),
    )
    save("trees", [ensemble])


def heavy(layers=15, channels=64, side=64):
    initializers = []
    nodes = dense("input", "flat", FEATURES, 3 * side * side, initializers)
    initializers.append(numpy_helper.from_array(np.array([-1, 3, side, side], dtype=np.int64), "image_shape"))
    nodes.append(helper.make_node("Reshape", ["flat", "image_shape"], ["image"]))
    source, width = "image", 3
    for layer in range(layers):
        initializers.append(weights(f"k{layer}", channels, width, 3, 3))
        nodes.append(helper.make_node("Conv", [source, f"k{layer}"], [f"c{layer}"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
        source, width = f"r{layer}", channels
    nodes.append(helper.make_node("GlobalAveragePool", [source], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["features"]))
    nodes += dense("features", "output", channels, 1, initializers, activation=None)
    save("heavy", nodes, initializers)


mlp()
trees()
heavy()
