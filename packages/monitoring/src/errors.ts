import { ConflictError, InvalidError, NotFoundError, TooLargeError } from '@slipway/kernel';

/** The window is no length of time, ends before it begins, or is too long. */
export class WindowInvalidError extends InvalidError {
  override readonly code = 'monitoring/window-invalid';
}

/** The stored reference cannot be read. */
export class ReferenceInvalidError extends ConflictError {
  override readonly code = 'monitoring/reference-invalid';
}

export class AlertNotFoundError extends NotFoundError {
  override readonly code = 'monitoring/alert-not-found';
  constructor(id: string) {
    super(`There is no alert "${id.slice(0, 64)}" in this project.`, {
      details: { alert: id.slice(0, 64) },
      help: 'See them with: slipway alerts',
    });
  }
}

export class ChannelNotFoundError extends NotFoundError {
  override readonly code = 'monitoring/channel-not-found';
  constructor(name: string) {
    super(`There is no channel "${name.slice(0, 64)}" in this project.`, {
      details: { channel: name.slice(0, 64) },
      help: 'See them with: slipway channels',
    });
  }
}

export class ChannelExistsError extends ConflictError {
  override readonly code = 'monitoring/channel-exists';
}

export class ChannelsLimitError extends TooLargeError {
  override readonly code = 'monitoring/channels-limit';
}

/** The address of a channel leads to a network that alerts may not be sent to. */
export class DestinationRefusedError extends InvalidError {
  override readonly code = 'monitoring/destination-refused';
}
