// onnxruntime-node carries its CPU runtime with it, but its postinstall also downloads CUDA libraries (hundreds of
// megabytes from another host) and fails the whole installation where that host cannot be reached. It leaves alone what
// is there, and npm runs every preinstall before any postinstall: empty files stand in for libraries that are never
// loaded. Whoever wants CUDA: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const FLAGS = ['ONNXRUNTIME_NODE_INSTALL', 'ONNXRUNTIME_NODE_INSTALL_CUDA', 'npm_config_onnxruntime_node_install'];

try {
  if (!FLAGS.some((name) => process.env[name])) standIn();
} catch {
  // Another layout than expected: the other package's own default applies.
}

function standIn() {
  const require = createRequire(import.meta.url);
  const root = dirname(require.resolve('onnxruntime-node/package.json'));
  const platform = `${process.platform}/${process.arch}`;
  const { requirements, manifests } = require(join(root, 'script/install-metadata.js'));
  for (const name of requirements[platform] ?? []) {
    for (const file of Object.keys(manifests[`${platform}:${name}`])) writeIfMissing(join(root, 'bin/napi-v6', platform, file));
  }
}

function writeIfMissing(path) {
  try {
    writeFileSync(path, '', { flag: 'wx' });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
}
