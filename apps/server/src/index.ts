export { verifyBackup, type BackupSummary } from './backup.ts';
export { compose, type ComposeOptions, type ExtraParts, type House } from './compose.ts';
export { HomeNotEmptyError, PortInUseError } from './errors.ts';
export { HOST, restoreBackup, startServer, type RunningServer, type ServerOptions } from './start-server.ts';
export { VERSION } from './version.ts';
