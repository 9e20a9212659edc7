/** What a gRPC client for tests and benches is made of: gRPC is this workspace's dependency alone. */
export { default as grpc } from '@grpc/grpc-js';
export { loadSync } from '@grpc/proto-loader';
