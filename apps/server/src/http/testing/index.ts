export { assertPermissionMatrix, runPermissionMatrix, type MatrixKeys, type MatrixResult, type MatrixTarget } from './permission-matrix.ts';
export { startTestServer, type TestServer } from './test-server.ts';
