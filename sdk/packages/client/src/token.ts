// The user's token: asked for once for all who need it, again before it ends and when it was refused. Never compares
// the server's times with this device's clock: a token's life is `exp` − `iat`, counted from when it came.

import { HeliographError } from "./errors.ts";
import type { Clock } from "./ports.ts";
import { decodeBase64Url } from "./seams/environment.ts";
import { parseJson, text } from "./wire.ts";

export interface Claims {
  readonly user: string | null;
  readonly tenant: string | null;
  /** How long it is good for in all; null = it doesn't say. */
  readonly lifeMs: number | null;
}

/** What stands in a JWT, without checking its signature: that is the server's business. */
function claimsOf(token: string): Claims {
  const json = parseJson(decodeBase64Url(token.split(".")[1] ?? ""));
  const from = json?.["iat"];
  const until = json?.["exp"];
  const lifeMs = typeof from === "number" && typeof until === "number" && until > from ? (until - from) * 1000 : null;
  return { user: text(json?.["sub"]), tenant: text(json?.["tenant"]), lifeMs };
}

const MARGIN_MS = 60_000;

export class Tokens {
  readonly #ask: () => string | Promise<string>;
  readonly #clock: Clock;
  #token: string | null = null;
  #asking: Promise<string> | null = null;
  #refusal: HeliographError | null = null;
  #cancelRenewal = (): void => undefined;
  /** Another token came than the one that was good until now. */
  onRenewed: () => void = () => undefined;

  constructor(ask: () => string | Promise<string>, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  get claims(): Claims {
    return claimsOf(this.#token ?? "");
  }

  /** The token at hand, else a new one. Rejects with code `token` or `unauthorized`. */
  async get(): Promise<string> {
    if (this.#refusal) throw this.#refusal;
    return this.#token ?? this.#renew();
  }

  /** Another token than the one that was refused. */
  async instead(refused: string): Promise<string> {
    if (this.#token === refused && !this.#refusal) this.#token = null;
    return this.get();
  }

  /** Nothing is sent with a token any more. False = that was so already. */
  refuse(error: HeliographError): boolean {
    if (this.#refusal) return false;
    this.#refusal = error;
    this.#token = null;
    this.#cancelRenewal();
    return true;
  }

  /** Ends a refusal. */
  reset(token: string | null): void {
    this.#refusal = null;
    if (token === null) return;
    this.#take(token);
    this.onRenewed();
  }

  /** No more renewal; the token at hand stays. */
  rest(): void {
    this.#cancelRenewal();
  }

  #renew(): Promise<string> {
    this.#asking ??= this.#call().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #call(): Promise<string> {
    let token: unknown;
    let cause: unknown;
    try {
      token = await this.#ask();
    } catch (error) {
      cause = error;
    }
    if (typeof token !== "string" || token === "")
      throw new HeliographError("token", "getToken gave no token.", { cause });
    if (this.#refusal) throw this.#refusal;
    this.#take(token);
    return token;
  }

  #take(token: string): void {
    this.#token = token;
    this.#cancelRenewal();
    const { lifeMs } = claimsOf(token);
    if (lifeMs === null) return;
    this.#cancelRenewal = this.#clock.after(lifeMs - Math.min(MARGIN_MS, lifeMs / 10), () => void this.#renewEarly());
  }

  /** A failure is no harm yet: the server will refuse the old one in time. */
  async #renewEarly(): Promise<void> {
    const before = this.#token;
    const token = await this.#renew().catch(() => before);
    if (before !== null && token !== before) this.onRenewed();
  }
}
