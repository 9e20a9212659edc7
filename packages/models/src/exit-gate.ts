/**
 * Ending the process while a worker is inside ONNX Runtime aborts it (SIGABRT, exit code 134): the binding throws a C++
 * exception once Node has stopped the thread (onnxruntime-node 1.30, 2026-11). A gate is two shared numbers by which the exiting
 * main thread waits for the run in hand and keeps the next one from starting.
 */
const BUSY = 0;
const STOPPED = 1;

/** Longest wait for a run when the process ends. */
const EXIT_WAIT_LIMIT_MS = 10_000;

export function createGate(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
}

/** In the worker, before engine work. @returns false when the process is ending and the work must not start. */
export function enterGate(gate: Int32Array): boolean {
  // First busy, then look: with the other side's order (first stopped, then look) one of the two always sees the other.
  Atomics.store(gate, BUSY, 1);
  if (Atomics.load(gate, STOPPED) === 0) return true;
  leaveGate(gate);
  return false;
}

export function leaveGate(gate: Int32Array): void {
  Atomics.store(gate, BUSY, 0);
  Atomics.notify(gate, BUSY);
}

const gates = new Set<Int32Array>();

/** In the main thread: makes the end of the process wait for this worker. */
export function holdExitFor(gate: Int32Array): void {
  if (gates.size === 0) process.on('exit', stopAll);
  gates.add(gate);
}

export function releaseExit(gate: Int32Array): void {
  gates.delete(gate);
  if (gates.size === 0) process.off('exit', stopAll);
}

function stopAll(): void {
  for (const gate of gates) Atomics.store(gate, STOPPED, 1);
  for (const gate of gates) Atomics.wait(gate, BUSY, 1, EXIT_WAIT_LIMIT_MS);
}
