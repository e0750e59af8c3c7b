// Takes away the globals of browsers and Node that React Native lacks, before a test file loads anything; `atob` stays,
// which Hermes has since React Native 0.74.
// What React Native sets up itself (Libraries/Core/setUpXHR.js) is put in by network.ts; `AbortController` is the one of
// its own choice, which knows neither `signal.reason` nor `AbortSignal.timeout`.

const ABSENT = [
  "window", // is there on a phone, but it is only `globalThis`
  "document",
  "navigator",
  "location",
  "localStorage",
  "sessionStorage",
  "indexedDB",
  "Event",
  "EventTarget",
  "CustomEvent",
  "MessageEvent",
  "CloseEvent",
  "BroadcastChannel",
  "MessageChannel",
  "MessagePort",
  "crypto",
  "Crypto",
  "SubtleCrypto",
  "structuredClone",
  "TextEncoder",
  "TextDecoder",
  "ReadableStream",
  "WritableStream",
  "TransformStream",
  "CompressionStream",
  "DecompressionStream",
  "Blob",
  "File",
  "FormData",
  "fetch",
  "Headers",
  "Request",
  "Response",
  "WebSocket",
  "XMLHttpRequest",
  "AbortController",
  "AbortSignal",
];

for (const name of ABSENT) delete globalThis[name];

const { AbortController, AbortSignal } = require("abort-controller/dist/abort-controller");
Object.assign(globalThis, { AbortController, AbortSignal });

const left = ABSENT.filter((name) => name in globalThis && !name.startsWith("Abort"));
if (left.length > 0) throw new Error(`still there: ${left.join(", ")}`);
