// The one error of the SDK. A refusal of the server keeps its problem document (RFC 9457); what never reached the
// server has status 0 and one of our own codes.

export interface FieldError {
  /** Where in the request: `to[2].email`. */
  readonly path: string;
  readonly message: string;
}

export interface HeliographErrorOptions {
  readonly status?: number;
  readonly errors?: readonly FieldError[];
  readonly retryAfterS?: number | null;
  readonly cause?: unknown;
}

/**
 * Decide by `code`: the server's (docs/errors.md), or `network` (no answer), `token` (getToken failed),
 * `protocol` (an answer nobody understands), `unauthorized`.
 */
export class HeliographError extends Error {
  override readonly name = "HeliographError";
  readonly code: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Every place of the request that is wrong. */
  readonly errors: readonly FieldError[];
  /** How long the server asked to wait, in seconds. */
  readonly retryAfterS: number | null;

  constructor(code: string, message: string, options: HeliographErrorOptions = {}) {
    const { status = 0, errors = [], retryAfterS = null, cause } = options;
    super(message, { cause });
    this.code = code;
    this.status = status;
    this.errors = errors;
    this.retryAfterS = retryAfterS;
  }
}

/** What was thrown, as the one error there is. */
export function asError(thrown: unknown): HeliographError {
  return thrown instanceof HeliographError
    ? thrown
    : new HeliographError("protocol", String(thrown), { cause: thrown });
}
