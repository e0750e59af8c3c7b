// The user's token: asked for once for all who need it, again before it ends and when it was refused. Never compares
// the server's times with this device's clock: a token's life is `exp` − `iat`, counted from when it came.

import { HeliographError } from "./errors.ts";
import type { Clock } from "./ports.ts";
import { decodeBase64Url } from "./seams/environment.ts";
import { parseJson, text } from "./wire.ts";

interface Claims {
  readonly user: string | null;
  readonly tenant: string | null;
  /** How long it is good for in all; null = it doesn't say. */
  readonly lifeMs: number | null;
}

/** What stands in a JWT, without checking its signature: that is the server's business. */
function claimsOf(token: string): Claims {
  const json = parseJson(decodeBase64Url(token.split(".")[1] ?? ""));
  const [from, until] = [json?.["iat"], json?.["exp"]];
  const lifeMs = typeof from === "number" && typeof until === "number" && until > from ? (until - from) * 1000 : null;
  return { user: text(json?.["sub"]), tenant: text(json?.["tenant"]), lifeMs };
}

const MARGIN_MS = 60_000;

export interface Tokens {
  readonly claims: Claims;
  /** The token at hand, else a new one. Rejects with code `token` or `unauthorized`. */
  get(): Promise<string>;
  /** Another token than the one that was refused. */
  instead(refused: string): Promise<string>;
  /** Nothing is sent with a token any more. False = that was so already. */
  refuse(error: HeliographError): boolean;
  /** Ends a refusal. */
  reset(token: string | null): void;
  /** No more renewal; the token at hand stays. */
  rest(): void;
  /** Another token came than the one that was good until now. */
  onRenewed: () => void;
}

export function tokensOf(ask: () => string | Promise<string>, clock: Clock): Tokens {
  let token: string | null = null;
  let asking: Promise<string> | null = null;
  let refusal: HeliographError | null = null;
  let rest = (): void => undefined;
  const take = (taken: string) => {
    token = taken;
    rest();
    const { lifeMs } = claimsOf(taken);
    if (lifeMs !== null) rest = clock.after(lifeMs - Math.min(MARGIN_MS, lifeMs / 10), () => void renewEarly());
  };
  const call = async () => {
    let [given, cause]: unknown[] = [];
    try {
      given = await ask();
    } catch (error) {
      cause = error;
    }
    if (typeof given !== "string" || given === "")
      throw new HeliographError("token", "getToken gave no token.", { cause });
    if (refusal) throw refusal;
    take(given);
    return given;
  };
  const renew = () => {
    asking ??= call().finally(() => {
      asking = null;
    });
    return asking;
  };
  /** A failure is no harm yet: the server will refuse the old one in time. */
  const renewEarly = async () => {
    const before = token;
    const newer = await renew().catch(() => before);
    if (before !== null && newer !== before) tokens.onRenewed();
  };
  const tokens: Tokens = {
    get claims() {
      return claimsOf(token ?? "");
    },
    get: async () => {
      if (refusal) throw refusal;
      return token ?? renew();
    },
    instead: async (refused) => {
      if (token === refused && !refusal) token = null;
      return tokens.get();
    },
    refuse: (error) => {
      if (refusal) return false;
      [refusal, token] = [error, null];
      rest();
      return true;
    },
    reset: (given) => {
      refusal = null;
      if (given === null) return;
      take(given);
      tokens.onRenewed();
    },
    rest: () => rest(),
    onRenewed: () => undefined,
  };
  return tokens;
}
