export {
  assertPermissionMatrix,
  runPermissionMatrix,
  type MatrixKeys,
  type MatrixOptions,
  type MatrixProblem,
  type MatrixResult,
  type MatrixTarget,
} from './permission-matrix.ts';
export { fakeIdentity, startTestServer, type TestServer } from './test-server.ts';
